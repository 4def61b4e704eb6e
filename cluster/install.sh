#!/usr/bin/env bash
# Install this checkout into a virtual environment of its own, at the versions of constraints.txt.
#
#   cluster/install.sh FOLDER [EXTRAS]
set -euo pipefail

folder=$1
extras=${2:-}
cd "$(dirname "$0")/.."

"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/pip" install --no-cache-dir --disable-pip-version-check --quiet \
  --constraint constraints.txt ".[cluster${extras:+,$extras}]"

# The image is broken here rather than on a cluster.
cd /
"$folder/bin/backlot" recipes
"$folder/bin/ray" --version
