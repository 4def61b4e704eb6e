"""A column of every Arrow type, kept: its values come out as they went in, or it is refused."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ErrorCode
from tests.hostile.arrow_types import columns, table_of
from tests.hostile.cases import EVERY, PICTURE
from tests.hostile.line import Line
from tests.hostile.test_rows import end_of

pytestmark = pytest.mark.timeout(60, func_only=True)

_AS_IT_IS = ("output.timestamps=as_they_are", "output.maps=as_they_are")
"""Otherwise nanoseconds and maps come out as more readers know them."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.hostile] if number % EVERY else [])
        for number, name in enumerate(columns())
    ],
)
def test_a_kept_column_comes_out_as_it_went_in_or_is_refused(
    name: str, line: Line, record_property: Any
) -> None:
    table = table_of(columns()[name]).append_column("background_color", [["white"] * 2])
    try:
        found = line.result_table(table, ["keep=[x]", *_AS_IT_IS])
    except ValueError as refused:
        assert "'x'" in str(refused)  # noqa: PT017 - most are not refused
        record_property("type, kept", "exit 2")
        return
    found = found.sort_by("id")
    ends = [end_of(row) for row in found.drop_columns(["x"]).to_pylist()]
    record_property("type, kept", ends[0])
    if name == "no utf-8":  # of its two values the second is empty
        assert ends == [ErrorCode.BAD_REQUEST, PICTURE]
        return
    assert ends == [PICTURE, PICTURE]
    assert _are_equal(found["x"].combine_chunks(), _stored(table)["x"].combine_chunks())


def _stored(table: pa.Table) -> pa.Table:
    """As it is in the manifest's file: Parquet has not every type."""
    sink = BytesIO()
    pq.write_table(table, sink)
    return pq.read_table(sink)


def _are_equal(one: pa.Array, other: pa.Array) -> bool:
    laid_out = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    expected = other.cast(laid_out.get(other.type, other.type))
    # As text as well: not-a-number is not equal to itself.
    return one.type == expected.type and (
        one.equals(expected) or repr(one.to_pylist()) == repr(expected.to_pylist())
    )
