"""Stages onto Ray Data: actors, isolation, timings, blocks.

A mapper knows nothing of this: it gets rows and returns what it adds. Here, once for all of them,
rows that already failed are skipped, failures are isolated, one-out-per-in is checked, columns are
attached under their declared types, and everything else is carried along.
"""

from __future__ import annotations

import contextlib
import logging
import math
import pickle
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
import ray.util.metrics
from threadpoolctl import threadpool_limits

from pipeline import schema
from pipeline.cluster import SPARE, Lookout
from pipeline.deadline import RowClock, read_note
from pipeline.desk import RemoteRoll, RemoteStrikes, start_desk, word_left_at
from pipeline.errors import FatalError, Outcome, RowError, TransientError, isolate
from pipeline.memory import ROWS_PER_BLOCK
from pipeline.metrics import Metric, Observation, of_batch
from pipeline.plan import error_value
from pipeline.pools import Pool, pools
from pipeline.room import by_cores, check_memory, limited_by_memory, room_for
from pipeline.stage import Stage, check_wiring
from pipeline.strikes import Guard, StrikeBook
from pipeline.wording import of_error, one_line

logger = logging.getLogger(__name__)

Unit = TypeVar("Unit")

_BLOCKS_PER_CORE = 8
"""At the end, actors wait for the last of them: on average as long as half a block takes."""
_MOST_TASKS = 20_000
"""Each costs the driver up to 100 kB for the length of a run: in longer ones they do more."""
_TASKS_AHEAD = (2, 8)
"""Fewest and most that wait at an actor. The driver takes up to a tenth of a second to hand out the
next, in which an actor of quick tasks has nothing to do; what waits at one cannot go to another."""
_TURNS = 32
"""The tasks that wait at the actors are no more than one in so many: the end stays even."""
_LONGEST_REASON = 300
"""Of what Ray says, in characters: it may explain itself over pages."""
_NO_PROGRESS_TIMEOUT_S = 2 * 60 * 60
"""Waiting for machines, loading models and a block of slow rows all look like no progress."""
_ROWS_WITHOUT_PROGRESS = 4
"""So many rows may take all of their time before that."""
_MOST_NAMED = 5
_LONGEST_ID = 100
NODE_GROUP_LABEL = "ray.io/node-group"
"""Set by Ray's autoscaler and by KubeRay: a node's worker group, or node type."""


