from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.engine.isolation import each
from pipeline.engine.stage import Stage
from pipeline.engine.strikes import Strikes
from pipeline.engine.worker import StageWorker, attach
from pipeline.errors import Columns, ErrorCode, FatalError, Outcome, Row, RowError, error_value

TIMINGS = schema.timings(("early", "square"))
BEFORE = pa.schema(
    [schema.SAMPLE_ID, ("n", pa.int64()), ("junk", pa.string()), schema.ERROR, TIMINGS]
)
ADDED = pa.schema(
    [
        pa.field("square", pa.int32(), nullable=False, metadata={"description": "n times n"}),
        pa.field("blob", pa.large_binary()),
        pa.field("notes", pa.list_(pa.string())),
    ]
)
BUG = 13
EARLIER = error_value("early", RowError(ErrorCode.NOT_FOUND, "nothing there"))


def worker_of(stage: Stage) -> StageWorker:
    return StageWorker(stage, Strikes(), 3)


class Squares:
    """Squares what is positive; remembers what it was given."""

    def __init__(self, config: list[Row]) -> None:
        self._seen = config

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        self._seen.extend(rows)
        return each(rows, _square)


def _square(row: Row) -> Columns:
    if row["n"] == BUG:
        raise KeyError("what nobody thought of")
    if row["n"] < 0:
        raise RowError(ErrorCode.BAD_REQUEST, "negative")
    return {"square": row["n"] ** 2, "blob": b"x" * row["n"], "notes": []}


def squares(**changes: Any) -> Stage:
    stage = Stage(
        name="square", mapper=Squares, config=[], reads=("n",), adds=ADDED, drops=("junk",)
    )
    return replace(stage, **changes)


def table(*numbers: int | None) -> pa.Table:
    """A row for each number; None is one that failed in an earlier stage."""
    rows = [
        {
            "sample_id": f"s{index}",
            "n": number,
            "junk": "?",
            "error": EARLIER if number is None else None,
            "timings": {"early_s": 0.25, "square_s": None},
        }
        for index, number in enumerate(numbers)
    ]
    return pa.Table.from_pylist(rows, schema=BEFORE)


def test_every_row_comes_out_in_order_with_a_result_or_a_reason() -> None:
    out = worker_of(squares())(table(3, None, -1, 2))
    assert out["sample_id"].to_pylist() == ["s0", "s1", "s2", "s3"]
    assert out["square"].to_pylist() == [9, None, None, 4]
    codes = [error and (error["stage"], error["code"]) for error in out["error"].to_pylist()]
    assert codes == [None, ("early", "not_found"), ("square", "bad_request"), None]


def test_rows_that_failed_before_are_not_given_to_the_mapper() -> None:
    stage = squares()
    worker_of(stage)(table(None, 3, None))
    assert stage.config == [{"n": 3}]


def test_the_mapper_is_given_only_what_it_reads() -> None:
    stage = squares(reads=("n", "sample_id"))
    worker_of(stage)(table(3))
    assert stage.config == [{"n": 3, "sample_id": "s0"}]


def test_columns_are_dropped_and_all_others_carried() -> None:
    out = worker_of(squares())(table(3, None))
    assert out.column_names == ["sample_id", "n", "error", "timings", "square", "blob", "notes"]
    assert out["n"].to_pylist() == [3, None]


@pytest.mark.parametrize("numbers", [(1, 2), (1, -1), (-1, -2), (None, None), ()])
def test_types_are_as_declared_whatever_becomes_of_the_rows(numbers: tuple[int | None]) -> None:
    out = worker_of(squares())(table(*numbers))
    assert out.num_rows == len(numbers)
    for field in ADDED:
        assert out.schema.field(field.name).type == field.type
        assert out.schema.field(field.name).metadata == field.metadata
    assert out.schema.field("error").type == schema.ERROR_TYPE
    assert out.schema.field("timings").type == TIMINGS.type


def test_blocks_of_one_run_have_one_schema() -> None:
    worker = worker_of(squares())
    blocks = [worker(table(*numbers)) for numbers in ((1, 2), (-1,), (None,))]
    assert pa.concat_tables(blocks).num_rows == 4


def test_timings_are_the_rows_share_and_null_where_it_never_got() -> None:
    waiting, outcomes = [True, False, True], [_square({"n": 1}), RowError(ErrorCode.STORAGE, "")]
    out = attach(squares(), table(1, None, 1), waiting, outcomes, 0.5)
    assert [timing["square_s"] for timing in out["timings"].to_pylist()] == [0.5, None, 0.5]
    assert [timing["early_s"] for timing in out["timings"].to_pylist()] == [0.25] * 3


def test_the_time_spent_is_measured() -> None:
    out = worker_of(squares())(table(1, 2, None))
    timed, also, never = (timing["square_s"] for timing in out["timings"].to_pylist())
    assert timed == also
    assert timed > 0
    assert never is None


def test_a_bug_costs_one_row() -> None:
    out = worker_of(squares())(table(1, None, BUG, 2))
    codes = [error and error["code"] for error in out["error"].to_pylist()]
    assert codes == [None, "not_found", "unexpected", None]
    assert out["square"].to_pylist() == [1, None, None, 4]


@pytest.mark.parametrize(
    "returned",
    [
        {"square": 1, "blob": b""},
        {"square": 1, "blob": b"", "notes": [], "extra": 1},
        {},
    ],
)
def test_other_columns_than_declared_stop_the_run(returned: Columns) -> None:
    with pytest.raises(FatalError, match="stage 'square' declares"):
        attach(squares(), table(1), [True], [returned], 0.0)


def test_a_mapper_that_loses_rows_stops_the_run() -> None:
    class Forgetful(Squares):
        def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
            return super().map_batch(rows)[1:]

    with pytest.raises(FatalError, match="1 outcomes for 2 rows"):
        worker_of(squares(mapper=Forgetful))(table(1, 2))


def test_a_mapper_is_built_once_and_its_models_with_it() -> None:
    built = []

    def build(config: list[Row]) -> Squares:
        built.append(config)
        return Squares(config)

    worker = worker_of(squares(mapper=build))
    worker(table(1))
    worker(table(2))
    assert len(built) == 1


def test_the_table_given_is_not_changed() -> None:
    given = table(1, -1, None)
    worker_of(squares())(given)
    assert given.equals(table(1, -1, None))
