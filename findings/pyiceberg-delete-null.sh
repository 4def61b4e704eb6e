#!/usr/bin/env bash
# pyiceberg 0.12.0: `delete(condition)` does not delete all rows that `scan(condition)` finds, where the
# column holds a null or a NaN. Prices 1, null, 5, NaN:
#   price not in (5, 6)   a scan finds 1, null and NaN; delete takes 1, and null and NaN stay
#   price != 5            a scan finds 1 and NaN;       delete takes 1, and NaN stays
# Whoever moves rows elsewhere, by a scan and a delete of the same condition, has them in both places. No
# error, no warning. A condition without a "not" does the same in both. (Iceberg's expressions, other than
# SQL's, are true of a null that is "not in"; the rows to keep are found by the opposite condition.)
#
# The way round: `AND price IS NOT NULL AND price IS NOT NaN` in both.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite]==0.12.0' \
  'pyarrow==26.0.1' 2>/dev/null
cat >"$work/move.py" <<'PYTHON'
import math
import sys

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

work = sys.argv[1]
catalog = SqlCatalog("one", uri=f"sqlite:///{work}/catalog.db", warehouse=f"file://{work}/tables")
catalog.create_namespace("shop")
rows = pa.table({"sku": ["one", "null", "five", "nan"], "price": [1.0, None, 5.0, math.nan]})


def moved(condition, number):
    """What a scan finds, and what is left after a delete by the same condition."""
    table = catalog.create_table(f"shop.prices{number}", schema=rows.schema)
    table.append(rows)
    found = table.scan(row_filter=condition).to_arrow()["sku"].to_pylist()
    table.delete(condition)
    return found, table.scan().to_arrow()["sku"].to_pylist()


conditions = ("price not in (5, 6)", "price != 5", "price < 3", "price is nan", "price is null")
both = {}
for number, condition in enumerate(conditions):
    found, left = moved(condition, number)
    both[condition] = sorted(set(found) & set(left))
    sys.stdout.write(f"{condition}: found {found}, left {left}, both {both[condition]}\n")
assert both.pop("price not in (5, 6)") == ["nan", "null"], "not in deletes what it finds now"
assert both.pop("price != 5") == ["nan"], "!= deletes what it finds now"
assert not any(both.values())
PYTHON
"$work/venv/bin/python" "$work/move.py" "$work"
