#!/usr/bin/env bash
# polars 2.1.0 writes a column of Int128 into Parquet as FIXED_LEN_BYTE_ARRAY(16) and says what it is
# in the Arrow schema that it stores beside it (an integer of 128 bits, which Arrow does not have).
#   pyarrow 26.0.1 refuses the *file*, its schema and every other column, "Integers with more than 64
#   bits not implemented" (ArrowNotImplementedError, neither ArrowInvalid nor OSError);
#   DuckDB 2.0.1 reads the column as a BLOB of the number's bytes.
# `sum()` over Int64 is no such column, `cast(pl.Int128)` is.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' 'polars==2.1.0' \
  'duckdb==2.0.1' 2>/dev/null
cat >"$work/read.py" <<'PYTHON'
import sys

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

file = f"{sys.argv[1]}/wide.parquet"
frame = pl.DataFrame({"sku": ["mug"], "stock": [7]})
frame.with_columns(pl.col("stock").cast(pl.Int128)).write_parquet(file)
said = {}
for name, read in {
    "schema": lambda: pq.read_schema(file),
    "another column": lambda: pq.read_table(file, columns=["sku"]),
}.items():
    try:
        read()
    except pa.ArrowNotImplementedError as error:
        said[name] = str(error)
    sys.stdout.write(f"pyarrow, {name}: {said.get(name, 'read')}\n")
value, kind = duckdb.sql(f"SELECT stock, typeof(stock) FROM '{file}'").fetchall()[0]
sys.stdout.write(f"DuckDB: {kind} {value!r}\n")
again = pl.read_parquet(file)["stock"].to_list()
assert set(said) == {"schema", "another column"}, "pyarrow reads the file now"
assert (kind, value) == ("BLOB", (7).to_bytes(16, "little")), "DuckDB reads a number now"
assert again == [7]
PYTHON
"$work/venv/bin/python" "$work/read.py" "$work"
