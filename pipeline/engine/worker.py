"""A worker: one process of a pool, in which rows go through its stages.

A mapper knows nothing of this: it gets rows and returns what it adds. Here, once for all of them,
rows that already failed are skipped, failures are isolated, the clock is watched, one-out-per-in is
checked, columns are attached under their declared types, and everything else is carried along.
A worker knows no cluster either: the books it writes to and its meter are handed to it.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from pipeline.engine.batching import index_after, num_bytes, num_together, sliced
from pipeline.engine.isolation import isolate
from pipeline.engine.losses import RollBook
from pipeline.engine.metrics import Meter, Unmetered, of_batch
from pipeline.engine.pools import Pool
from pipeline.engine.rescued_rows import RescueBook, Rescued
from pipeline.engine.row_clock import Overdue, RowClock, read_note
from pipeline.engine.stage import Stage
from pipeline.engine.strikes import Guard, StrikeBook
from pipeline.errors import (
    FatalError,
    Outcome,
    Postponed,
    Row,
    RowError,
    TransientError,
    error_value,
)
from pipeline.text.printable import of_error

logger = logging.getLogger(__name__)

_UNMETERED = Unmetered()


class StageWorker:
    """One actor of a stage: the mapper, and all that every mapper needs around it."""

    def __init__(
        self,
        stage: Stage,
        book: StrikeBook,
        max_strikes: int,
        *,
        clock: RowClock | None = None,
        meter: Meter = _UNMETERED,
    ) -> None:
        self.batch_size = stage.batch_size
        self._stage = stage
        self._book = book
        self._guard = Guard(stage.name, book, max_strikes, clock, stage.patience_s, stage.slow_mark)
        self._meter = meter
        with self._told():
            self._mapper = stage.mapper(stage.config)
        self._idle_since = time.perf_counter()

    def __call__(self, table: pa.Table) -> pa.Table:
        """Run one batch: the same rows come out, in the same order."""
        return pa.concat_tables(list(self.parts(table)))

    def parts(self, table: pa.Table) -> Iterator[pa.Table]:
        """Run one batch: the same rows come out, in order, as many at a time as may be together."""
        waiting: list[bool] = pc.is_null(table["error"]).to_pylist()
        alive = table.filter(pa.array(waiting, pa.bool_()))
        rows, ids = alive.select(self._stage.reads).to_pylist(), alive["sample_id"].to_pylist()
        sources = _sources(alive)
        outcomes, seconds, first = list[Outcome](), 0.0, 0
        while True:
            if not outcomes:
                outcomes, seconds = self._work(rows, ids, sources)
                del rows[: len(outcomes)], ids[: len(outcomes)], sources[: len(outcomes)]
            num = num_together(outcomes, self._stage.part_bytes)
            done, outcomes = outcomes[:num], outcomes[num:]
            is_last = not outcomes and not rows
            stop = table.num_rows if is_last else index_after(waiting, first, len(done))
            part = table.slice(first, stop - first)
            attached = attach(self._stage, part, waiting[first:stop], done, seconds)
            del done, part  # who goes on holds them once, as columns
            yield attached
            if is_last:
                return
            first = stop

    def _work(
        self, rows: Sequence[Row], ids: Sequence[str], sources: Sequence[str]
    ) -> tuple[list[Outcome], float]:
        """What becomes of the first of some rows, at least of one, and the seconds for each."""
        held, most_bytes = 0, self._stage.part_bytes

        def is_full() -> bool:
            return most_bytes is not None and held >= most_bytes

        def work(batch: Sequence[Row]) -> list[Outcome]:
            nonlocal held
            found = isolate(self._mapper.map_batch, batch)
            held += sum(map(num_bytes, found))
            return found

        started = time.perf_counter()
        with self._told():
            outcomes = self._guard.run(work, rows, ids, sources, is_full=is_full)
            done = list(takewhile(lambda outcome: not isinstance(outcome, Postponed), outcomes))
            if rows and not done:
                raise FatalError(f"stage {self._stage.name!r} put off the first of its rows")
        busy_s, idle_s = time.perf_counter() - started, started - self._idle_since
        self._meter.record(of_batch(self._stage.name, done, busy_s=busy_s, idle_s=idle_s))
        self._idle_since = time.perf_counter()
        return done, busy_s / max(1, len(done))

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
class Work:
    """What the actors of a pool are told."""

    pool: Pool
    book: StrikeBook
    max_strikes: int
    _: KW_ONLY
    read: Callable[[pa.Table], pa.Table] | None = None
    """The function of the first pool that turns a packed unit into its rows."""
    write: Callable[[pa.Table], str] | None = None
    """The function of the last pool that takes finished rows to storage."""
    meter: Meter = _UNMETERED
    """Where its actors' observations go."""
    roll: RollBook | None = None
    """Where its actors sign in."""
    task_units: int = 1
    """Units that one task takes, at the most: all of them come again with it."""
    task_rows: int = 0
    """The number of rows of a block, where a pool takes blocks in several batches."""
    max_row_seconds: float | None = None
    """None: nobody looks at the clock."""
    new_note: Callable[[], Path] | None = None
    """Where there is a clock: names a new file on the worker's node, in which it leaves word."""
    rescues: RescueBook | None = None
    """The book of the last pool, if it writes: rows that were finished before a worker ended."""


