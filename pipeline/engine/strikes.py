"""Strikes: which rows were being worked on when a worker process died.

A row that crashes its process (a fault in a native library, the memory killer) leaves no exception
behind, and the cluster starts it again for ever. So work is announced before it begins and crossed
off when it ends; what was announced and never crossed off has a strike.

A row that was too slow for its worker (`row_clock.py`) has left word. Where that names it alone, it
is given up at once: unlike a death, which may be a neighbour's doing or the machine's, this was
measured, and to see it again would hold a worker for as long once more. Nobody else is to blame
then, so its neighbours have no strike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

from pipeline.engine.row_clock import Overdue, RowClock
from pipeline.errors import ErrorCode, Outcome, Postponed, Row, RowError

TOO_SLOW = -1
"""The number that stands in place of a row's strikes where the row was too slow: it is not tried
again."""
AS_OTHERS = -2
"""The number that stands in place of a row's strikes where its photograph was too slow in other
rows."""
_SLOW_SOURCES = 2
"""Rows of one photograph that are given up before its others are not tried any more: there may be
a hundred of them. One may be slow for a reason of its own, such as its canvas."""


class StrikeBook(Protocol):
    """Where work is announced; it outlives the workers."""

    def begin(
        self, stage: str, ids: Sequence[str], *, suspects: bool, sources: Sequence[str] = ()
    ) -> list[int]:
        """Announce work on rows; returns the strikes each one has, or why it is given up.

        Nothing is announced if a row has strikes or is given up, unless `suspects` says that this
        is known.

        Args:
            stage: its name.
            ids: of the rows.
            suspects: whether they are known to have strikes.
            sources: what rows of one photograph have in common; none: each is its own.
        """
        ...

    def end(self, stage: str, ids: Sequence[str]) -> None:
        """Cross rows off: their worker lives."""
        ...

    def overdue(self, found: Overdue) -> None:
        """Note what a worker was at that was ended because it was too slow."""
        ...

    def fail(self, message: str) -> None:
        """Note why no row can be finished."""
        ...


class Strikes:
    """A `StrikeBook` in memory."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()
        self._sources: dict[tuple[str, str], str] = {}
        """The source of each row that is open."""
        self._slow: set[tuple[str, str]] = set()
        self._slow_sources: Counter[tuple[str, str]] = Counter()
        self._overdue: list[Overdue] = []
        self._failures: list[str] = []

    def begin(
        self, stage: str, ids: Sequence[str], *, suspects: bool, sources: Sequence[str] = ()
    ) -> list[int]:
        """See `StrikeBook`."""
        pairs = list(zip(ids, sources or ids, strict=True))
        strikes = [
            self._given_up(stage, id_, source) or self._open[stage, id_] for id_, source in pairs
        ]
        if suspects or not any(strikes):
            self._open.update((stage, id_) for id_ in ids)
            self._sources.update({(stage, id_): source for id_, source in pairs})
        return strikes

    def _given_up(self, stage: str, id_: str, source: str) -> int:
        if (stage, id_) in self._slow:
            return TOO_SLOW
        return AS_OTHERS if self._slow_sources[stage, source] >= _SLOW_SOURCES else 0

    def end(self, stage: str, ids: Sequence[str]) -> None:
        """See `StrikeBook`."""
        for id_ in ids:
            self._open.pop((stage, id_), None)
            self._sources.pop((stage, id_), None)

    def overdue(self, found: Overdue) -> None:
        """See `StrikeBook`."""
        if found not in self._overdue:  # a worker that was not answered has left a note as well
            self._overdue.append(found)
        if len(found.ids) > 1:  # one of them: each has its strike, and will be tried alone
            return
        (key,) = ((found.stage, id_) for id_ in found.ids)
        if key not in self._slow:
            self._slow.add(key)
            self._slow_sources[found.stage, self._sources.get(key, key[1])] += 1
        self.end(found.stage, [*found.ids, *found.beside])

    def slow(self) -> list[Overdue]:
        """What `overdue` was told, in order."""
        return list(self._overdue)

    def open_rows(self) -> list[str]:
        """What was begun and not ended, as people read it."""
        return [f"{id_} ({stage})" for stage, id_ in self._open]

    def fail(self, message: str) -> None:
        """See `StrikeBook`."""
        self._failures.append(message)

    def failures(self) -> list[str]:
        """What `fail` was told, in order."""
        return self._failures


