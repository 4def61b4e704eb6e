#!/usr/bin/env bash
# DuckDB 2.0.1: the sum of a column of 64-bit whole numbers is a HUGEINT, and a HUGEINT is written into
# Parquet as DOUBLE. So `COPY (SELECT sum(stock) ...) TO 'x.parquet'` changes whole numbers above 2^53
# without a word, although they fit into 64 bits: 9007199254740993 comes back as 9007199254740992.0,
# in DuckDB itself too. In CSV the number is right.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' 'duckdb==2.0.1' \
  2>/dev/null
cat >"$work/write.py" <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

number, folder = 2**53 + 1, sys.argv[1]
query = f"SELECT sum(stock) AS stock FROM (SELECT {number}::BIGINT AS stock)"
exact, kind = duckdb.sql(f"SELECT stock, typeof(stock) FROM ({query})").fetchall()[0]
duckdb.sql(f"COPY ({query}) TO '{folder}/sum.parquet'")
duckdb.sql(f"COPY ({query}) TO '{folder}/sum.csv'")
column = pq.read_table(f"{folder}/sum.parquet")["stock"]
again = duckdb.sql(f"SELECT stock FROM '{folder}/sum.parquet'").fetchall()[0][0]
csv = Path(folder, "sum.csv").read_text().split()[1]
sys.stdout.write(
    f"asked: {kind} {exact}; Parquet: {column.type} {column[0].as_py()!r}, "
    f"read by DuckDB {again!r}; CSV: {csv}\n"
)
assert (exact, kind, csv) == (number, "HUGEINT", str(number))
assert str(column.type) == "double", "DuckDB writes another type now"
assert int(column[0].as_py()) == int(again) == number - 1, "DuckDB keeps the number now"
PYTHON
"$work/venv/bin/python" "$work/write.py" "$work"
