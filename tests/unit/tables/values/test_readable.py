from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tables import python_rows, readable

CELLS = [b"good", b"caf\xe9", None, b"\xff"]


def text(cells: list[bytes | None] = CELLS, type_: pa.DataType | None = None) -> pa.Array:
    """Text that holds these bytes, whatever they are."""
    type_ = type_ or pa.string()
    narrow = type_ == pa.string()
    return pa.array(cells, pa.binary() if narrow else pa.large_binary()).view(type_)


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


@pytest.mark.parametrize(
    "array",
    [
        text(),
        text(type_=pa.large_string()),
        pa.DictionaryArray.from_arrays([0, 1, None, 2], text([*CELLS[:2], CELLS[3]])),
        pa.concat_arrays([text([b"before \xff"]), text(), text([b"after \xff"])]).slice(1, 4),
    ],
    ids=["string", "large_string", "dictionary", "slice"],
)
def test_text_that_is_no_utf8_is_spelled_out_and_its_rows_are_told(array: pa.Array) -> None:
    good = pa.array([1, 2, 3, 4])
    clean, faults = readable(batch(n=good, x=array))
    assert clean.to_pylist() == [
        {"n": 1, "x": "good"},
        {"n": 2, "x": r"caf\xe9"},
        {"n": 3, "x": None},
        {"n": 4, "x": r"\xff"},
    ]
    said = "x holds bytes that are no UTF-8: write it in UTF-8"
    assert faults == {1: said, 3: said}


@pytest.mark.parametrize(
    ("array", "bad"),
    [
        (pa.ListArray.from_arrays([0, 1, 1, 2, 4], text()), [2, 3]),
        (pa.StructArray.from_arrays([text()], ["a"]), [1, 3]),
        (pa.MapArray.from_arrays([0, 1, 2], ["k", "k"], text([b"\xff", b"b"])), [0]),
        (pa.array([5, 86_400_000], pa.int64()).view(pa.date64()), [0]),
        (pa.array([10**6, 5], pa.int32()).view(pa.time32("s")), [0]),
    ],
    ids=["list", "struct", "map", "date", "time"],
)
def test_other_values_that_are_none_of_their_type_become_null(
    array: pa.Array, bad: list[int]
) -> None:
    clean, faults = readable(batch(x=array))
    assert sorted(faults) == bad
    assert all(said.startswith("x holds a value that is no ") for said in faults.values())
    assert [row for row, value in enumerate(clean.to_pylist()) if value["x"] is None] == bad


def test_the_first_column_is_named() -> None:
    _, faults = readable(batch(a=text([b"x", b"\xff"]), b=text([b"\xff", b"\xff"])))
    assert [faults[row][0] for row in (0, 1)] == ["b", "a"]


@given(st.lists(st.none() | st.binary(max_size=4), max_size=30))
def test_exactly_the_cells_that_cannot_be_decoded_are_told(cells: list[bytes | None]) -> None:
    def is_bad(cell: bytes | None) -> bool:
        try:
            return cell is not None and cell.decode() is None
        except UnicodeDecodeError:
            return True

    clean, faults = readable(batch(x=text(cells)))
    assert sorted(faults) == [row for row, cell in enumerate(cells) if is_bad(cell)]
    assert clean.column(0).to_pylist() == [
        None if cell is None else cell.decode("utf-8", "backslashreplace") for cell in cells
    ]


def test_what_python_has_no_value_for_is_told_and_the_others_are_there() -> None:
    days = pa.array([0, 2**31 - 1, None, -(2**31)], pa.int32()).cast(pa.date32())
    spans = pa.array([1, 2**62, None, 5], pa.int64()).cast(pa.duration("s"))
    rows, faults = python_rows(batch(id=pa.array(list("abcd")), day=days, span=spans))
    assert [row["id"] for row in rows] == list("abcd")
    assert rows[0]["day"] == dt.date(1970, 1, 1)
    assert rows[3]["span"] == dt.timedelta(seconds=5)
    assert rows[2] == {"id": "c", "day": None, "span": None}
    assert sorted(faults) == [1, 3]
    assert faults[1].startswith("day holds a date32[day] out of the range")


def test_no_columns_are_rows_all_the_same() -> None:
    rows, faults = python_rows(batch(x=pa.array([1, 2])).select([]))
    assert (rows, faults) in (([{}, {}], {}), ([], {}))
