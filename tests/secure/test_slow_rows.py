"""A row has its time: what takes longer costs itself and a worker's process, and no other row.

What is slow here sleeps, with and without the interpreter's lock: real pictures that are slow to
decode are left out.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

import pyarrow as pa
import pytest

import pipeline.engine.on_ray.execution
from pipeline.engine.isolation import each
from pipeline.engine.pools import pools
from pipeline.engine.rescued_rows import Rescues
from pipeline.engine.row_clock import Overdue, RowClock, read_note, working_on
from pipeline.engine.stage import Stage
from pipeline.engine.strikes import Guard, Strikes
from pipeline.engine.worker import PoolWorker, Work
from pipeline.errors import Columns, FatalError, Outcome, Row, RowError
from pipeline.recipe import parse_recipe
from tests.flow.test_execution import DOUBLE, read, run

FOR_EVER_S = 3600
TIMINGS = pa.struct([("double_s", pa.float32())])


def hold_lock(seconds: int) -> None:
    """Wait in C without letting any other thread of Python run."""
    ctypes.PyDLL(None).sleep(seconds)


@pytest.fixture
def heard() -> list[Overdue]:
    return []


@pytest.fixture
def ended() -> threading.Event:
    return threading.Event()


@pytest.fixture
def clock(tmp_path, heard, ended) -> RowClock:
    return RowClock(0.3, tell=heard.append, note=tmp_path / "note", end=lambda _: ended.set())


def rows_of(ids: str) -> list[Row]:
    return [{"id": id_} for id_ in ids]


def test_the_row_that_is_too_slow_is_named_and_its_neighbours_are_not(clock, heard, ended):
    rows = rows_of("abc")

    def work(row: Row) -> Columns:
        if row["id"] == "b":
            ended.wait(10)
        return {}

    with clock.batch("matte", rows, list("abc")):
        each(rows, work)
    assert heard == [Overdue(stage="matte", ids=("b",), beside=("a", "c"))]


def test_rows_may_take_their_time_one_after_another(clock, heard, ended):
    rows = rows_of("abcdef")
    with clock.batch("matte", rows, list("abcdef")):
        each(rows, lambda row: {"slept": time.sleep(0.15)})  # each, and three times the limit
    assert not ended.is_set()


def test_work_on_all_at_once_has_as_many_times_the_limit_and_leaves_the_suspicion_on_all(
    clock, heard, ended
):
    rows, started = rows_of("abcd"), time.monotonic()
    with clock.batch("render", rows, list("abcd")):
        ended.wait(10)
    assert time.monotonic() - started > 4 * clock.limit_s
    assert heard == [Overdue(stage="render", ids=("a", "b", "c", "d"), beside=())]


def test_waits_that_a_stage_limits_itself_are_not_the_rows_time(clock, ended):
    rows = rows_of("a")
    with clock.batch("fetch", rows, ["a"], patience_s=60):
        each(rows, lambda row: {"slept": time.sleep(0.6)})
    assert not ended.is_set()


def test_what_is_no_row_has_no_limit(clock, ended):
    time.sleep(0.6)  # as loading a model between two batches
    with working_on({"id": "nobody watches"}):
        time.sleep(0.4)
    assert not ended.is_set()


def test_rows_in_threads_have_each_their_own_time(clock, heard, ended):
    rows = rows_of("ab")

    def work(row: Row, seconds: float) -> None:
        with working_on(row):
            ended.wait(seconds)

    with clock.batch("render", rows, list("ab")):
        quick = threading.Thread(target=work, args=(rows[0], 0.1))
        slow = threading.Thread(target=work, args=(rows[1], 10))
        slow.start()
        quick.start()
        slow.join()
    assert heard == [Overdue(stage="render", ids=("b",), beside=("a",))]


HOLDS_THE_LOCK = """
import sys
from pathlib import Path
from typing import ClassVar
import pipeline.engine.row_clock as deadline
from pipeline.engine.isolation import each
from tests.secure.test_slow_rows import hold_lock

deadline._GRACE_S = 0.3
clock = deadline.RowClock(0.3, tell=print, note=Path(sys.argv[1]))
rows = [{"id": "a"}, {"id": "b"}]
with clock.batch("matte", rows, ["a", "b"]):
    each(rows, lambda row: {"held": hold_lock(60) if row["id"] == "b" else None})
