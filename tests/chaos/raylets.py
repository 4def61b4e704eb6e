"""A Ray cluster of several nodes on this machine, in a process of its own.

Each line of standard input kills a worker node at once, and its end ends the cluster. A lost node
is replaced, as a cloud replaces a spot instance. The first line printed is the cluster's address.
"""

from __future__ import annotations

import os
import sys

os.environ |= {
    "RAY_AUTH_MODE": "disabled",
    # Without it Ray rewrites loopback addresses to the machine's own.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}

from ray.cluster_utils import Cluster

from tests.ray_folder import own_ray_folder

NODE = {"num_cpus": 3, "node_ip_address": "127.0.0.1", "object_store_memory": 200 * 2**20}


def main() -> None:
    with own_ray_folder("chaos-") as folder:
        cluster = Cluster(
            initialize_head=True,
            head_node_args={**NODE, "num_cpus": 1, "temp_dir": folder, "include_dashboard": False},
        )
        workers = [cluster.add_node(**NODE) for _ in range(2)]
        cluster.wait_for_nodes()
        sys.stdout.write(f"{cluster.address}\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            cluster.remove_node(workers.pop(0), allow_graceful=False)
            workers.append(cluster.add_node(**NODE))
            sys.stdout.write("lost\n")
            sys.stdout.flush()
        cluster.shutdown()


if __name__ == "__main__":
    main()
