from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.engine.isolation import each
from pipeline.engine.losses import Worker
from pipeline.engine.metrics import BUSY, IDLE, ROW_SECONDS, ROWS, Observation
from pipeline.engine.pools import pools
from pipeline.engine.rescued_rows import Rescued, Rescues
from pipeline.engine.row_clock import Overdue
from pipeline.engine.stage import Stage
from pipeline.engine.strikes import Strikes
from pipeline.engine.worker import PoolWorker, Work
from pipeline.errors import ErrorCode, Outcome, Row, RowError

TIMINGS = schema.timings(("double",))
DOUBLE = pa.schema([("double", pa.int64())])


class Doubler:
    """Doubles; refuses what is negative."""

    def __init__(self, config: None) -> None:
        pass

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        return each(rows, self._double)

    def _double(self, row: Row) -> dict[str, int]:
        if row["number"] < 0:
            raise RowError(ErrorCode.BAD_REQUEST, "negative")
        return {"double": 2 * row["number"]}


def work(**changes: Any) -> Work:
    stage = Stage(name="double", mapper=Doubler, config=None, reads=("number",), adds=DOUBLE)
    (pool,) = pools([stage])
    return Work(pool, Strikes(), 3, **changes)


def rows(*numbers: int) -> pa.Table:
    columns = {
        "sample_id": [f"s{number}" for number in numbers],
        "number": numbers,
        "error": pa.nulls(len(numbers), schema.ERROR_TYPE),
    }
    nothing = pa.array([{"double_s": None}] * len(numbers), TIMINGS.type)
    return pa.table(columns).append_column(TIMINGS, nothing)


class Recorder:
    """A meter that keeps what it is given."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def record(self, observations: Iterable[Observation]) -> None:
        self.observations += observations


class SignedIn:
    """A roll that remembers who wrote what; before this process there was another one."""

    def __init__(self, before: Path) -> None:
        self.before = before
        self.said: list[object] = []

    def join(self, pool: str) -> Worker:
        return Worker(key="k", pool=pool, node_id="n", host="h", pid=1)

    def note(self, worker: Worker, path: Path) -> Path | None:
        self.said.append(path)
        return self.before

    def take(self, worker: Worker, rows: int, *, is_first: bool) -> None:
        self.said.append(rows)


class Unreachable(Rescues):
    """A registry that does not answer."""

    def rescue(self, rescued: Rescued) -> None:
        raise ConnectionError("nobody is there")


WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
import pyarrow as pa
from pipeline import schema
from pipeline.engine.pools import pools
from pipeline.engine.stage import Stage
from pipeline.engine.strikes import Strikes
from pipeline.engine.worker import PoolWorker, Reader, Work, pickle

class Doubler:
    def __init__(self, config): pass
    def map_batch(self, rows): return [{"double": 2 * row["number"]} for row in rows]

def read(numbers):
    error = pa.nulls(len(numbers), schema.ERROR_TYPE)
    ids = [str(number) for number in numbers]
    return pa.table({"sample_id": ids, "number": numbers, "error": error})

adds = pa.schema([("double", pa.int64())])
stage = Stage(name="double", mapper=Doubler, config=None, reads=("number",), adds=adds)
reader = Reader(read, schema.timings(("double",)))
unit = pa.table({"unit": pa.array([pickle.dumps([1, 2])], pa.binary())})
(done,) = PoolWorker(Work(pools([stage])[0], Strikes(), 3, read=reader))(unit)
print(done["double"].to_pylist())
"""


def test_a_worker_works_where_ray_cannot_be_imported() -> None:
    command = [sys.executable, "-c", WITHOUT_RAY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[2, 4]\n", 0), done.stderr


def test_what_a_worker_did_goes_to_the_meter_that_it_was_handed() -> None:
    meter = Recorder()
    list(PoolWorker(work(meter=meter))(rows(1, -1, 2)))
    counts = Counter[tuple[str, str]]()
    for seen in meter.observations:
        if seen.metric is ROWS:
            counts[seen.tags["outcome"], seen.tags["code"]] += int(seen.value)
    assert counts == {("ok", ""): 2, ("failed", "bad_request"): 1}
    assert {seen.metric for seen in meter.observations} == {ROWS, BUSY, IDLE, ROW_SECONDS}


def test_a_worker_with_a_clock_says_where_word_will_be_left_and_passes_on_what_was_left(
    tmp_path: Path,
) -> None:
    before = tmp_path / "before"
    before.write_bytes(b'["double", ["s7"], ["s7", "s8"]]'.ljust(2**16, b"\0") + b"Timeout!")
    roll = SignedIn(before)
    watched = work(roll=roll, max_row_seconds=600, new_note=lambda: tmp_path / "note", task_rows=16)
    list(PoolWorker(watched)(rows(1, 2)))
    assert roll.said == [tmp_path / "note", 16]
    assert isinstance(watched.book, Strikes)
    assert watched.book.slow() == [Overdue(stage="double", ids=("s7",), beside=("s8",))]
    assert not before.exists()


def test_finished_rows_that_nobody_hears_of_go_again(caplog: pytest.LogCaptureFixture) -> None:
    worker = PoolWorker(work(write=lambda table: "receipt", rescues=Unreachable()))
    worker._through(rows(1, 2))
    with caplog.at_level(logging.WARNING):
        worker._overdue(Overdue(stage="double", ids=("s3",), beside=()))
    assert caplog.messages == ["2 finished rows go again: nobody is there"]
