#!/usr/bin/env bash
# ray 2.60.0: `ray.cluster_utils.Cluster` cannot start on a machine where Ray never ran, although it
# is given a folder of its own (`temp_dir`). It writes the cluster's address into the *default*
# folder as well, which it does not create: FileNotFoundError for .../ray/ray_current_cluster, after
# the head node has come up. Where `ray.init()` ran once since the last boot, nobody notices.
#
# Seen on Linux x86-64, Python 3.11:
#   FileNotFoundError: [Errno 2] No such file or directory: '<TMPDIR>/ray/ray_current_cluster'
# The way round: make the default folder (RAY_TMPDIR, then `mkdir ray` below it) before.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'ray[default]==2.60.0' 2>/dev/null
mkdir "$work/own" "$work/tmp"
cat >"$work/start.py" <<'PYTHON'
import os, sys
from ray.cluster_utils import Cluster

try:
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "temp_dir": sys.argv[1], "include_dashboard": False},
    )
except FileNotFoundError as error:
    sys.stdout.write(f"no cluster: {os.path.relpath(error.filename, os.environ['TMPDIR'])}\n")
else:
    sys.stdout.write("a cluster\n")
    cluster.shutdown()
PYTHON
unset RAY_TMPDIR
export TMPDIR=$work/tmp RAY_AUTH_MODE=disabled
first=$("$work/venv/bin/python" "$work/start.py" "$work/own" 2>/dev/null | tail -n 1)
mkdir -p "$TMPDIR/ray"
second=$("$work/venv/bin/python" "$work/start.py" "$work/own" 2>/dev/null | tail -n 1)
echo "default folder missing: $first"
echo "default folder there:   $second"
[ "$first" = "no cluster: ray/ray_current_cluster" ] && [ "$second" = "a cluster" ]
