#!/usr/bin/env bash
# deltalake 1.6.6 commits partitions of negative decimals under a value that it cannot read: -0.50 of
# a decimal(9, 2) becomes '0.-50', and -0.05 becomes '0.-5', for the sign is written again with the
# digits behind the point. `write_deltalake` raises, "Failed to parse value '0.-50'", but its commit is
# there: from then on the *whole table* cannot be read, rows of other partitions and earlier versions'
# rows included, until somebody takes the entry out of the log. -12.00 and 0.05 are written rightly.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'deltalake==1.6.6' \
  'pyarrow==26.0.1' 2>/dev/null
cat >"$work/write.py" <<'PYTHON'
import json
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

PRICE = pa.decimal128(9, 2)


def rows(sku, price):
    return pa.table({"sku": [sku], "price": pa.array([Decimal(price)], PRICE)})


def tried(work):
    try:
        return work()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


said = {}
for price in ("0.05", "-12.00", "-0.50", "-0.05"):
    table = Path(sys.argv[1], f"table{price}")
    write_deltalake(table, rows("mug", "1.00"), partition_by=["price"])
    appended = tried(lambda: write_deltalake(table, rows("cup", price), mode="append") or "written")
    log = (table / "_delta_log" / f"{1:020d}.json").read_text().splitlines()
    logged = [json.loads(line)["add"]["partitionValues"]["price"] for line in log if '"add"' in line]
    read = tried(lambda: pa.table(DeltaTable(table).scan())["sku"].to_pylist())
    said[price] = (logged[0], read)
    sys.stdout.write(f"{price:>6}  {appended}\n        in the log {logged[0]!r}; read: {read}\n")
for price in ("0.05", "-12.00"):
    assert said[price][0] == price
    assert sorted(said[price][1]) == ["cup", "mug"]
assert said["-0.50"][0] == "0.-50", "the value is written rightly now"
assert said["-0.05"][0] == "0.-5", "the value is written rightly now"
assert "Failed to parse value" in said["-0.50"][1], "the table can be read now"
PYTHON
"$work/venv/bin/python" "$work/write.py" "$work"