@dataclass(frozen=True, slots=True)
class Guard:
    """Keeps a run from rows that kill their worker, or hold it, in one stage."""

    stage: str
    book: StrikeBook
    max_strikes: int
    clock: RowClock | None = None
    """None: a row may take as long as it does."""
    patience_s: float = 0.0
    """What a row may wait for others beside."""
    slow_mark: str = ""
    """The mark at the end of the message of a row that is too slow."""

    def run(
        self,
        work: Callable[[Sequence[Row]], list[Outcome]],
        rows: Sequence[Row],
        ids: Sequence[str],
        sources: Sequence[str] = (),
        *,
        is_full: Callable[[], bool] = lambda: False,
    ) -> list[Outcome]:
        """Work on a batch; if one of its rows has strikes, on each row alone.

        Alone, an innocent row that shared its batch with the culprit clears itself, and the culprit
        strikes again until it has `max_strikes`, or was too slow: then it is not tried any more.

        Args:
            work: for each of some rows, in order, its outcome.
            rows: the batch.
            ids: of the rows.
            sources: what rows of one photograph have in common; none: each is its own.
            is_full: whether there is no room for more rows. What comes alone then is `Postponed`,
                and keeps its strikes.
        """
        sources = sources or ids
        strikes = self.book.begin(self.stage, ids, suspects=False, sources=sources)
        if not any(strikes):
            return self._watched(work, rows, ids)
        if min(strikes) < 0:
            left = [number for number, count in enumerate(strikes) if count >= 0]
            tried = iter(
                self.run(
                    work,
                    [rows[number] for number in left],
                    [ids[number] for number in left],
                    [sources[number] for number in left],
                    is_full=is_full,
                )
                if left
                else ()
            )
            return [self._slow(count) if count < 0 else next(tried) for count in strikes]
        return [
            self._killer(count)
            if count >= self.max_strikes
            else (Postponed() if is_full() else self._alone(work, row, id_, source))
            for row, id_, source, count in zip(rows, ids, sources, strikes, strict=True)
        ]

    def _alone(
        self, work: Callable[[Sequence[Row]], list[Outcome]], row: Row, id_: str, source: str
    ) -> Outcome:
        # Another row of its photograph may have been given up just now, in another worker.
        (count,) = self.book.begin(self.stage, [id_], suspects=True, sources=[source])
        if count < 0:
            self.book.end(self.stage, [id_])
            return self._slow(count)
        (outcome,) = self._watched(work, [row], [id_])
        return outcome

    def _watched(
        self,
        work: Callable[[Sequence[Row]], list[Outcome]],
        rows: Sequence[Row],
        ids: Sequence[str],
    ) -> list[Outcome]:
        watch = (
            nullcontext()
            if self.clock is None
            else self.clock.batch(self.stage, rows, ids, patience_s=self.patience_s)
        )
        with watch:
            outcomes = work(rows)
        self.book.end(self.stage, ids)
        return outcomes

    def _killer(self, count: int) -> RowError:
        return RowError(
            ErrorCode.KILLED_WORKER,
            f"the worker process of stage {self.stage!r} died {count} times while it had this row",
        )

    def _slow(self, why: int) -> RowError:
        assert self.clock is not None  # or nobody would have called a row slow
        rows = "this row" if why == TOO_SLOW else "other rows of its photograph"
        return RowError(
            ErrorCode.TOO_SLOW,
            f"stage {self.stage!r} was not done with {rows} after {self.clock.limit_s:g} s, and "
            "its worker process was ended: look at the photograph, or raise "
            f"budget.max_row_seconds{self.slow_mark}",
        )