class PoolWorker:
    """One actor of a pool: rows go through its stages one after another."""

    def __init__(self, work: Work) -> None:
        self._read = work.read
        self._write = None if work.write is None else Receipt(work.write, work.book)
        self._finished: list[pa.Table] = []
        """The rows of the block in hand that have been through all stages."""
        self._groups = work.pool.groups
        self._work = work
        self._signed_in = None if work.roll is None else work.roll.join(work.pool.name)
        clock = self._clock()
        # Many actors share a node: each keeps to its own CPUs, or all of them crawl.
        threadpool_limits(work.pool.resources.num_threads)
        self._workers = [
            StageWorker(stage, work.book, work.max_strikes, clock=clock, meter=work.meter)
            for stage in work.pool.stages
        ]

    def _clock(self) -> RowClock | None:
        """Ends this process when a row is too slow; tells first what ended the one before it."""
        if self._work.max_row_seconds is None:
            return None
        assert self._work.new_note is not None
        note = self._work.new_note()
        if self._work.roll is not None and self._signed_in is not None:
            before = self._work.roll.note(self._signed_in, note)
            overdue = None if before is None else read_note(before)
            if overdue is not None:
                self._work.book.overdue(overdue)
        return RowClock(self._work.max_row_seconds, tell=self._overdue, note=note)

    def __call__(self, table: pa.Table) -> Iterator[pa.Table]:
        """Take rows through all stages; a few at a time, so that none holds all the others up.

        They come out in one table, unless a stage may not bring all of their files along at once.
        """
        rows = table
        if self._read is not None:
            with _telling(self._work.book):
                rows = self._read(table)
        if self._work.roll is not None and self._signed_in is not None:
            again = max(rows.num_rows * self._work.task_units, self._work.task_rows)
            self._work.roll.take(self._signed_in, again, is_first=self._read is not None)
        try:
            yield from self._done(rows)
        finally:
            self._finished = []  # pictures, which nobody needs any more

    def _done(self, rows: pa.Table) -> Iterator[pa.Table]:
        """The rows after the last stage, or the receipts where they are written."""
        if self._write is None:
            yield from self._parts(rows)
            return
        rescued = self._rescued(rows)
        if not rescued:
            yield self._write(pa.concat_tables(list(self._parts(rows))))
            return
        left = rows.filter(pc.invert(_is_among(rows, rescued)))
        receipts = pa.table(
            {
                "receipt": [one.receipt for one in rescued],
                "rows": [len(one.ids) for one in rescued],
            }
        )
        if left.num_rows:
            written = self._write(pa.concat_tables(list(self._parts(left))))
            receipts = pa.concat_tables([receipts, written])
        yield receipts

    def _parts(self, table: pa.Table) -> Iterator[pa.Table]:
        if self._work.pool.stages[0].part_bytes is None:
            yield self._through(table)
            return
        for rows in sliced(table, self._groups[0]):
            for part in self._workers[0].parts(rows):
                yield self._through(part, 1)

    def _rescued(self, rows: pa.Table) -> list[Rescued]:
        """What of these rows was finished by a worker that had to end."""
        if self._work.rescues is None:
            return []
        return self._work.rescues.rescued(rows["sample_id"].to_pylist())

    def _overdue(self, found: Overdue) -> None:
        """Say what was too slow, and write what is finished; this process ends in a moment."""
        self._work.book.overdue(found)
        if self._work.write is None or self._work.rescues is None or not self._finished:
            return
        finished = pa.concat_tables(self._finished)
        try:
            receipt = self._work.write(finished)
            ids = frozenset(finished["sample_id"].to_pylist())
            self._work.rescues.rescue(Rescued(receipt=receipt, ids=ids))
        except (OSError, TransientError, FatalError) as error:
            logger.warning("%d finished rows go again: %s", finished.num_rows, error)

    def _through(self, table: pa.Table, first: int = 0) -> pa.Table:
        """Take rows through the stages from one on; a group of them before the next."""
        if first == len(self._workers):
            if self._write is not None:
                self._finished.append(table)
            return table
        worker = self._workers[first]

        def on(rows: pa.Table) -> pa.Table:
            return self._through(batched(rows, worker.batch_size, worker), first + 1)

        return batched(table, self._groups[first], on)


def _is_among(rows: pa.Table, rescued: Sequence[Rescued]) -> pa.ChunkedArray:
    ids = [id_ for one in rescued for id_ in one.ids]
    return pc.is_in(rows["sample_id"], value_set=pa.array(ids, pa.string()))


def batched(table: pa.Table, size: int, work: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Apply `work` to at most so many rows at a time, in order."""
    if table.num_rows <= size:
        return work(table)
    return pa.concat_tables([work(part) for part in sliced(table, size)])


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


@dataclass(frozen=True, slots=True)
class Reader:
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
class Receipt:
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


def _replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.column_names.index(name), field, values)
