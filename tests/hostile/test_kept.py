"""A column of every Arrow type, kept: its values come out as they went in, or it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from tests.hostile.arrow_types import columns, table_of
from tests.hostile.cases import EVERY, PICTURE, tried
from tests.hostile.line import Line
from tests.hostile.test_rows import end_of

pytestmark = pytest.mark.timeout(60, func_only=True)


def _results(line: Line, table: pa.Table) -> list[Mapping[str, Any]] | str:
    try:
        return line.results(table, ["keep=[x]"])
    except ValueError as refused:
        return str(refused)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.hostile] if number % EVERY else [])
        for number, name in enumerate(columns())
        if tried("type, kept", name)
    ],
)
def test_a_kept_column_comes_out_as_it_went_in_or_is_refused(
    name: str, line: Line, record_property: Any
) -> None:
    column = columns()[name]
    plain = table_of(column).append_column("background_color", [["white"] * 2])
    found = _results(line, plain)
    if isinstance(found, str):
        assert "'x'" in found
        record_property("type, kept", "exit 2")
        return
    by_id = {row["id"]: row for row in found}
    assert [end_of(by_id[id_]) for id_ in ("a", "b")] == [PICTURE, PICTURE]
    # As text: not-a-number is not equal to itself.
    assert repr([by_id[id_]["x"] for id_ in ("a", "b")]) == repr(column.to_pylist())
    record_property("type, kept", PICTURE)
