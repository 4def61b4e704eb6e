"""A Ray cluster of several nodes on this machine, in a process of its own, that obeys commands.

Read from standard input, one a line: `node` ends a worker node and all that runs there at once,
`raylet` ends only its raylet, `quit` ends the cluster. A lost node is replaced, as a cloud replaces
a spot instance. With the argument `alone` there is one node, for tests in which none is lost. The
first line printed is the cluster's address; each command is answered by a line that repeats it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

os.environ |= {
    "RAY_AUTH_MODE": "disabled",
    # Without it Ray rewrites loopback addresses to the machine's own.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}

import psutil
from ray.cluster_utils import Cluster

from tests.ray_folder import own_ray_folder

NODE = {"num_cpus": 3, "node_ip_address": "127.0.0.1", "object_store_memory": 200 * 2**20}


def main() -> None:
    is_alone = sys.argv[1:] == ["alone"]
    with own_ray_folder("chaos-") as folder:
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                **NODE,
                "num_cpus": NODE["num_cpus"] if is_alone else 1,
                "temp_dir": folder,
                "include_dashboard": False,
            },
        )
        workers = [cluster.add_node(**NODE) for _ in range(0 if is_alone else 2)]
        cluster.wait_for_nodes()
        _say(cluster.address)
        for line in sys.stdin:
            command = line.strip()
            if command == "quit":
                break
            node = workers.pop(0)
            (raylet,) = node.all_processes["raylet"]
            here = psutil.Process(raylet.process.pid)
            doomed = [here, *here.children(recursive=True)] if command == "node" else [here]
            for process in doomed:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            cluster.remove_node(node, allow_graceful=False)
            workers.append(cluster.add_node(**NODE))
            _say(command)
        cluster.shutdown()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