class StageWorker:
    """One actor of a stage: the mapper, and all that every mapper needs around it."""

    def __init__(
        self, stage: Stage, book: StrikeBook, max_strikes: int, clock: RowClock | None = None
    ) -> None:
        self.batch_size = stage.batch_size
        self._stage = stage
        self._book = book
        self._guard = Guard(stage.name, book, max_strikes, clock, stage.patience_s)
        self._meter = _Meter()
        with self._told():
            self._mapper = stage.mapper(stage.config)
        self._idle_since = time.perf_counter()

    def __call__(self, table: pa.Table) -> pa.Table:
        """Run one batch: the same rows come out, in the same order."""
        waiting = pc.is_null(table["error"])
        alive = table.filter(waiting)
        rows = alive.select(self._stage.reads).to_pylist()
        started = time.perf_counter()
        with self._told():
            outcomes = self._guard.run(
                partial(isolate, self._mapper.map_batch),
                rows,
                alive["sample_id"].to_pylist(),
                _sources(alive),
            )
        busy_s, idle_s = time.perf_counter() - started, started - self._idle_since
        self._meter.record(of_batch(self._stage.name, outcomes, busy_s=busy_s, idle_s=idle_s))
        seconds = busy_s / max(1, len(rows))
        self._idle_since = time.perf_counter()
        return attach(self._stage, table, waiting.to_pylist(), outcomes, seconds)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Put a fatal error into the book: what Ray carries to the driver is only its text."""
        try:
            yield
        except FatalError as error:
            self._book.fail(f"stage {self._stage.name}: {error}")
            raise


def _sources(rows: pa.Table) -> list[str]:
    """What rows of one photograph have in common: its address, where it has one."""
    ids: list[str] = rows["sample_id"].to_pylist()
    if "image_uri" not in rows.column_names:
        return ids
    return [uri or id_ for uri, id_ in zip(rows["image_uri"].to_pylist(), ids, strict=True)]


@dataclass(frozen=True, slots=True)
class _Work:
    """What the actors of a pool are told."""

    pool: Pool
    book: StrikeBook
    max_strikes: int
    _: KW_ONLY
    read: Callable[[pa.Table], pa.Table] | None = None
    """Of the first pool: turns a packed unit into its rows."""
    write: Callable[[pa.Table], str] | None = None
    """Of the last pool: takes finished rows to storage."""
    roll: RemoteRoll | None = None
    """Where its actors sign in."""
    task_units: int = 1
    """Units that one task takes, at the most: all of them come again with it."""
    task_rows: int = 0
    """Of a pool that takes blocks in several batches: rows of a block."""
    max_row_seconds: float | None = None
    """None: nobody looks at the clock."""


class PoolWorker:
    """One actor of a pool: rows go through its stages one after another."""

    def __init__(self, work: _Work) -> None:
        self._read = work.read
        self._write = None if work.write is None else _Receipt(work.write, work.book)
        self._groups = work.pool.groups
        self._work = work
        self._signed_in = None if work.roll is None else work.roll.join(work.pool.name)
        clock = None if work.max_row_seconds is None else self._clock(work.max_row_seconds)
        # Many actors share a node: each keeps to its own CPUs, or all of them crawl.
        threadpool_limits(work.pool.resources.num_threads)
        self._workers = [
            StageWorker(stage, work.book, work.max_strikes, clock) for stage in work.pool.stages
        ]

    def _clock(self, limit_s: float) -> RowClock:
        """Ends this process when a row is too slow; tells first what ended the one before it."""
        note = word_left_at()
        if self._work.roll is not None and self._signed_in is not None:
            before = self._work.roll.note(self._signed_in, note)
            found = None if before is None else read_note(before)
            if found is not None:
                self._work.book.overdue(found)
        return RowClock(limit_s, tell=self._work.book.overdue, note=note)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Take rows through all stages; a few at a time, so that none holds all the others up."""
        rows = table
        if self._read is not None:
            with _telling(self._work.book):
                rows = self._read(table)
        if self._work.roll is not None and self._signed_in is not None:
            again = max(rows.num_rows * self._work.task_units, self._work.task_rows)
            self._work.roll.take(self._signed_in, again, is_first=self._read is not None)
        done = self._through(rows)
        return done if self._write is None else self._write(done)

    def _through(self, table: pa.Table, first: int = 0) -> pa.Table:
        """Take rows through the stages from one on; a group of them before the next."""
        if first == len(self._workers):
            return table
        worker = self._workers[first]

        def on(rows: pa.Table) -> pa.Table:
            return self._through(batched(rows, worker.batch_size, worker), first + 1)

        return batched(table, self._groups[first], on)


