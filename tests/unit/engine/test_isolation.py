from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Sequence

import pytest

from pipeline.engine.isolation import each, isolate
from pipeline.errors import ErrorCode, FatalError, Outcome, Row, RowError, TransientError


class Fragile:
    """A mapper that raises when it meets certain rows, and counts its calls."""

    def __init__(self, culprits: set[int], error: Callable[[], Exception]) -> None:
        self.culprits, self.error, self.calls = culprits, error, 0

    def __call__(self, rows: Sequence[Row]) -> list[Outcome]:
        self.calls += 1
        if any(row["n"] in self.culprits for row in rows):
            raise self.error()
        return [{"square": row["n"] ** 2} for row in rows]


def numbered(count: int) -> list[Row]:
    return [{"n": n} for n in range(count)]


def code(outcome: Outcome) -> ErrorCode | None:
    return outcome.code if isinstance(outcome, RowError) else None


@pytest.mark.parametrize("culprit", [0, 1, 30, 31, 32, 62, 63])
def test_one_bad_row_costs_only_itself_and_few_calls(culprit: int) -> None:
    mapper = Fragile({culprit}, lambda: KeyError("colour"))
    outcomes = isolate(mapper, numbered(64))
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, RowError)] == [culprit]
    assert mapper.calls <= 2 * math.log2(64) + 2


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_when_every_row_is_bad_every_row_has_its_error(count: int) -> None:
    mapper = Fragile(set(range(count)), lambda: KeyError("colour"))
    outcomes = isolate(mapper, numbered(count))
    assert [code(outcome) for outcome in outcomes] == [ErrorCode.UNEXPECTED] * count
    assert mapper.calls == 2 * count - 1


@pytest.mark.parametrize("culprits", [set(), {0}, {4}, {2, 3}, {0, 2, 4}])
def test_order_is_kept(culprits: set[int]) -> None:
    outcomes = isolate(Fragile(culprits, lambda: KeyError("x")), numbered(5))
    good = [n for n in range(5) if n not in culprits]
    assert [o["square"] for o in outcomes if isinstance(o, dict)] == [n**2 for n in good]
    assert [n for n, o in enumerate(outcomes) if isinstance(o, dict)] == good


def test_a_good_batch_is_one_call() -> None:
    mapper = Fragile(set(), ValueError)
    isolate(mapper, numbered(64))
    assert mapper.calls == 1


def test_no_rows_are_no_call() -> None:
    mapper = Fragile(set(), ValueError)
    assert isolate(mapper, []) == []
    assert mapper.calls == 0


def test_a_bug_names_its_exception_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    (outcome,) = isolate(Fragile({0}, lambda: KeyError("colour")), numbered(1))
    assert isinstance(outcome, RowError)
    assert outcome.message == "KeyError: 'colour'"
    assert not outcome.retryable
    assert caplog.records[0].exc_info is not None


def test_a_row_error_raised_for_a_batch_keeps_its_code() -> None:
    mapper = Fragile({2}, lambda: TransientError(ErrorCode.STORAGE, "slow down"))
    outcome = isolate(mapper, numbered(4))[2]
    assert code(outcome) == ErrorCode.STORAGE
    assert isinstance(outcome, TransientError)


@pytest.mark.parametrize("culprit", [0, 5])
def test_fatal_error_passes_through_and_stops_at_once(culprit: int) -> None:
    mapper = Fragile({culprit}, lambda: FatalError("device lost"))
    with pytest.raises(FatalError, match="device lost"):
        isolate(mapper, numbered(6))
    assert mapper.calls == 1


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_no_rows_fault(fault: int) -> None:
    mapper = Fragile({2}, lambda: OSError(fault, os.strerror(fault), "/tmp/x"))
    with pytest.raises(FatalError, match=f"/tmp/x: {os.strerror(fault)}"):
        isolate(mapper, numbered(6))


def test_a_batch_too_large_for_memory_is_retried_smaller() -> None:
    sizes: list[int] = []

    def most_three_at_once(rows: Sequence[Row]) -> list[Outcome]:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise MemoryError
        return [{"n": row["n"]} for row in rows]

    assert isolate(most_three_at_once, numbered(8)) == numbered(8)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


@pytest.mark.parametrize("said", ["", "CUDA out of memory"])
def test_a_row_too_large_alone_is_out_of_memory(said: str) -> None:
    (outcome,) = isolate(Fragile({0}, lambda: MemoryError(said)), numbered(1))
    assert isinstance(outcome, RowError)
    assert outcome.code == ErrorCode.OUT_OF_MEMORY
    assert outcome.message
    assert said in outcome.message


@pytest.mark.parametrize("surplus", [-1, 1])
def test_a_mapper_that_loses_or_invents_rows_stops_the_run(surplus: int) -> None:
    with pytest.raises(FatalError, match=f"{4 + surplus} outcomes for 4 rows"):
        isolate(lambda rows: [{}] * (len(rows) + surplus), numbered(4))


def test_interrupting_is_not_taken_for_a_bad_row() -> None:
    def interrupted(rows: Sequence[Row]) -> list[Outcome]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolate(interrupted, numbered(2))


def test_each_keeps_refusals_beside_results() -> None:
    def halved(row: Row) -> dict[str, int]:
        if row["n"] % 2:
            raise RowError(ErrorCode.TOO_SMALL, f"{row['n']} is odd")
        return {"half": row["n"] // 2}

    outcomes = each(numbered(4), halved)
    assert outcomes[0] == {"half": 0}
    assert outcomes[2] == {"half": 1}
    assert [str(outcomes[n]) for n in (1, 3)] == ["too_small: 1 is odd", "too_small: 3 is odd"]


def test_each_lets_bugs_through_for_isolate_to_find() -> None:
    with pytest.raises(KeyError):
        each(numbered(2), lambda row: {"x": row["nothing"]})
