"""Second copies of rows: one goes, wherever the one who takes it out is killed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.recipe import Recipe
from pipeline.runs.documents import files_that_count
from pipeline.runs.reconcile import counted_once, deduplicate
from pipeline.runs.result_files import (
    ResultWriter,
    Tally,
    committed_files,
    read_committed,
    write_result,
)
from tests.conftest import MakeFinished

WriteFile = Callable[..., str]
Rows = dict[str, bytes | RowError]


@pytest.fixture
def run(tmp_path: Path) -> str:
    folder = tmp_path / "run"
    folder.mkdir()
    return str(folder)


@pytest.fixture
def write_file(run: str, recipe: Recipe, make_finished: MakeFinished) -> WriteFile:
    """Write a result file, under its own name or one that is given; returns the name."""

    def write(rows: Rows, *, name: str | None = None) -> str:
        before = set(committed_files(run))
        ResultWriter(run, "r1", recipe)(make_finished(rows))
        (file,) = set(committed_files(run)) - before
        path = Path(file) if name is None else Path(file).rename(Path(file).with_name(name))
        return path.name

    return write


def rows_in(run: str) -> Counter[str]:
    """How often each row is there, by id and what became of it."""
    files, torn = read_committed(run)
    assert torn == []
    found: Counter[str] = Counter()
    for file in files:
        for row in file.outcomes.to_pylist():
            found[f"{row['sample_id']}{' failed' if row['failed'] else ''}"] += 1
    return found


def tidy(run: str) -> int:
    return deduplicate(run, read_committed(run)[0])


class Killed(BaseException):
    """The process is gone: nothing that it would do next happens."""


class Killer:
    """Kills at the n-th change of the storage, before or after it takes effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, check: Callable[[], None]) -> None:
        self.left: int | None = None
        self.is_done_first = False
        self.is_watching = False
        self._check = check
        for verb in ("write", "create", "remove"):
            monkeypatch.setattr(storage, verb, self._deadly(getattr(storage, verb)))

    def _deadly(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **options: Any) -> Any:
            is_last = self.left == 0
            if self.left is not None:
                self.left -= 1
            if is_last and not self.is_done_first:
                raise Killed
            answer = verb(*args, **options)
            if self.is_watching:
                self._check()
            if is_last:
                raise Killed
            return answer

        return change

    def kills(self, work: Callable[[], Any], *, after: int, is_done_first: bool) -> bool:
        """Whether the work was killed; it ran to its end otherwise."""
        self.left, self.is_done_first, self.is_watching = after, is_done_first, True
        try:
            work()
        except Killed:
            return True
        finally:
            self.left, self.is_watching = None, False
        return False


def test_a_file_that_was_left_by_a_killed_deduplication_is_not_taken_for_a_second_copy(
    run: str, write_file: WriteFile
) -> None:
    write_file({"a": b"x"}, name="part-0.parquet")
    write_file({"a": b"x", "b": b"y"}, name="part-1.parquet")
    table = pq.read_table(Path(run, "results", "part-1.parquet"), partitioning=None)
    write_result(run, table.slice(1))  # what is left of the second file, which is there still
    tidy(run)
    assert rows_in(run) == {"a": 1, "b": 1}
    assert tidy(run) == 0


# Which rows are in which file; a capital letter is a row that failed.
STATES = [
    ("a", "ab"),
    ("a", "ab", "b"),
    ("ab", "bc", "ca"),
    ("abc", "aB", "A"),
]


@pytest.mark.parametrize("state", STATES, ids="+".join)
@pytest.mark.parametrize("is_done_first", [False, True], ids=["before", "after"])
def test_killed_anywhere_and_anywhere_again_it_leaves_every_row(
    run: str,
    write_file: WriteFile,
    not_found: RowError,
    monkeypatch: pytest.MonkeyPatch,
    state: Sequence[str],
    is_done_first: bool,
) -> None:
    best = {
        letter if any(letter in rows for rows in state) else f"{letter} failed"
        for letter in set("".join(state).lower())
    }
    missing: list[set[str]] = []
    killer = Killer(monkeypatch, lambda: missing.append(best - rows_in(run).keys()))
    for order in (range(len(state)), range(len(state))[::-1]):
        for number_of_changes in range(6):
            for file in (*committed_files(run), f"{run}/results.json"):
                Path(file).unlink(missing_ok=True)
            for number, rows in zip(order, state, strict=True):
                outcomes: Rows = {
                    row.lower(): not_found if row.isupper() else row.encode() for row in rows
                }
                write_file(outcomes, name=f"part-{number}.parquet")
            kill = partial(
                killer.kills,
                lambda: tidy(run),
                after=number_of_changes,
                is_done_first=is_done_first,
            )
            was_killed = kill() and kill()
            tidy(run)
            assert rows_in(run) == dict.fromkeys(best, 1)
            if not was_killed:
                break
    assert not any(missing)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a\0b"], ["a", "b"]),
        (["a", "b\0c"], ["a\0b", "c"]),
        (["a\nb"], ["a", "b"]),
        (["a,b"], ["a", "b"]),
        (['a","b'], ["a", "b"]),
        (["", "a"], ["a"]),
        (["\0"], ["", ""]),
        (["é"], ["e\u0301"]),
    ],
)
def test_files_of_other_rows_never_share_a_name_whatever_the_ids_hold(
    run: str, write_file: WriteFile, one: list[str], other: list[str]
) -> None:
    assert write_file(dict.fromkeys(one, b"x")) != write_file(dict.fromkeys(other, b"x"))
    files, _ = read_committed(run)
    found = sorted(json.dumps(sorted(file.sample_ids.to_pylist())) for file in files)
    assert found == sorted(json.dumps(sorted(set(ids))) for ids in (one, other))