def batched(table: pa.Table, size: int, work: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Apply `work` to at most so many rows at a time, in order."""
    if table.num_rows <= size:
        return work(table)
    firsts = range(0, table.num_rows, size)
    return pa.concat_tables([work(table.slice(first, size)) for first in firsts])


def attach(
    stage: Stage,
    table: pa.Table,
    waiting: Sequence[bool],
    outcomes: Sequence[Outcome],
    seconds: float,
) -> pa.Table:
    """The table with a stage's columns, errors and timings added and its drops gone.

    Args:
        stage: declares what is added and dropped.
        table: the rows before the stage.
        waiting: which of them the stage worked on; the others failed earlier.
        outcomes: one for each that was waiting, in order.
        seconds: spent on each.

    Raises:
        FatalError: an outcome has not exactly the columns that the stage declares.
    """
    remaining = iter(outcomes)
    by_row = [next(remaining) if is_waiting else None for is_waiting in waiting]
    names = set(stage.adds.names)
    for outcome in outcomes:
        if not isinstance(outcome, RowError) and outcome.keys() != names:
            raise FatalError(
                f"stage {stage.name!r} declares {sorted(names)} and returned {sorted(outcome)}"
            )
    found = [outcome if isinstance(outcome, dict) else {} for outcome in by_row]
    for field in stage.adds:
        values = [columns.get(field.name) for columns in found]
        # A row that failed has no value, whatever the column promises of the others.
        table = table.append_column(
            field.with_nullable(nullable=True), pa.array(values, field.type)
        )
    if any(isinstance(outcome, RowError) for outcome in outcomes):
        errors = [
            error_value(stage.name, new) if isinstance(new, RowError) else old
            for old, new in zip(table["error"].to_pylist(), by_row, strict=True)
        ]
        table = _replaced(table, "error", pa.array(errors, table.schema.field("error").type))
    table = _replaced(table, "timings", _timed(table["timings"], stage.name, waiting, seconds))
    return table.drop_columns(list(stage.drops))


def _timed(
    timings: pa.ChunkedArray, stage: str, waiting: Sequence[bool], seconds: float
) -> pa.Array:
    """The timings with a stage's own seconds for the rows it worked on."""
    old = timings.combine_chunks()
    names = [field.name for field in old.type]
    children = dict(zip(names, old.flatten(), strict=True))
    worked = pa.array(waiting, pa.bool_())
    own = f"{stage}_s"
    children[own] = pc.if_else(worked, pa.scalar(seconds, children[own].type), children[own])
    return pa.StructArray.from_arrays(list(children.values()), fields=list(old.type))


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
    desk = start_desk()
    book, roll = RemoteStrikes(desk), RemoteRoll(desk)
    first, *others = listed = pools(stages)
    # The last actors write, unless they hold GPUs that would wait for it.
    writes = None if listed[-1].resources.num_gpus else write
    read_rows = _Reader(read, schema.timings(tuple(stage.name for stage in stages)))
    groups = _shared_out(units, _MOST_TASKS)
    tasks = [_packed(group) for group in groups]
    dataset = _through(
        ray.data.from_blocks(tasks),
        first,
        _Work(
            first,
            book,
            max_strikes,
            read=read_rows,
            write=None if others else writes,
            roll=roll,
            task_units=max(map(len, groups), default=1),
            max_row_seconds=max_row_seconds,
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
            _Work(
                pool,
                book,
                max_strikes,
                write=ends,
                roll=roll,
                task_rows=most_rows,
                max_row_seconds=max_row_seconds,
            ),
            # What is written is a block, whole: then it is all one file when it comes again. Else
            # a larger batch than block would wait for a second block, and idle actors with it.
            batch_size=min(pool.groups[0], most_rows) if ends is None else None,
            num_tasks=len(tasks),
            is_alone=False,
        )
    if writes is None:
        dataset = dataset.map_batches(
            _Receipt(write, book),
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            **_light_tasks(),
        )
    with Lookout(roll.snapshot, num_pools=len(listed)) as lookout:
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


@dataclass(frozen=True, slots=True)
class _Reader:
    """The first step: a unit's rows, with nothing in their timings yet."""

    read: Callable[[Any], pa.Table]
    timings: pa.Field

    def __call__(self, packed: pa.Table) -> pa.Table:
        table = self.read(pickle.loads(packed["unit"][0].as_py()))
        children = list(self.timings.type)
        nothing = [pa.nulls(table.num_rows, child.type) for child in children]
        values = pa.StructArray.from_arrays(nothing, fields=children)
        return table.append_column(self.timings, values)


@dataclass(frozen=True, slots=True)
class _Receipt:
    """The last step: only the receipt travels back to the driver."""

    write: Callable[[pa.Table], str]
    book: StrikeBook

    def __call__(self, table: pa.Table) -> pa.Table:
        with _telling(self.book):
            return pa.table({"receipt": [self.write(table)], "rows": [table.num_rows]})


@contextlib.contextmanager
def _telling(book: StrikeBook) -> Iterator[None]:
    """Put into the book why a block can be neither read nor written: no row of it is to blame."""
    try:
        yield
    except (OSError, TransientError) as error:
        book.fail(of_error(error))
        raise FatalError(of_error(error)) from error


class _Meter:
    """Hands observations to Ray, whose agents offer them to Prometheus."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def record(self, observations: Iterable[Observation]) -> None:
        for seen in observations:
            series = self._series(seen.metric)
            if seen.metric.kind == "histogram":
                series.observe(seen.value, tags=seen.tags)
            elif seen.value > 0:  # Ray refuses a count that counts nothing
                series.inc(seen.value, tags=seen.tags)

    def _series(self, metric: Metric) -> Any:
        if metric.name not in self._made:
            options: dict[str, Any] = {"description": metric.description, "tag_keys": metric.tags}
            if metric.kind == "histogram":
                options["boundaries"] = list(metric.boundaries)
            kinds = {"histogram": ray.util.metrics.Histogram, "counter": ray.util.metrics.Counter}
            self._made[metric.name] = kinds[metric.kind](metric.name, **options)
        return self._made[metric.name]


def _light_tasks() -> dict[str, Any]:
    """Few at a time: each runs in a process of its own, which takes seconds to start."""
    cores = int(_available().get("CPU", 1))
    return {"num_cpus": 0.2, "compute": ray.data.TaskPoolStrategy(size=max(2, cores // 4))}


def _set_context(max_row_seconds: float) -> None:
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = False
    context.execution_no_progress_timeout_s = _no_progress_s(max_row_seconds)


def _through(
    dataset: Any, pool: Pool, work: _Work, *, batch_size: int | None, num_tasks: int, is_alone: bool
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


def _replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.column_names.index(name), field, values)
