#!/usr/bin/env bash
# ray 2.60.0: `map_batches(lambda batch: batch)` with the format of batches that it has by itself (numpy)
# changes the table that goes through it, and `write_parquet` keeps the change. No error, no warning.
#   int64 with a null     double: the null is NaN, and 9007199254740993 is 9007199254740992
#   date32                timestamp
#   timestamp of a zone   timestamp without one, which reads as local time and is UTC
#   decimal128(9, 2)      decimal128(3, 2), as few digits as these values need
#   map of texts          list of lists
#   list with a null      *pickled Python objects*: to any other reader of the Parquet file, bytes
# A column that the function does not touch is changed as well: it is enough that it is in the batch. With
# batch_format="pyarrow" or "pandas" every column comes out as it went in.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'ray[data]==2.60.0' \
  'pyarrow==26.0.1' 'pandas==3.1.1' 2>/dev/null
cat >"$work/identity.py" <<'PYTHON'
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.dataset as ds
import ray

work = sys.argv[1]
ray.init(
    address="local", num_cpus=2, include_dashboard=False, _temp_dir=work, log_to_driver=False,
    logging_level="ERROR", object_store_memory=200 * 2**20,
)  # fmt: skip
ray.data.DataContext.get_current().enable_progress_bars = False
table = pa.table(
    {
        "number": pa.array([2**53 + 1, None, 5]),
        "day": pa.array([date(2026, 11, 28), None, None]),
        "changed": pa.array(
            [datetime(2026, 1, 1, 12, tzinfo=UTC), None, None], pa.timestamp("us", "Asia/Tokyo")
        ),
        "price": pa.array([Decimal("1.50"), None, None], pa.decimal128(9, 2)),
        "attributes": pa.array(
            [[("colour", "red")], None, []], pa.map_(pa.string(), pa.string())
        ),
        "sizes": pa.array([[38, 40], [42], None], pa.list_(pa.int64())),
        "text": pa.array(["oak", None, ""]),
        "tags": pa.array([["new"], None, []], pa.list_(pa.string())),
    }
)


def written(**options):
    """The table that a plain reader finds in the files."""
    folder = f"{work}/{options.get('batch_format', 'default')}"
    same = ray.data.from_arrow(table).map_batches(lambda batch: batch, **options)
    same.write_parquet(folder)
    return ds.dataset(folder).to_table()


found = {"default": written()}
found |= {kind: written(batch_format=kind) for kind in ("pyarrow", "pandas")}
ray.shutdown()
for name in table.column_names:
    column = found["default"][name]
    sys.stdout.write(f"{name}: {table[name].type} is {column.type}, {str(column.to_pylist())[:150]}\n")
kinds = {name: str(found["default"][name].type) for name in table.column_names}
values = {name: found["default"][name].to_pylist() for name in table.column_names}
assert kinds.pop("text") == "string"
assert kinds.pop("number") == "double" and values["number"][0] == 2**53, "whole numbers stay now"
assert kinds.pop("day").startswith("timestamp["), "dates stay now"
assert kinds.pop("changed") == "timestamp[us]" and values["changed"][0].hour == 12
assert kinds.pop("price") == "decimal128(3, 2)", "decimals keep their digits now"
assert kinds.pop("attributes") == "list<element: list<element: string>>", "maps stay now"
assert kinds.keys() == {"sizes", "tags"}
for name in kinds:
    stored = getattr(found["default"][name].type, "storage_type", None)
    assert stored in (pa.binary(), pa.large_binary()), "lists stay now"
for kind in ("pyarrow", "pandas"):
    assert found[kind].to_pylist() == table.to_pylist()
    same = [found[kind][name].type == table[name].type for name in table.column_names]
    assert all(same), found[kind].schema
PYTHON
(cd "$work" && "$work/venv/bin/python" "$work/identity.py" "$work" 2>"$work/log") || {
  tail -5 "$work/log" >&2; exit 1
}
