#!/usr/bin/env bash
# One Parquet file, one INT96 column (how Spark up to 3.x wrote timestamps, and what pyarrow still writes
# on request), two dates that people use for "no end" and "long ago": three readers, three answers.
#   pyarrow 26.0.1: 1816-03-29 and 2184-07-20 (nanoseconds wrap around, no error)
#   polars 2.1.0:   2262-04-11 for both, also for the year 1600 (held to the largest, no error)
#   DuckDB 2.0.1:   9999-12-31 and 1600-01-01, which is what was written
# pyarrow reads them right with `coerce_int96_timestamp_unit="us"`.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' 'polars==2.1.0' \
  'duckdb==2.0.1' 2>/dev/null
cat >"$work/read.py" <<'PYTHON'
import sys
from datetime import datetime

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

file = f"{sys.argv[1]}/int96.parquet"
written = [datetime(9999, 12, 31), datetime(1600, 1, 1)]
pq.write_table(
    pa.table({"until": pa.array(written, pa.timestamp("us"))}),
    file,
    use_deprecated_int96_timestamps=True,
    store_schema=False,
)
as_text = {
    "pyarrow": pq.read_table(file)["until"].cast(pa.string()).to_pylist(),
    "pyarrow, in microseconds": pq.read_table(file, coerce_int96_timestamp_unit="us")["until"]
    .cast(pa.string())
    .to_pylist(),
    "polars": pl.read_parquet(file)["until"].cast(pl.String).to_list(),
    "DuckDB": [row[0] for row in duckdb.sql(f"SELECT until::VARCHAR FROM '{file}'").fetchall()],
}
for reader, dates in as_text.items():
    sys.stdout.write(f"{reader}: {dates}\n")
days = {reader: [date[:10] for date in dates] for reader, dates in as_text.items()}
right = ["9999-12-31", "1600-01-01"]
assert days["DuckDB"] == days["pyarrow, in microseconds"] == right
assert days["pyarrow"] == ["1816-03-29", "2184-07-20"], "pyarrow does not wrap around any more"
assert days["polars"] == ["2262-04-11", "2262-04-11"], "polars does not hold them down any more"
PYTHON
"$work/venv/bin/python" "$work/read.py" "$work"
