"""What was lost while rows went through: nodes and workers, and how many rows go again.

Workers sign in when they start and say how many rows they have in hand. Ray counts how often each
was started again; who was on a node that is gone was lost with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.engine.row_clock import Overdue
from pipeline.text.printable import one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """An actor's process, as people look for it."""

    key: str
    """Stays the same when the process is replaced."""
    pool: str
    node_id: str
    host: str
    pid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class InHand:
    """A worker, and how many rows go again if it is lost."""

    worker: Worker
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The roll as it is now."""

    now: Mapping[str, InHand]
    """The rows in hand, by their worker's key."""
    before: Mapping[str, InHand]
    """The process that each worker was before it was started again, as it was then."""
    taken: int
    """Rows that have entered the first pool, those that came again counted again."""
    slow: Sequence[Overdue] = ()
    """What workers were ended for, so far."""


class RollBook(Protocol):
    """Where workers sign in, as they see it."""

    def join(self, pool: str) -> Worker:
        """Sign this process in as a worker of a pool."""
        ...

    def note(self, worker: Worker, path: Path) -> Path | None:
        """Say where word will be left; returns where the process before this one did."""
        ...

    def take(self, worker: Worker, rows: int, *, is_first: bool) -> None:
        """Say how many rows go again if this worker is lost; `is_first`: of the first pool."""
        ...


class Roll:
    """Where workers sign in; it outlives them, but is empty if it is lost itself."""

    def __init__(self) -> None:
        self._now: dict[str, InHand] = {}
        self._before: dict[str, InHand] = {}
        self._taken = 0
        self._notes: dict[str, str] = {}

    def note(self, key: str, path: str) -> str | None:
        """Where a worker leaves word if it is ended; returns where the process before it did."""
        before, self._notes[key] = self._notes.get(key), path
        return before

    def took(self, worker: Worker, rows: int, *, is_first: bool) -> None:
        """A worker begins with rows, or has started and has none; `is_first` of the first pool."""
        known = self._now.get(worker.key)
        if known is not None and known.worker != worker:
            self._before[worker.key] = known
        self._now[worker.key] = InHand(worker=worker, rows=rows)
        self._taken += rows if is_first else 0

    def snapshot(self) -> Snapshot:
        """Report to the driver, who looks now and then."""
        return Snapshot(now=dict(self._now), before=dict(self._before), taken=self._taken)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """One sentence, and its numbers."""

    event: str
    said: str
    values: Mapping[str, Any]


_MOST_NAMED = 5
_LONGEST_ID = 100
_EXPECTED = frozenset({"EXPECTED_TERMINATION", "AUTOSCALER_DRAIN_IDLE"})
"""Reasons for which a node goes without anything being lost."""


@dataclass
class Losses:
    """Compares what is there with what was, and tells each loss once.

    What was is remembered here: the roll may have been lost with a node.
    """

    pools: int
    """How many; between two, finished blocks wait in the memory of nodes."""
    _nodes: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    _known: dict[str, InHand] = field(default_factory=dict)
    _restarts: dict[str, int] = field(default_factory=dict)
    _told: set[Worker] = field(default_factory=set)
    _slow: int = 0
    """How many of those that were too slow have been told."""

    def found(
        self,
        nodes: Iterable[Mapping[str, Any]],
        restarts: Mapping[str, int],
        roll: Snapshot,
        finished: int,
    ) -> list[Loss]:
        """What was lost since the last time.

        Args:
            nodes: as Ray lists them: `NodeID`, `Alive`, `NodeManagerAddress`, `DeathReason`.
            restarts: how often each worker has been started again, by its key.
            roll: of the workers.
            finished: rows that have been written.
        """
        losses = []
        for node in nodes:
            id_ = node["NodeID"]
            if node["Alive"]:
                self._nodes.add(id_)
            elif id_ in self._nodes and id_ not in self._gone:
                self._gone.add(id_)
                losses += self._node(node, roll, finished)
        for key, now in roll.now.items():
            lost = self._lately(key, roll)
            count = restarts.get(key, 0)
            is_lost = lost.worker != now.worker or count > self._restarts.get(key, count)
            if is_lost and lost.worker.node_id not in self._gone:
                losses += self._worker(lost)
            self._known[key], self._restarts[key] = now, count
        losses += [_slow(one) for one in roll.slow[self._slow :]]
        self._slow = max(self._slow, len(roll.slow))
        return losses

    def _lately(self, key: str, roll: Snapshot) -> InHand:
        """The process that a worker was when we last looked, with what it had in hand at last."""
        now, before = roll.now.get(key), roll.before.get(key)
        known = self._known.get(key) or before or now
        assert known is not None
        for one in (now, before):
            if one is not None and one.worker == known.worker:
                return one
        return known

    def _node(self, node: Mapping[str, Any], roll: Snapshot, finished: int) -> list[Loss]:
        held = {}
        for key in self._known | dict(roll.now):
            # Some may have been started again elsewhere since.
            for one in (self._lately(key, roll), roll.now.get(key)):
                if one is not None and one.worker.node_id == node["NodeID"]:
                    held[key] = one
        if not held and node.get("DeathReason") in _EXPECTED:
            return []
        rows = sum(one.rows for one in held.values())
        if self.pools > 1:  # what waited there between pools is made again from the start
            rows = max(rows, roll.taken - finished)
        host, num = node["NodeManagerAddress"], len(held)
        workers = "no worker" if not num else "1 worker" if num == 1 else f"{num} workers"
        said = f"lost node {host} with {workers}: {_again(rows)}"
        values = {"node": host, "workers": num, "rows": rows}
        return [Loss(event="node_lost", said=said, values=values)]

    def _worker(self, lost: InHand) -> list[Loss]:
        worker = lost.worker
        if worker in self._told:  # before it was back
            return []
        self._told.add(worker)
        values = {"node": worker.host, "pool": worker.pool, "pid": worker.pid, "rows": lost.rows}
        said = (
            f"lost a worker of {worker.pool} (pid {worker.pid} on {worker.host}), which is "
            f"started again: {_again(lost.rows)}"
        )
        return [Loss(event="worker_lost", said=said, values=values)]


def _slow(found: Overdue) -> Loss:
    named = ", ".join(one_line(id_, most=_LONGEST_ID) for id_ in found.ids[:_MOST_NAMED])
    more = len(found.ids) - _MOST_NAMED
    rows = f"row {named}" if len(found.ids) == 1 else f"one of the rows {named}"
    rows += f" and {more} more" if more > 0 else ""
    said = f"{rows} was too slow in {found.stage} (budget.max_row_seconds): its worker was ended"
    return Loss(
        event="row_too_slow", said=said, values={"stage": found.stage, "rows": list(found.ids)}
    )


def _again(rows: int) -> str:
    if not rows:
        return "no row goes again"
    return f"up to {rows:,} rows go again" if rows != 1 else "up to 1 row goes again"
