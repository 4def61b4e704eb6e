from __future__ import annotations

import ast
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import jobs
import pipeline
from pipeline.tables import writing
from pipeline.tables.writing import PICTURES, PLANNED_ROWS, PartFiles, can_be_written, encoded

_WRITERS = {"write_table", "ParquetWriter", "write_to_dataset"}
_PHOTOGRAPHS = pa.table({"id": ["a", "b", "c"], "photo": [b"x" * 100] * 3})


def test_parquet_is_written_in_one_place() -> None:
    found = {
        file.name
        for package in (pipeline, jobs)
        for file in Path(package.__file__ or "").parent.rglob("*.py")
        if "bench" not in file.parts  # what is measured stands for other people's files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in _WRITERS
        # a writer's own method has its name, too
        and not (isinstance(node.value, ast.Attribute) and node.value.attr == "writer")
    }
    assert found == {"writing.py"}


def test_a_group_of_planned_rows_is_as_small_as_a_unit_of_work() -> None:
    table = pa.table({"n": range(600)})
    metadata = pq.read_metadata(pa.BufferReader(encoded(table, PLANNED_ROWS)))
    assert [metadata.row_group(n).num_rows for n in range(3)] == [256, 256, 88]


def test_pictures_are_not_put_into_dictionaries() -> None:
    metadata = pq.read_metadata(pa.BufferReader(encoded(_PHOTOGRAPHS, PICTURES)))
    photo = metadata.row_group(0).column(1)
    assert "RLE_DICTIONARY" not in photo.encodings
    assert photo.compression == "ZSTD"


@pytest.mark.parametrize(
    ("group_bytes", "file_bytes", "names", "groups"),
    [
        (1, 1, ["part-00000.pq", "part-00001.pq", "part-00002.pq"], 1),
        (1, 10**6, ["part-00000.pq"], 3),
        (10**6, 10**6, ["part-00000.pq"], 1),
    ],
)
def test_files_and_their_groups_end_at_a_size(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group_bytes: int,
    file_bytes: int,
    names: list[str],
    groups: int,
) -> None:
    monkeypatch.setattr(writing, "_GROUP_BYTES", group_bytes)
    monkeypatch.setattr(writing, "_FILE_BYTES", file_bytes)
    files = PartFiles(folder=str(tmp_path), schema=_PHOTOGRAPHS.schema, ending=".pq")
    for row in range(3):
        files.write(_PHOTOGRAPHS.slice(row, 1))
    files.close()
    assert files.names == sorted(path.name for path in tmp_path.iterdir()) == names
    assert pq.read_metadata(tmp_path / names[0]).num_row_groups == groups
    assert pa.concat_tables(pq.read_table(tmp_path / name) for name in names) == _PHOTOGRAPHS


def test_what_no_parquet_file_can_hold_is_known_before() -> None:
    assert can_be_written(pa.field("x", pa.list_(pa.int8())))
    assert not can_be_written(pa.field("x", pa.month_day_nano_interval()))
