from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from pipeline.tables.values.union import fitted, plain, union, widened


def schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


def test_every_column_of_any_file_is_there_in_the_order_in_which_they_come() -> None:
    found = union(
        [
            ("1", schema(id=pa.string(), a=pa.int32())),
            ("2", schema(b=pa.null(), id=pa.string())),
            ("3", schema(id=pa.large_string(), b=pa.bool_(), a=pa.int64())),
        ]
    )
    assert found.schema == schema(id=pa.large_string(), a=pa.int64(), b=pa.bool_())
    assert found.conflicts == {}
    assert union([]).schema == pa.schema([])


TEXT = pa.string()


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int8(), pa.int64(), pa.int64()),
        (pa.uint8(), pa.int16(), pa.int16()),
        (pa.float16(), pa.float64(), pa.float64()),
        (pa.int32(), pa.float64(), pa.float64()),
        (TEXT, pa.large_string(), pa.large_string()),
        (TEXT, pa.dictionary(pa.int32(), TEXT), TEXT),
        (pa.string_view(), TEXT, pa.large_string()),
        (pa.dictionary(pa.int8(), TEXT), pa.dictionary(pa.int32(), pa.large_string()), None),
        (pa.binary(), pa.binary(4), pa.binary()),
        (pa.decimal32(5, 2), pa.decimal128(20, 4), pa.decimal128(20, 4)),
        (pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("us")),
        (pa.timestamp("s", "UTC"), pa.timestamp("s", "UTC"), pa.timestamp("s", "UTC")),
        (pa.list_(pa.int8()), pa.list_(pa.int32()), pa.list_(pa.int32())),
        (pa.list_(pa.null()), pa.list_(TEXT), pa.list_(TEXT)),
        (pa.null(), pa.uuid(), pa.uuid()),
        (
            pa.struct([("a", pa.int8())]),
            pa.struct([("a", pa.int64()), ("b", TEXT)]),
            pa.struct([("a", pa.int64()), ("b", TEXT)]),
        ),
        (pa.map_(TEXT, pa.int8()), pa.map_(TEXT, pa.int64()), pa.map_(TEXT, pa.int64())),
    ],
    ids=str,
)
def test_a_type_that_holds_the_values_of_both(
    one: pa.DataType, other: pa.DataType, both: pa.DataType | None
) -> None:
    for pair in ((one, other), (other, one)):
        found = union([("1", schema(x=pair[0])), ("2", schema(x=pair[1]))])
        assert found.conflicts == {}
        assert both is None or found.schema.field("x").type == both


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.int64(), TEXT),
        (pa.float64(), TEXT),
        (pa.bool_(), pa.int8()),
        (pa.bool_(), TEXT),
        (pa.binary(), TEXT),
        (pa.date32(), pa.timestamp("us")),
        (pa.date32(), pa.int32()),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.timestamp("us", "UTC"), pa.timestamp("us", "Asia/Tokyo")),
        (pa.duration("s"), pa.int64()),
        (TEXT, pa.list_(TEXT)),
        (pa.uuid(), TEXT),
        (pa.list_(TEXT), pa.list_(pa.int8())),
        (pa.struct([("a", TEXT)]), pa.struct([("a", pa.int8())])),
    ],
    ids=str,
)
def test_what_has_no_type_in_common_is_said_with_both_files(
    one: pa.DataType, other: pa.DataType
) -> None:
    assert widened(one, other) is None
    found = union(
        [("0", schema(x=pa.null())), ("1", schema(x=one)), ("2", schema(x=other, y=TEXT))]
    )
    assert found.conflicts == {"x": f"column 'x' is {one} in 1 and {other} in 2: cast one of them"}
    assert found.schema.names == ["y"]


def test_a_name_that_a_file_has_twice_is_a_conflict() -> None:
    twice = pa.schema([("x", TEXT), ("x", TEXT), ("y", TEXT)])
    found = union([("1", twice), ("2", schema(x=TEXT))])
    assert found.conflicts == {"x": "column 'x' is twice in 1: rename one"}
    assert found.schema.names == ["y"]


@pytest.mark.parametrize(
    "type_",
    [
        pa.string_view(),
        pa.list_(pa.string_view()),
        pa.struct([("a", pa.binary_view()), ("b", pa.list_(pa.string_view()))]),
        pa.map_(pa.string_view(), pa.binary_view()),
        pa.list_(pa.string_view(), 2),
    ],
    ids=str,
)
def test_what_arrow_cannot_take_rows_out_of_is_laid_out_plainly(type_: pa.DataType) -> None:
    array = pa.nulls(3, type_).cast(plain(type_))
    assert len(array.take(pa.array([2, 0]))) == 2


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_rows_of_a_file_get_the_columns_of_all() -> None:
    wanted = schema(b=pa.int64(), a=pa.large_string(), c=pa.list_(TEXT), d=pa.decimal128(9, 2))
    rows = batch(a=["x", None], b=pa.array([1, 2], pa.int8()), d=pa.array([Decimal(1), None]))
    assert fitted(rows, list(wanted), "f").to_pylist() == [
        {"b": 1, "a": "x", "c": None, "d": Decimal("1.00")},
        {"b": 2, "a": None, "c": None, "d": None},
    ]


def test_a_number_that_would_change_is_refused_with_its_column() -> None:
    wanted = [pa.field("n", pa.float64())]
    assert fitted(batch(n=[2**53]), wanted, "f")["n"].to_pylist() == [2.0**53]
    with pytest.raises(ValueError, match=r"^f: column 'n' is int64 here and double over all"):
        fitted(batch(n=[2**53 + 1]), wanted, "f")
