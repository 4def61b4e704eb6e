from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.tables import UNTYPED, Table, open_table


def opened(folder: Path, *tables: pa.Table, **how: Any) -> Table:
    files = [str(folder / f"{number:04d}.parquet") for number in range(len(tables))]
    for file, table in zip(files, tables, strict=True):
        pq.write_table(table, file, **how)
    return open_table(files, "Parquet")


def rows(table: Table, *columns: str) -> list[dict[str, Any]]:
    return [row for batch in table.batches(columns) for row in batch.to_pylist()]


def test_files_of_other_columns_take_turns(tmp_path: Path) -> None:
    narrow = pa.table({"id": ["a", "b"], "n": pa.array([1, 2], pa.int8())})
    wide = pa.table({"m": ["x"], "n": pa.array([2**40]), "id": pa.array(["c"], pa.large_string())})
    table = opened(tmp_path, narrow, wide, narrow, narrow, wide)
    assert table.count() == 8
    assert table.schema.names == ["id", "n", "m"]
    found = rows(table, "m", "id", "n")
    assert [row["id"] for row in found] == list("abcababc")
    assert [row["m"] for row in found] == [None, None, "x", None, None, None, None, "x"]
    assert [row["n"] for row in found] == [1, 2, 2**40, 1, 2, 1, 2, 2**40]


def test_a_file_that_has_none_of_the_columns_has_rows_all_the_same(tmp_path: Path) -> None:
    table = opened(tmp_path, pa.table({"id": ["a", "b"]}), pa.table({"id": ["c"], "x": [1]}))
    assert rows(table, "x") == [{"x": None}, {"x": None}, {"x": 1}]


def test_rows_of_many_files_stay_in_order(tmp_path: Path) -> None:
    tables = [pa.table({"id": [f"{n}-{i}" for i in range(n % 4)]}) for n in range(100)]
    table = opened(tmp_path, *tables, row_group_size=1)
    expected = [id_ for one in tables for id_ in one["id"].to_pylist()]
    assert [row["id"] for row in rows(table, "id")] == expected
    assert table.count() == len(expected)


def test_old_timestamps_of_spark_do_not_wrap_around(tmp_path: Path) -> None:
    days = [dt.datetime(9999, 12, 31), dt.datetime(1600, 1, 1), None]
    written = pa.table({"id": ["a", "b", "c"], "t": pa.array(days, pa.timestamp("us"))})
    table = opened(tmp_path, written, use_deprecated_int96_timestamps=True, store_schema=False)
    assert [row["t"] for row in rows(table, "t")] == days


def test_descriptions_make_no_other_schema(tmp_path: Path) -> None:
    described = pa.schema([pa.field("id", pa.string(), metadata={"why": "x"})])
    table = opened(
        tmp_path,
        pa.table({"id": ["a"]}),
        pa.table({"id": ["b"]}, schema=described).replace_schema_metadata({"of": "the file"}),
    )
    assert [row["id"] for row in rows(table, "id")] == ["a", "b"]
    assert table.schema == pa.schema([("id", pa.string())])
    assert not table.untyped


def test_text_without_a_declared_type_says_so(tmp_path: Path) -> None:
    columns = pa.schema([("id", pa.string()), pa.field("n", pa.string(), metadata=UNTYPED)])
    assert opened(tmp_path, pa.table({"id": ["a"], "n": ["1"]}, schema=columns)).untyped == {"n"}


@pytest.mark.parametrize("index", [pa.int8(), pa.uint16(), pa.int32(), pa.int64()], ids=str)
def test_bytes_that_are_no_utf8_are_read_out_of_a_dictionary_too(
    tmp_path: Path, index: pa.DataType
) -> None:
    words = pa.array([b"oak", b"K\xfcche"], pa.binary()).view(pa.string())
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], index), words)
    file = pa.table({"id": list("abcd"), "x": coded})
    table = opened(tmp_path, file, file.slice(0, 1))
    batch = pa.concat_batches(list(table.batches(["id", "x"])))
    assert batch.schema.field("x").type == table.schema.field("x").type
    assert batch.column(0).to_pylist() == list("abcda")
    found = batch.column("x").dictionary.cast(pa.binary()).take(batch.column("x").indices)
    assert found.to_pylist() == [b"oak", b"K\xfcche", None, b"oak", b"oak"]


@pytest.mark.parametrize("torn", [b"", b"PAR1", b"no parquet at all", b"PAR1" + bytes(100)])
def test_a_file_that_is_none_is_named(tmp_path: Path, torn: bytes) -> None:
    good, bad = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(pa.table({"id": ["a"]}), good)
    bad.write_bytes(torn)
    with pytest.raises(ValueError, match="not readable as parquet") as caught:
        open_table([str(good), str(bad)], "Parquet")
    assert str(caught.value).startswith(f"{bad}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_damaged_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    ids = [f"{n:09d}" for n in range(20_000)]
    pq.write_table(pa.table({"id": ids}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)
    table = open_table([str(path)], "Parquet")
    with pytest.raises(ValueError, match="not readable as parquet") as caught:
        rows(table, "id")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
