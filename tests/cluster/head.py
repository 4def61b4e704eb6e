"""A head and two worker nodes on this machine, as a catalogue team would have them.

One group of nodes is light, one heavy; their GPUs are numbers only. Prints one line of JSON (the
cluster's address, its dashboard, the group of nodes behind each port of metrics) and ends when its
standard input does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ |= {
    # Without it Ray rewrites loopback addresses to the machine's own.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # A job's command is `python`: this one.
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "RAY_JOB_STOP_WAIT_TIME_S": "20",
}

import ray
from ray.cluster_utils import Cluster
from ray.job_submission import JobSubmissionClient

from tests.ray_folder import own_ray_folder

NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 200 * 2**20}
_AGENT_S = 180.0


def _wait_for_an_agent(dashboard: str) -> None:
    """Wait until the dashboard knows of one that starts jobs: on a busy machine that is seconds."""
    client = JobSubmissionClient(dashboard)
    end = time.monotonic() + _AGENT_S
    while True:
        try:
            client.submit_job(entrypoint="true")
        except RuntimeError as error:
            if "No available agent" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.5)
        else:
            return


def main() -> None:
    with own_ray_folder("head-") as folder:
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                **NODE,
                "num_cpus": 1,
                "temp_dir": folder,
                "include_dashboard": True,
                "dashboard_host": "127.0.0.1",
                "dashboard_port": int(sys.argv[1]),
            },
        )
        for group in ("light-gpu", "heavy-gpu"):
            labels = {"ray.io/node-group": group}
            cluster.add_node(**NODE, num_cpus=2, num_gpus=1, labels=labels)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        said = {
            "address": cluster.address,
            "dashboard": f"http://{cluster.webui_url}",
            "metrics": {
                n["MetricsExportPort"]: n["Labels"].get("ray.io/node-group") for n in ray.nodes()
            },
        }
        ray.shutdown()
        _wait_for_an_agent(said["dashboard"])
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        cluster.shutdown()


if __name__ == "__main__":
    main()
