#!/usr/bin/env bash
# datasets 5.2.0: `load_dataset(folder)` takes some of the files and leaves the others, without a word.
#   boots.parquet, sandals.parquet, training-shoes.parquet: the rows of training-shoes.parquet, as split
#     "train"; the others are in no split. With test-tube.parquet it is split "test", and the same with
#     pictures in folders `boots`, `sandals`, `test tube`.
#   3 Parquet files and 4 pictures: an image folder of 4 rows. 3 and 2: a table of 3 rows. What is
#     commoner is taken, so one more photograph turns one into the other.
#   2 pictures of which `metadata.csv` names one: 1 row; and its GTIN 0012 is 12.
# One name that a person gave takes most of a dataset away. `split="train"` does not notice.
#
# The way round: `load_dataset("parquet", data_files="folder/*.parquet", split="train")`.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'datasets==5.2.0' 'pyarrow==26.0.1' \
  'Pillow==13.0.0' 2>/dev/null
export HF_HOME=$work/home HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
cat >"$work/load.py" <<'PYTHON'
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import load_dataset
from PIL import Image as Picture

work = Path(sys.argv[1])


def folder(name, tables=(), pictures=()):
    for table in tables:
        path = work / name / f"{table}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"sku": [table]}), path)
    for picture in pictures:
        path = work / name / f"{picture}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.new("RGB", (8, 8)).save(path)
    return work / name


def loaded(path):
    """The rows of each split, and the columns."""
    splits = load_dataset(str(path))
    columns = {column for split in splits.values() for column in split.column_names}
    return {name: split.num_rows for name, split in splits.items()}, columns


found = {}
for name in ("training-shoes", "test-tube", "clogs"):
    found[f"tables boots, sandals, {name}"] = loaded(folder(name, ["boots", "sandals", name]))
for name in ("test tube", "clogs"):
    pictures = [f"{product}/front" for product in ("boots", "sandals", name)]
    found[f"pictures boots, sandals, {name}"] = loaded(folder(f"photos of {name}", [], pictures))
for many in (2, 4):
    path = folder(f"{many} pictures", ["a", "b", "c"], [str(number) for number in range(many)])
    found[f"3 tables, {many} pictures"] = loaded(path)
path = folder("named", [], ["front", "back"])
(path / "metadata.csv").write_text("file_name,gtin\nfront.jpg,0012\n")
found["2 pictures, 1 named"] = loaded(path)
gtins = load_dataset(str(path), split="train")["gtin"][:]
for what, (rows, columns) in found.items():
    sys.stdout.write(f"{what}: {rows}, {sorted(columns)}\n")
sys.stdout.write(f"gtin: {gtins}\n")
assert found["tables boots, sandals, clogs"] == ({"train": 3}, {"sku"})
assert found["tables boots, sandals, training-shoes"] == ({"train": 1}, {"sku"}), "all are there now"
assert found["tables boots, sandals, test-tube"] == ({"test": 1}, {"sku"}), "no table is left out now"
assert found["pictures boots, sandals, clogs"] == ({"train": 3}, {"image", "label"})
assert found["pictures boots, sandals, test tube"][0] == {"test": 1}, "no picture is left out now"
assert found["3 tables, 2 pictures"] == ({"train": 3}, {"sku"})
assert found["3 tables, 4 pictures"] == ({"train": 4}, {"image"}), "tables are not left out now"
assert found["2 pictures, 1 named"][0] == {"train": 1} and gtins == [12]
PYTHON
"$work/venv/bin/python" "$work/load.py" "$work"