"""


@pytest.mark.secure
def test_native_code_that_keeps_the_interpreters_lock_is_ended_and_leaves_a_note(tmp_path):
    note = tmp_path / "note"
    command = [sys.executable, "-c", HOLDS_THE_LOCK, str(note)]
    done = subprocess.run(command, timeout=50, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert read_note(note) == Overdue(stage="matte", ids=("b",), beside=("a",))
    assert read_note(note) is None  # once


def test_a_note_of_a_process_that_ended_otherwise_says_nothing(tmp_path, clock):
    rows = rows_of("a")
    with clock.batch("matte", rows, ["a"]):
        pass
    assert read_note(tmp_path / "note") is None


class ProcessEnded(BaseException):
    """What the clock does to a worker."""


def run_until_done(
    clock: RowClock, ids: Sequence[str], slow: str, sources: Sequence[str] = (), *, named=True
) -> tuple[dict[str, Outcome], int]:
    """Play the cluster: a batch whose process was ended is given to a new one, whole.

    Args:
        clock: of the guard.
        ids: of the batch.
        slow: those that are too slow.
        sources: of the rows.
        named: whether the clock knows which of several it is.
    """
    book, deaths = Strikes(), 0

    def work(rows: Sequence[Row]) -> list[Outcome]:
        together = tuple(row["id"] for row in rows)
        for id_ in together:
            if id_ in slow:
                suspects = (id_,) if named else together
                beside = tuple(other for other in together if other not in suspects)
                book.overdue(Overdue(stage="render", ids=suspects, beside=beside))
                raise ProcessEnded
        return [{"done": id_} for id_ in together]

    guard = Guard("render", book, 3, clock)
    while True:
        try:
            outcomes = guard.run(work, rows_of("".join(ids)), ids, sources)
        except ProcessEnded:
            deaths += 1
            assert deaths < 50
        else:
            return dict(zip(ids, outcomes, strict=True)), deaths


@pytest.mark.parametrize(("named", "most_deaths"), [(True, 1), (False, 2)])
@pytest.mark.parametrize("slow", ["a", "c", "bd"])
def test_a_row_that_was_measured_is_not_tried_again(clock, slow, named, most_deaths):
    outcomes, deaths = run_until_done(clock, list("abcde"), slow, named=named)
    for id_, outcome in outcomes.items():
        if id_ in slow:
            assert isinstance(outcome, RowError)
            assert (outcome.code, outcome.retryable) == ("too_slow", False)
            for said in ("stage 'render'", "0.3 s", "budget.max_row_seconds"):
                assert said in outcome.message
        else:
            assert outcome == {"done": id_}
    assert deaths <= most_deaths * len(slow)


def test_of_one_photograph_two_rows_are_tried_and_the_others_are_given_up(clock):
    ids = list("abcdefgh")
    sources = ["slow.jpg" if id_ in "abcdef" else id_ for id_ in ids]
    outcomes, deaths = run_until_done(clock, ids, "abcdef", sources)
    assert deaths == 2
    assert all(outcomes[id_].code == "too_slow" for id_ in "abcdef")
    assert (outcomes["g"], outcomes["h"]) == ({"done": "g"}, {"done": "h"})


def test_the_limit_is_no_part_of_what_a_run_is():
    recipes = [
        parse_recipe("name: mine", overrides=[f"budget.max_row_seconds={n}"], source="mine")
        for n in (60, 600)
    ]
    assert len({recipe.config_hash for recipe in recipes}) == 1
    with pytest.raises(ValueError, match="max_row_seconds"):
        parse_recipe("name: mine", overrides=["budget.max_row_seconds=0"], source="mine")


class Sleeper:
    """Doubles; of some numbers it does not come to an end."""

    def __init__(self, config: dict[int, str]) -> None:
        self._effects = config

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        return each(rows, self._double)

    def _double(self, row: Row) -> Columns:
        match self._effects.get(row["number"]):
            case "sleep":
                time.sleep(FOR_EVER_S)
            case "hold":
                hold_lock(FOR_EVER_S)
        return {"double": 2 * row["number"]}


class SleeperInBatches(Sleeper):
    """The same for all at once, as a network does."""

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        return [self._double(row) for row in rows]


class Ending(Sleeper):
    """Ends with its process, once what it is given to say has been said."""

    last_words: ClassVar[Callable[[Overdue], None]]

    def _double(self, row: Row) -> Columns:
        if row["number"] in self._effects:
            Ending.last_words(Overdue(stage="double", ids=(str(row["number"]),), beside=()))
            raise ProcessEnded
        return super()._double(row)


def test_what_was_finished_before_a_worker_ends_is_written_and_does_not_go_again(
    tmp_path, monkeypatch
):
    written: list[list[str]] = []

    def keep(table: pa.Table) -> str:
        written.append(table["sample_id"].to_pylist())
        return str(len(written))

    stage = Stage(
        name="double", mapper=Ending, config={3: "", 5: ""}, reads=("number",), adds=DOUBLE
    )
    (pool,) = pools([stage])
    work = Work(
        pool,
        Strikes(),
        3,
        write=keep,
        max_row_seconds=600,
        new_note=lambda: tmp_path / "note",
        rescues=Rescues(),
    )
    rows = read(range(8)).append_column("timings", pa.array([{"double_s": None}] * 8, TIMINGS))
    for _ in range(2):
        worker = PoolWorker(work)
        monkeypatch.setattr(Ending, "last_words", worker._overdue, raising=False)
        with pytest.raises(ProcessEnded):
            list(worker(rows))
    (done,) = PoolWorker(work)(rows)
    assert written == [["0", "1", "2"], ["3", "4"], ["5", "6", "7"]]
    assert done.to_pydict() == {"receipt": ["1", "2", "3"], "rows": [3, 2, 3]}


@pytest.mark.secure
@pytest.mark.parametrize("mapper", [Sleeper, SleeperInBatches])
def test_rows_that_are_too_slow_cost_themselves_alone(tmp_path, local_ray, mapper):
    effects = {3: "sleep", 17: "hold", 18: "sleep"}
    found = run(tmp_path, effects, mapper, max_strikes=3, max_row_seconds=1)
    expected = {number: f"{2 * number} None" for number in range(32)}
    expected |= dict.fromkeys((3, 17, 18), "None too_slow")
    assert found == expected


@pytest.mark.secure
def test_a_run_that_stands_still_says_in_one_line_what_it_was_at(tmp_path, local_ray, monkeypatch):
    monkeypatch.setattr(pipeline.engine.on_ray.execution, "_NO_PROGRESS_TIMEOUT_S", 15)
    monkeypatch.setattr(pipeline.engine.on_ray.execution, "_ROWS_WITHOUT_PROGRESS", 0)
    with pytest.raises(FatalError) as caught:
        run(tmp_path, dict.fromkeys(range(32), "sleep"), Sleeper, max_strikes=3)
    said = str(caught.value)
    assert "\n" not in said
    assert "no rows were finished for 0.25 minutes" in said
    assert "0 (double)" in said
    assert "budget.max_row_seconds" in said
