"""One actor beside the driver: workers sign in there, and announce what they begin with."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.losses import Roll, Snapshot, Worker
from pipeline.strikes import Strikes

logger = logging.getLogger(__name__)

_ANSWERS_S = 10.0
"""For an actor that does next to nothing."""
_LOOKS_S = 1.0
"""For an answer that can be had the next time."""


class _Desk(Strikes, Roll):
    """What workers announce work to and sign in at: one actor, as each costs a process."""

    def __init__(self) -> None:
        Strikes.__init__(self)
        Roll.__init__(self)


def start_desk() -> Any:
    """An actor beside the driver, for as long as that lives."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    return ray.remote(_Desk).options(scheduling_strategy=here, **options).remote()


@dataclass(frozen=True, slots=True)
class RemoteStrikes:
    """The strike book as workers see it."""

    desk: Any

    def begin(self, stage: str, ids: Sequence[str], *, suspects: bool) -> list[int]:
        strikes: list[int] = ray.get(self.desk.begin.remote(stage, ids, suspects=suspects))
        return strikes

    def end(self, stage: str, ids: Sequence[str]) -> None:
        self.desk.end.remote(stage, ids)  # nobody waits: a lost one costs a row its company

    def fail(self, message: str) -> None:
        ray.get(self.desk.fail.remote(message))

    def failures(self) -> list[str]:
        """What made workers fail; nothing where nobody is left who could tell."""
        try:
            failures: list[str] = ray.get(self.desk.failures.remote(), timeout=_ANSWERS_S)
        except ray.exceptions.RayError as error:
            logger.debug("the desk does not answer: %s", error)
            return []
        return failures


@dataclass(frozen=True, slots=True)
class RemoteRoll:
    """The roll as workers and the driver see it."""

    desk: Any

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

    def take(self, worker: Worker, rows: int, *, is_first: bool) -> None:
        self.desk.took.remote(worker, rows, is_first=is_first)  # nobody waits

    def snapshot(self) -> Snapshot | None:
        """None if there is no answer for the moment."""
        ready, _ = ray.wait([self.desk.snapshot.remote()], timeout=_LOOKS_S)
        return ray.get(ready[0]) if ready else None
