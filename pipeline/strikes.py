"""Strikes: which rows were being worked on when a worker process died.

A row that crashes its process (a fault in a native library, the memory killer) leaves no exception
behind, and the cluster starts it again for ever. So work is announced before it begins and crossed
off when it ends; what was announced and never crossed off has a strike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.errors import ErrorCode, Outcome, Row, RowError


class StrikeBook(Protocol):
    """Where work is announced; it outlives the workers."""

    def begin(self, stage: str, ids: Sequence[str], *, suspects: bool) -> list[int]:
        """Announce work on rows; returns the strikes each one has.

        Nothing is announced if a row has strikes, unless `suspects` says that this is known.
        """
        ...

    def end(self, stage: str, ids: Sequence[str]) -> None:
        """Cross rows off: their worker lives."""
        ...

    def fail(self, message: str) -> None:
        """Note why no row can be finished."""
        ...


class Strikes:
    """A `StrikeBook` in memory."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()
        self._failures: list[str] = []

    def begin(self, stage: str, ids: Sequence[str], *, suspects: bool) -> list[int]:
        """See `StrikeBook`."""
        strikes = [self._open[stage, id_] for id_ in ids]
        if suspects or not any(strikes):
            self._open.update((stage, id_) for id_ in ids)
        return strikes

    def end(self, stage: str, ids: Sequence[str]) -> None:
        """See `StrikeBook`."""
        for id_ in ids:
            self._open.pop((stage, id_), None)

    def fail(self, message: str) -> None:
        """See `StrikeBook`."""
        self._failures.append(message)

    def failures(self) -> list[str]:
        """What `fail` was told, in order."""
        return self._failures


def guarded(
    work: Callable[[Sequence[Row]], list[Outcome]],
    rows: Sequence[Row],
    ids: Sequence[str],
    *,
    stage: str,
    book: StrikeBook,
    max_strikes: int,
) -> list[Outcome]:
    """Work on a batch; if one of its rows has strikes, on each row alone.

    Alone, an innocent row that shared its batch with the culprit clears itself, and the culprit
    strikes again until it has `max_strikes`: then it is not tried any more.
    """
    strikes = book.begin(stage, ids, suspects=False)
    if not any(strikes):
        outcomes = work(rows)
        book.end(stage, ids)
        return outcomes
    return [
        _killer(stage, count) if count >= max_strikes else _alone(work, row, id_, stage, book)
        for row, id_, count in zip(rows, ids, strikes, strict=True)
    ]


def _alone(
    work: Callable[[Sequence[Row]], list[Outcome]],
    row: Row,
    id_: str,
    stage: str,
    book: StrikeBook,
) -> Outcome:
    book.begin(stage, [id_], suspects=True)
    (outcome,) = work([row])
    book.end(stage, [id_])
    return outcome


def _killer(stage: str, count: int) -> RowError:
    return RowError(
        ErrorCode.KILLED_WORKER,
        f"the worker process of stage {stage!r} died {count} times while it had this row",
    )