def test_a_block_that_comes_out_otherwise_the_second_time_takes_nothing_away(
    run: str, write_file: WriteFile, not_found: RowError
) -> None:
    write_file({"a": b"x", "b": not_found})
    write_file({"a": not_found, "b": b"y"})
    assert rows_in(run) == {"a": 1, "a failed": 1, "b": 1, "b failed": 1}
    tidy(run)
    assert rows_in(run) == {"a": 1, "b": 1}


def test_what_counts_is_decided_before_anything_is_deleted_and_only_once(
    run: str, write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write_file({"a": b"x"}, name="part-1.parquet")
    write_file({"a": b"x"}, name="part-2.parquet")
    stale = read_committed(run)[0]
    killer = Killer(monkeypatch, lambda: None)
    assert killer.kills(lambda: tidy(run), after=1, is_done_first=False)
    assert files_that_count(run) == (one,)
    assert rows_in(run) == {"a": 2}
    # A third copy, which would have won, comes too late; and so does a driver with an old view.
    write_file({"a": b"x"}, name="part-0.parquet")
    deduplicate(run, stale)
    assert rows_in(run) == {"a": 2}
    tidy(run)
    assert files_that_count(run) == (one,)
    assert rows_in(run) == {"a": 1}


def test_of_two_drivers_who_decide_at_once_one_prevails(
    run: str, write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file({"a": b"x"}, name="part-1.parquet")
    stale = read_committed(run)[0]
    write_file({"a": b"x", "b": b"y"}, name="part-0.parquet")
    create, others = storage.create, [lambda: tidy(run)]

    def overtaken(*args: Any, **options: Any) -> bool:
        if others:
            others.pop()()
        return create(*args, **options)

    monkeypatch.setattr(storage, "create", overtaken)
    deduplicate(run, stale)
    assert files_that_count(run) == ("part-0.parquet",)
    assert rows_in(run) == {"a": 1, "b": 1}


def test_a_decision_about_files_that_somebody_deleted_is_made_anew(
    run: str, write_file: WriteFile
) -> None:
    write_file({"a": b"x"}, name="part-0.parquet")
    tidy(run)
    Path(run, "results", "part-0.parquet").unlink()
    write_file({"a": b"x"}, name="part-1.parquet")
    tidy(run)
    assert files_that_count(run) == ("part-1.parquet",)


def test_a_failure_that_is_final_wins_over_one_that_is_worth_another_try(
    run: str, write_file: WriteFile, not_found: RowError
) -> None:
    busy = TransientError(ErrorCode.STORAGE, "slow down")
    write_file({"a": busy, "b": not_found}, name="part-0.parquet")
    write_file({"a": not_found, "b": busy}, name="part-1.parquet")
    tidy(run)
    (files, _) = read_committed(run)
    assert sum((file.tally for file in files), Tally()).codes == {"not_found": 2}


def test_a_picture_that_was_written_too_late_to_count_stays_for_whoever_saw_it(
    run: str, write_file: WriteFile, not_found: RowError
) -> None:
    write_file({"a": not_found}, name="part-1.parquet")
    tidy(run)
    write_file({"a": b"x"}, name="part-0.parquet")
    write_file({"a": not_found}, name="part-2.parquet")
    tidy(run)
    assert files_that_count(run) == ("part-1.parquet",)
    assert rows_in(run) == {"a": 1, "a failed": 1}


def test_rows_that_are_there_twice_are_counted_once_before_anything_is_tidied(
    run: str, write_file: WriteFile, not_found: RowError
) -> None:
    write_file({"a": b"x", "b": not_found}, name="part-0.parquet")
    write_file({"b": not_found, "c": not_found}, name="part-1.parquet")
    write_file({"c": not_found}, name="part-2.parquet")
    counted = counted_once(run, read_committed(run)[0])
    total = sum((file.tally for file in counted), Tally())
    assert (total.rows, total.codes) == (3, {"not_found": 2})
    assert [file.sample_ids.to_pylist() for file in counted] == [["a", "b"], ["c"]]
    assert rows_in(run) == {"a": 1, "b failed": 2, "c failed": 2}
