from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline.manifest.picture_columns import (
    address_cells,
    change_nested_addresses,
    holds_photographs,
    photograph_bytes,
    photograph_path,
)


def image(**fields: pa.DataType) -> pa.DataType:
    return pa.struct(list(fields.items()))


@pytest.mark.parametrize(
    ("type_", "holds"),
    [
        (pa.binary(), True),
        (pa.large_binary(), True),
        (pa.null(), True),
        (image(bytes=pa.binary(), path=pa.string()), True),
        (image(bytes=pa.null(), path=pa.string()), True),
        (image(path=pa.dictionary(pa.int32(), pa.string())), True),
        (image(bytes=pa.large_binary()), True),
        (image(bytes=pa.null()), False),
        (image(bytes=pa.int64(), path=pa.string()), False),
        (image(path=pa.int64()), False),
        (pa.string(), False),
        (pa.list_(pa.binary()), False),
    ],
    ids=str,
)
def test_which_types_can_hold_photographs(type_: pa.DataType, *, holds: bool) -> None:
    assert holds_photographs(type_) is holds


@pytest.mark.parametrize(
    ("value", "held", "path"),
    [
        (None, None, None),
        (b"file", b"file", None),
        ({"bytes": b"file", "path": None}, b"file", None),
        ({"bytes": None, "path": "a.jpg"}, None, "a.jpg"),
        ({"path": 7}, None, None),
    ],
)
def test_a_photograph_is_bytes_or_has_a_path(value: Any, held: Any, path: Any) -> None:
    assert (photograph_bytes(value), photograph_path(value)) == (held, path)


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ({}, []),
        ({"image_uri": None, "mask_uri": None, "reference_uri": None, "image": b"x"}, []),
        ({"image_uri": "a", "image": {"bytes": None, "path": "b"}, "mask_uri": "c"}, list("abc")),
        ({"reference_uri": "d"}, ["d"]),
        ({"reference_uri": ["d", None, "e"]}, ["d", "e"]),
    ],
)
def test_the_addresses_of_a_row_are_in_four_columns(row: dict[str, Any], cells: list[str]) -> None:
    assert list(address_cells(row)) == cells


@pytest.mark.parametrize(
    ("type_", "values", "changed"),
    [
        (pa.binary(), [b"a"], [b"a"]),
        (pa.large_string(), ["a", None], ["A", None]),
        (pa.list_(pa.string()), [["a", None], [], None], [["A", None], [], None]),
        (
            image(bytes=pa.binary(), path=pa.string()),
            [{"bytes": b"a", "path": "a"}, {"bytes": b"a", "path": None}, None],
            [{"bytes": b"a", "path": "A"}, {"bytes": b"a", "path": None}, None],
        ),
    ],
    ids=str,
)
def test_addresses_are_changed_wherever_they_stand_in_a_value(
    type_: pa.DataType, values: list[Any], changed: list[Any]
) -> None:
    column = change_nested_addresses(pa.chunked_array([pa.array(values, type_)]), str.upper)
    assert column.type == type_
    assert column.to_pylist() == changed
