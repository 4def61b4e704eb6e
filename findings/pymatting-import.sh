#!/usr/bin/env bash
# PyMatting 1.1.16 on numba 0.68.1: `import pymatting`, to use one of its functions, compiles all of
# them: the decorators of its modules name their types, so numba compiles as each module is read,
# and the package reads every module. With nothing cached that is half a minute of an idle core
# (32 s measured on one), for each user, machine and container that has no cache yet.
#
# `import pymatting.foreground.estimate_foreground_ml` is no way round: Python reads the package
# first. numba keeps what it compiled beside the sources, or in the user's cache where those cannot
# be written; where neither can be, every process compiles everything again.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'pymatting==1.1.16' 'numba==0.68.1' 'numpy==2.4.6' 'scipy==1.17.1' 'pillow==13.0.0' 2>/dev/null
cat >"$work/count.py" <<'PYTHON'
import sys
import time
from numba.core import event

with event.install_recorder("numba:compile") as seen:
    started = time.perf_counter()
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml
    seconds = time.perf_counter() - started
functions = {str(one.data["dispatcher"]) for _, one in seen.buffer if one.is_start}
sys.stdout.write(f"{len(functions)} functions compiled, {seconds:.0f} s\n")
PYTHON
export NUMBA_CACHE_DIR=$work/cache
mkdir "$NUMBA_CACHE_DIR"
first=$("$work/venv/bin/python" "$work/count.py")
second=$("$work/venv/bin/python" "$work/count.py")
echo "nothing cached: $first"
echo "all cached:     $second"
[ "${first%% *}" -gt 20 ] && [ "${second%% *}" -eq 0 ]
