#!/usr/bin/env bash
# DuckDB 2.0.1 and a Parquet file with a NaN (what numpy, PyTorch and Polars write for "no price"): which
# rows a query finds depends on how the file is cut into row groups, and on the other rows. DuckDB holds
# NaN to be larger than any number, as PostgreSQL does; Parquet's statistics leave NaN out, as their
# standard says; and DuckDB passes over a row group whose maximum is too small.
# Prices 10, NaN, 500, 20, written by pyarrow 26.0.1:
#   one row group:    price > 100 finds NaN and 500     isnan(price): nothing   max(price): 500
#   two of two rows:  price > 100 finds 500             isnan(price): nothing   max(price): 500
#   four of one row:  price > 100 finds NaN and 500     isnan(price): NaN       max(price): NaN
# Over the same table in memory (Arrow) it is NaN and 500, NaN, NaN. A file of two rows a group that Polars
# 2.1.0 wrote gives the same rows as pyarrow's. DuckDB's own files are right: it writes no minimum and
# maximum where there is a NaN. Polars finds NaN and 500 in all of them.
#
# Whoever compacts a table, or adds a row to it, changes what is selected of the others. The way round:
# null for what is not known, or the query over an Arrow table rather than over the file.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' 'duckdb==2.0.1' \
  'polars==2.1.0' 2>/dev/null
cat >"$work/query.py" <<'PYTHON'
import math
import sys

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.argv[1]
prices = pa.table({"sku": ["a", "b", "c", "d"], "price": [10.0, math.nan, 500.0, 20.0]})


def found(source):
    dear = [row[0] for row in duckdb.sql(f"SELECT sku FROM {source} WHERE price > 100").fetchall()]
    none = [row[0] for row in duckdb.sql(f"SELECT sku FROM {source} WHERE isnan(price)").fetchall()]
    return dear, none, str(duckdb.sql(f"SELECT max(price) FROM {source}").fetchall()[0][0])


answers = {"in memory": found("prices")}
for rows in (4, 2, 1):
    file = f"{folder}/{rows}.parquet"
    pq.write_table(prices, file, row_group_size=rows)
    answers[f"pyarrow, {rows} in a row group"] = found(f"'{file}'")
    lazy = pl.scan_parquet(file).filter(pl.col("price") > 100).collect()["sku"].to_list()
    assert lazy == ["b", "c"], "Polars finds others now"
pl.DataFrame(prices).write_parquet(f"{folder}/polars.parquet", row_group_size=2)
answers["Polars, 2 in a row group"] = found(f"'{folder}/polars.parquet'")
duckdb.sql(f"COPY prices TO '{folder}/duckdb.parquet' (ROW_GROUP_SIZE 2)")
answers["DuckDB, 2 in a row group"] = found(f"'{folder}/duckdb.parquet'")
for what, (dear, none, largest) in answers.items():
    sys.stdout.write(f"{what}: over 100 {dear}, NaN {none}, maximum {largest}\n")
right = (["b", "c"], ["b"], "nan")
assert answers["in memory"] == right
assert answers["pyarrow, 4 in a row group"] == (["b", "c"], [], "500.0"), "four rows are read anew"
assert answers["pyarrow, 2 in a row group"] == (["c"], [], "500.0"), "two rows are read anew"
assert answers["pyarrow, 1 in a row group"] == right, "one row is read anew"
PYTHON
"$work/venv/bin/python" "$work/query.py" "$work"
