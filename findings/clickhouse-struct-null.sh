#!/usr/bin/env bash
# ClickHouse 26.9 (chdb-core): a nullable struct in Parquet is read as a Tuple, which cannot be null.
# `WHERE error IS NULL` finds none of the rows in which the struct is null, no error; a condition over
# a field of it (`error.code IS NULL`) finds them, and with them rows whose struct is there and whose
# field alone is null: the two cannot be told apart any more. pyarrow and DuckDB tell them apart.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' 'chdb==4.4.0' \
  'chdb-core==26.9.0' 'duckdb==2.0.1' 2>/dev/null
cat >"$work/ask.py" <<'PYTHON'
import sys

import chdb
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

file = f"{sys.argv[1]}/rows.parquet"
errors = pa.array([None, None, {"code": None}, {"code": "x"}], pa.struct([("code", pa.string())]))
pq.write_table(pa.table({"sku": ["a", "b", "c", "d"], "error": errors}), file)
counts = {}
for condition in ("error IS NULL", "error.code IS NULL"):
    by_clickhouse = chdb.query(f"SELECT count() FROM file('{file}') WHERE {condition}")
    by_duckdb = duckdb.sql(f"SELECT count(*) FROM '{file}' WHERE {condition}").fetchall()[0][0]
    counts[condition] = int(str(by_clickhouse)), by_duckdb
    sys.stdout.write(f"{condition}: ClickHouse {counts[condition][0]} rows, DuckDB {by_duckdb}\n")
assert counts["error IS NULL"] == (0, 2), "ClickHouse knows a struct that is null now"
assert counts["error.code IS NULL"] == (3, 3)
PYTHON
"$work/venv/bin/python" "$work/ask.py" "$work"
