#!/usr/bin/env bash
# ray 2.60.0: a job that was submitted to one cluster joins another that runs on the same machine. Ray
# gives the job its address as RAY_ADDRESS, and looks for it in `ray_current_cluster` in the cluster's
# own folder. `ray start` writes that file; `ray.cluster_utils.Cluster` writes it into the default
# folder, whatever `temp_dir` it was given. Where the file is not there, Ray lists the raylets of the
# machine and takes any of their clusters, without a word: the order is that of a set.
#
# The way round: the default folder (RAY_TMPDIR, then `ray` below it) as `temp_dir`.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'ray[default]==2.60.0' 2>/dev/null
cat >"$work/one.py" <<'PYTHON'
"""A cluster in a folder of its own, until standard input ends."""

import sys

from ray.cluster_utils import Cluster

node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100 * 2**20}
cluster = Cluster(
    initialize_head=True,
    head_node_args={
        **node,
        "temp_dir": sys.argv[1],
        "include_dashboard": len(sys.argv) > 2,
        "dashboard_port": int(sys.argv[2]) if len(sys.argv) > 2 else None,
    },
)
print(cluster.address, f"http://{cluster.webui_url}", flush=True)
sys.stdin.read()
cluster.shutdown()
PYTHON
cat >"$work/two.py" <<'PYTHON'
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

from ray.job_submission import JobSubmissionClient

WORK = sys.argv[1]
JOIN = "import ray; ray.init(); print('joined', ray.get_runtime_context().gcs_address)"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


@contextmanager
def cluster(default, given, *more):
    os.makedirs(f"{default}/ray", exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, f"{WORK}/one.py", given, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "RAY_TMPDIR": default},
    )
    try:
        yield process.stdout.readline().split()
    finally:
        process.stdin.close()
        process.wait(60)


def submitted(client, entrypoint):
    """The id of a job, as soon as the dashboard has found an agent that starts it."""
    for _ in range(120):
        try:
            return client.submit_job(entrypoint=entrypoint)
        except RuntimeError as error:
            if "No available agent" not in str(error):
                raise
            time.sleep(0.5)
    raise AssertionError("no agent in a minute")


def joined(given):
    """How many of eight jobs of a cluster with this folder joined it, and how many another."""
    with (
        # First: the agent that starts jobs has one port a machine, unless told otherwise.
        cluster(f"{WORK}/d", given, free_port()) as (address, dashboard),
        cluster(f"{WORK}/o", f"{WORK}/o/ray"),
    ):
        client = JobSubmissionClient(dashboard)
        right = []
        for _ in range(8):
            job = submitted(client, f'{sys.executable} -c "{JOIN}"')
            while not client.get_job_status(job).is_terminal():
                time.sleep(0.2)
            right.append(f"joined {address}" in client.get_job_logs(job))
        return right.count(True), right.count(False)


apart, same = joined(f"{WORK}/own"), joined(f"{WORK}/d/ray")
print(f"a folder of its own: {apart[0]} of 8 jobs join their cluster, {apart[1]} another")
print(f"the default folder:  {same[0]} of 8 jobs join their cluster, {same[1]} another")
assert same == (8, 0)
assert apart[1], "jobs join their own cluster now"
PYTHON
export RAY_AUTH_MODE=disabled RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 PATH="$work/venv/bin:$PATH"
unset RAY_ADDRESS
python "$work/two.py" "$work" 2>/dev/null
