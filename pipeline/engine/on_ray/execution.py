"""Stages onto Ray Data: actors and blocks, what they are told, and what is made of their end."""

from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import ray
import ray.data
import ray.util.metrics

from pipeline import schema
from pipeline.engine.actor_memory import ROWS_PER_BLOCK
from pipeline.engine.capacity import by_cores, check_memory, limited_by_memory, room_for
from pipeline.engine.nodes import NODE_GROUP_LABEL
from pipeline.engine.on_ray.cluster import SPARE, LossWatch
from pipeline.engine.on_ray.metrics_export import RayMeter
from pipeline.engine.on_ray.worker_registry import (
    RemoteRescues,
    RemoteRoll,
    RemoteStrikes,
    new_note,
    start_registry,
)
from pipeline.engine.pools import Pool, pools
from pipeline.engine.stage import Stage, check_wiring
from pipeline.engine.worker import PoolWorker, Reader, Receipt, Work
from pipeline.errors import FatalError
from pipeline.text.printable import one_line

logger = logging.getLogger(__name__)

Unit = TypeVar("Unit")

_BLOCKS_PER_CORE = 8
"""The number of blocks per core. At the end, actors wait half a block's time on average."""
_MOST_TASKS = 20_000
"""Each costs the driver up to 100 kB for the length of a run: in longer ones they do more."""
_TASKS_AHEAD = (2, 8)
"""Fewest and most that wait at an actor. The driver takes up to a tenth of a second to hand out the
next, in which an actor of quick tasks has nothing to do; what waits at one cannot go to another."""
_TURNS = 32
"""The tasks that wait at the actors are no more than one in so many: the end stays even."""
_LONGEST_REASON = 300
"""The most characters of a reason that Ray gives: it may explain itself over pages."""
_NO_PROGRESS_TIMEOUT_S = 2 * 60 * 60
"""Waiting for machines, loading models and a block of slow rows all look like no progress."""
_ROWS_WITHOUT_PROGRESS = 4
"""The number of rows that may take all of their time before a lack of progress counts."""
_MOST_NAMED = 5
_LONGEST_ID = 100


def execute(
    units: Sequence[Unit],
    read: Callable[[Unit], pa.Table],
    stages: Sequence[Stage],
    write: Callable[[pa.Table], str],
    *,
    columns: Sequence[str],
    most_rows: int,
    max_strikes: int,
    max_row_seconds: float,
) -> Generator[str, None, None]:
    """Run rows through the stages; yields a receipt for every block of rows that is written.

    Args:
        units: what is read; each travels as one block, and is written as one.
        read: a unit's rows, with an `error` column; runs in the cluster.
        stages: in order.
        write: takes finished rows to storage and returns a receipt; runs in the cluster.
        columns: what `read` returns.
        most_rows: in any one unit.
        max_strikes: how often a row may take its worker process down before it is given up.
        max_row_seconds: how long a row may take in a stage before its worker process is ended.

    Raises:
        ValueError: the stages do not fit together.
        FatalError: no row can be finished.
    """
    check_wiring(stages, [*columns, "timings"])
    _set_context(max_row_seconds)
    registry = start_registry()
    book, roll = RemoteStrikes(registry), RemoteRoll(registry)
    first, *others = listed = pools(stages)
    # The last actors write, unless they hold GPUs that would wait for it.
    writes = None if listed[-1].resources.num_gpus else write
    read_rows = Reader(read, schema.timings(tuple(stage.name for stage in stages)))
    groups = _shared_out(units, _MOST_TASKS)
    tasks = [_packed(group) for group in groups]
    dataset = _through(
        ray.data.from_blocks(tasks),
        first,
        Work(
            first,
            book,
            max_strikes,
            read=read_rows,
            write=None if others else writes,
            roll=roll,
            task_units=max(map(len, groups), default=1),
            max_row_seconds=max_row_seconds,
            rescues=None if others or writes is None else RemoteRescues(registry),
            meter=RayMeter(),
            new_note=new_note,
        ),
        batch_size=1,
        num_tasks=len(tasks),
        is_alone=not others,
    )
    for pool in others:
        ends = writes if pool is others[-1] else None
        dataset = _through(
            dataset,
            pool,
            Work(
                pool,
                book,
                max_strikes,
                write=ends,
                roll=roll,
                task_rows=most_rows,
                max_row_seconds=max_row_seconds,
                rescues=None if ends is None else RemoteRescues(registry),
                meter=RayMeter(),
                new_note=new_note,
            ),
            # What is written is a block, whole: then it is all one file when it comes again. Else
            # a larger batch than block would wait for a second block, and idle actors with it.
            batch_size=min(pool.groups[0], most_rows) if ends is None else None,
            num_tasks=len(tasks),
            is_alone=False,
        )
    if writes is None:
        dataset = dataset.map_batches(
            Receipt(write, book),
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            **_light_tasks(),
        )
    with LossWatch(roll.snapshot, num_pools=len(listed)) as lookout:
        try:
            for table in dataset.iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=0
            ):
                lookout.finished += sum(table["rows"].to_pylist())
                yield from table["receipt"].to_pylist()
        except ray.data.exceptions.ExecutionTimeoutError:
            raise FatalError(_stuck(book.open_rows(), max_row_seconds)) from None
        except ray.exceptions.RayTaskError:
            failures = book.failures()
            if failures:
                raise FatalError(failures[0]) from None
            raise
        except ray.exceptions.RayError as error:
            failures = book.failures()
            reason = one_line(str(error), most=_LONGEST_REASON)
            raise FatalError(failures[0] if failures else f"Ray gave up: {reason}") from error


