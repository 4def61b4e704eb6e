#!/usr/bin/env bash
# DuckDB 2.0.1: a query over an Arrow table fails for the type of a column that it does not select.
# float16 (embeddings) and decimals of more than 38 digits: "Unsupported Internal Arrow Type". From a
# Parquet file of the same table the same query works, and even the columns can be read: as FLOAT, and
# as DOUBLE, which has no room for 40 digits.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' \
  'duckdb==2.0.1' 'numpy==2.4.6' 2>/dev/null
cat >"$work/ask.py" <<'PYTHON'
import sys
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

file = f"{sys.argv[1]}/table.parquet"
digits = Decimal("12345678901234567890123456789012345678.91")
columns = {
    "float16": pa.array(np.array([0.5], np.float16)),
    "decimal of 40 digits": pa.array([digits], pa.decimal256(40, 2)),
}
for name, column in columns.items():
    arrow_table = pa.table({"sku": ["mug"], "other": column})
    pq.write_table(arrow_table, file)
    try:
        over_table = duckdb.sql("SELECT sku FROM arrow_table").fetchall()
    except duckdb.NotImplementedException as error:
        over_table = str(error)
    over_file = duckdb.sql(f"SELECT sku FROM '{file}'").fetchall()
    kind, value = duckdb.sql(f"SELECT typeof(other), other FROM '{file}'").fetchall()[0]
    sys.stdout.write(f"{name}: table {over_table}; file {over_file}, {kind} {value}\n")
    assert "Unsupported Internal Arrow Type" in over_table, "DuckDB takes the table now"
    assert over_file == [("mug",)]
    assert kind == {"float16": "FLOAT"}.get(name, "DOUBLE"), "DuckDB reads another type now"
PYTHON
"$work/venv/bin/python" "$work/ask.py" "$work"
