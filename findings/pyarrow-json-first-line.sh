#!/usr/bin/env bash
# pyarrow 26.0.1: a JSON Lines file whose first object is longer than a block (1 MiB) is read by
# `pyarrow.dataset` as rows of nulls: the right number of rows, the right columns, no value in any of
# them, no error. `pyarrow.json.read_json` reads the same file right; so does the dataset if the long
# object stands in second place.
#
# One product with its photograph in Base64 at the top is enough.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' 2>/dev/null
cat >"$work/read.py" <<'PYTHON'
import json
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.json

long = {"id": "long", "note": "x" * (1100 * 1024)}
short = [{"id": f"short {number}", "note": "x"} for number in range(2)]
found = {}
for name, rows in {"first": [long, *short], "second": [short[0], long, short[1]]}.items():
    file = Path(sys.argv[1], f"{name}.jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found[name] = (
        ds.dataset(str(file), format="json").to_table(columns=["id"])["id"].to_pylist(),
        pyarrow.json.read_json(str(file))["id"].to_pylist(),
    )
    sys.stdout.write(f"long object {name}: dataset {found[name][0]}, read_json {found[name][1]}\n")
assert found["first"][0] == [None] * 3, "the dataset reads the rows now, or refuses the file"
assert found["first"][1] == ["long", "short 0", "short 1"]
assert found["second"][0] == found["second"][1] == ["short 0", "long", "short 1"]
PYTHON
"$work/venv/bin/python" "$work/read.py" "$work"