def _stuck(rows: Sequence[str], max_row_seconds: float) -> str:
    """Why a run ends in which nothing moves."""
    named = ", ".join(one_line(row, most=_LONGEST_ID) for row in rows[:_MOST_NAMED]) or "none"
    more = f" and {len(rows) - _MOST_NAMED:,} more" if len(rows) > _MOST_NAMED else ""
    return (
        f"no rows were finished for {_no_progress_s(max_row_seconds) / 60:g} minutes; begun and "
        f"not ended: {named}{more}; what is done stays done: look at the cluster, or lower "
        f"budget.max_row_seconds ({max_row_seconds:g}), and repeat the command"
    )


def _no_progress_s(max_row_seconds: float) -> float:
    return max(_NO_PROGRESS_TIMEOUT_S, _ROWS_WITHOUT_PROGRESS * max_row_seconds)


def block_rows(num_rows: int) -> int:
    """Rows that should travel together: few enough for every core to have work, at most 64."""
    available = _available()
    cores = max(1, int(available.get("CPU", 1) - available.get(SPARE, 0)))
    return max(1, min(ROWS_PER_BLOCK, math.ceil(num_rows / (_BLOCKS_PER_CORE * cores))))


def check_capacity(stages: Sequence[Stage]) -> None:
    """Refuse pools for which the connected cluster has no room: they would wait for ever.

    Raises:
        ValueError: the smallest pools together need more than the cluster has, or one of their
            actors more memory than any node has.
    """
    available, listed = _available(), pools(stages)
    for kind, key in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
        needs = {
            pool.name: getattr(pool.resources, kind) * pool.resources.min_actors for pool in listed
        }
        total, there = sum(needs.values()), available.get(key, 0.0)
        if total > there + 1e-6:
            parts = ", ".join(f"{name} {need:g}" for name, need in needs.items() if need)
            raise ValueError(
                f"resources: the stages need {total:g} {key} at the least ({parts}), the cluster "
                f"has {there:g}: lower resources.<stage>.{kind} or min_actors, or use a larger one"
            )
    nodes = _nodes(is_alone=len(listed) == 1)
    check_memory(listed, nodes)
    for note in limited_by_memory(listed, nodes):
        logger.warning("memory, not cores, limits %s", note)


def _shared_out(units: Sequence[Unit], most: int) -> list[Sequence[Unit]]:
    """Units in order, as evenly as it goes, in at most so many groups."""
    size = math.ceil(len(units) / most) or 1
    return [units[first : first + size] for first in range(0, len(units), size)]


def _packed(units: Sequence[Unit]) -> pa.Table:
    """What a task is told to do: a row for each unit."""
    return pa.table({"unit": pa.array([pickle.dumps(unit) for unit in units], pa.binary())})


def _light_tasks() -> dict[str, Any]:
    """Few at a time: each runs in a process of its own, which takes seconds to start."""
    cores = int(_available().get("CPU", 1))
    return {"num_cpus": 0.2, "compute": ray.data.TaskPoolStrategy(size=max(2, cores // 4))}


def _set_context(max_row_seconds: float) -> None:
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = False
    context.execution_no_progress_timeout_s = _no_progress_s(max_row_seconds)


def _through(
    dataset: Any, pool: Pool, work: Work, *, batch_size: int | None, num_tasks: int, is_alone: bool
) -> Any:
    resources = pool.resources
    options: dict[str, Any] = {"num_cpus": resources.num_cpus}
    if resources.num_gpus:
        options["num_gpus"] = resources.num_gpus
    if pool.memory_mb:
        options["memory"] = pool.memory_mb * 2**20
    if resources.node_group:
        options["label_selector"] = {NODE_GROUP_LABEL: resources.node_group}
    most = min(num_tasks, resources.max_actors or num_tasks)
    least = min(resources.min_actors, most)
    # Pools that share a cluster have to grow into it; one that has it to itself takes it at once.
    at_once, nodes = least, _nodes(is_alone=is_alone)
    if is_alone:
        at_once = max(least, min(most, room_for(pool, nodes)))
        if _available().get(SPARE):  # this machine will not grow, and its spare is no core
            most = at_once
    return dataset.map_batches(
        _named(pool),
        fn_constructor_args=(work,),
        batch_size=batch_size,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=ray.data.ActorPoolStrategy(
            min_size=least,
            max_size=most,
            initial_size=at_once,
            max_tasks_in_flight_per_actor=_tasks_ahead(num_tasks, by_cores(pool, nodes)),
        ),
        **options,
    )


def _tasks_ahead(num_tasks: int, num_actors: int) -> int:
    fewest, most = _TASKS_AHEAD
    return max(fewest, min(most, num_tasks // (_TURNS * max(1, num_actors))))


def _nodes(*, is_alone: bool) -> list[dict[str, float]]:
    """What each node of the cluster has, for a pool that is alone there or for several."""
    listed = ray.nodes()  # type: ignore[no-untyped-call]
    there = [dict(node["Resources"]) for node in listed if node["Alive"]]
    for node in there if is_alone else ():
        node["CPU"] = node.get("CPU", 0.0) - node.get(SPARE, 0.0)
    return there


def _available() -> dict[str, float]:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources


def _named(pool: Pool) -> type[PoolWorker]:
    """The worker class under its stages' names, which is what Ray's dashboard shows."""
    return type("_".join(stage.name.capitalize() for stage in pool.stages), (PoolWorker,), {})
