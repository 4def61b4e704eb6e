"""One actor beside the driver: workers sign in there, and announce what they begin with."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import ray._private.worker as ray_worker
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.engine.losses import Roll, Snapshot, Worker
from pipeline.engine.rescued_rows import Rescued, Rescues
from pipeline.engine.row_clock import Overdue
from pipeline.engine.strikes import Strikes

logger = logging.getLogger(__name__)

_ANSWERS_S = 10.0
"""The time, in seconds, that an actor has to answer which does next to nothing."""
_TOLD_S = 4.0
"""The time, in seconds, to tell of a slow row: within the grace of `row_clock.py`."""
_LOOKS_S = 1.0
"""The time, in seconds, to wait for an answer that can be had the next time."""


class _WorkerRegistry(Strikes, Roll, Rescues):
    """What workers announce work to and sign in at: one actor, as each costs a process."""

    def __init__(self) -> None:
        Strikes.__init__(self)
        Roll.__init__(self)
        Rescues.__init__(self)

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), slow=self.slow())


def start_registry() -> Any:
    """An actor beside the driver, for as long as that lives."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    return ray.remote(_WorkerRegistry).options(scheduling_strategy=here, **options).remote()


def new_note() -> Path:
    """A new file's name in the folder of Ray's logs on this node, which is its user's alone."""
    node: Any = ray_worker._global_node  # no part of Ray's own interface knows the folder
    return Path(node.get_logs_dir_path()) / f"backlot-row-{secrets.token_hex(8)}.note"


@dataclass(frozen=True, slots=True)
class RemoteStrikes:
    """The strike book as workers see it."""

    registry: Any

    def begin(
        self, stage: str, ids: Sequence[str], *, suspects: bool, sources: Sequence[str] = ()
    ) -> list[int]:
        strikes: list[int] = ray.get(
            self.registry.begin.remote(stage, ids, suspects=suspects, sources=sources)
        )
        return strikes

    def end(self, stage: str, ids: Sequence[str]) -> None:
        self.registry.end.remote(stage, ids)  # nobody waits: a lost one costs a row its company

    def overdue(self, found: Overdue) -> None:
        """Report a slow row within seconds, or not at all: then its worker died for some reason."""
        try:
            ray.get(self.registry.overdue.remote(found), timeout=_TOLD_S)
        except ray.exceptions.RayError as error:
            logger.warning("nobody was told that %s was too slow: %s", found.ids, error)

    def open_rows(self) -> list[str]:
        """What was begun and not ended; nothing where nobody is left who could tell."""
        try:
            found: list[str] = ray.get(self.registry.open_rows.remote(), timeout=_ANSWERS_S)
        except ray.exceptions.RayError as error:
            logger.debug("the registry does not answer: %s", error)
            return []
        return found

    def fail(self, message: str) -> None:
        ray.get(self.registry.fail.remote(message))

    def failures(self) -> list[str]:
        """What made workers fail; nothing where nobody is left who could tell."""
        try:
            failures: list[str] = ray.get(self.registry.failures.remote(), timeout=_ANSWERS_S)
        except ray.exceptions.RayError as error:
            logger.debug("the registry does not answer: %s", error)
            return []
        return failures


@dataclass(frozen=True, slots=True)
class RemoteRescues:
    """What was rescued, as workers see it."""

    registry: Any

    def rescue(self, rescued: Rescued) -> None:
        """Hand rescued rows over within seconds, or not at all: then they are made once more.

        Raises:
            ConnectionError: the registry did not answer.
        """
        try:
            ray.get(self.registry.rescue.remote(rescued), timeout=_TOLD_S)
        except ray.exceptions.RayError as error:
            raise ConnectionError(str(error)) from error

    def rescued(self, ids: Sequence[str]) -> list[Rescued]:
        found: list[Rescued] = ray.get(self.registry.rescued.remote(ids))
        return found


@dataclass(frozen=True, slots=True)
class RemoteRoll:
    """The roll as workers and the driver see it."""

    registry: Any

    def join(self, pool: str) -> Worker:
        """Sign in. Runs in the worker."""
        context = ray.get_runtime_context()
        worker = Worker(
            key=context.get_actor_id() or "",
            pool=pool.replace("+", ", "),
            node_id=context.get_node_id(),
            host=ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]
            pid=os.getpid(),
        )
        self.take(worker, 0, is_first=False)
        return worker

    def note(self, worker: Worker, path: Path) -> Path | None:
        """Say where word will be left; returns where the process before this one did."""
        before: str | None = ray.get(self.registry.note.remote(worker.key, str(path)))
        return None if before is None else Path(before)

    def take(self, worker: Worker, rows: int, *, is_first: bool) -> None:
        self.registry.took.remote(worker, rows, is_first=is_first)  # nobody waits

    def snapshot(self) -> Snapshot | None:
        """None if there is no answer for the moment."""
        ready, _ = ray.wait([self.registry.snapshot.remote()], timeout=_LOOKS_S)
        return ray.get(ready[0]) if ready else None
