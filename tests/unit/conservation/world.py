"""The world of a sequence: the real flow of a run on a storage with faults, without a cluster."""

from __future__ import annotations

import io
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from pipeline import (
    flow,
    history,
    ledger,
    reconcile,
    report,
    request,
    results,
    schema,
    session,
    storage,
    verify,
)
from pipeline.ledger import Request
from pipeline.recipe import Budget
from pipeline.request import RunConfig
from pipeline.results import ResultWriter
from pipeline.stages.store import OutputConfig
from pipeline.storage import Lease, lease, verbs
from pipeline.storage.files import Files
from pipeline.storage.lease import _FileClaim
from tests.unit.conservation.actors import Actor, Fault, Switchboard
from tests.unit.conservation.model import FINAL, PASSING, PICTURE, Model, Samples
from tests.unit.conservation.statements import Statements
from tests.unit.conservation.store import EPOCH, ArrowReader, Memory

_PLAN = pa.schema([schema.SAMPLE_ID, schema.ID, schema.FINGERPRINT, schema.ERROR])
_ERRORS = {
    PICTURE: None,
    FINAL: {"stage": "fetch", "code": "not_found", "message": "none", "retryable": False},
    PASSING: {"stage": "fetch", "code": "storage", "message": "slow down", "retryable": True},
}
_FINISHED = pa.schema(
    [
        schema.PICTURE,
        schema.ALPHA,
        schema.PROMPT_FALLBACK,
        schema.FETCH_RETRIES,
        schema.STORE_RETRIES,
        schema.ERROR,
        schema.timings(("fetch",)),
    ]
)
ROWS_PER_PLAN_FILE = 3
NAMES = ("a", "b", "a\0b", "c", "b\0c", "a/1", "\n")
"""Of samples: such as would be mistaken for one another where names are joined."""
_MOST_TASKS = 12
BEAT_S = 20.0


@dataclass(frozen=True, slots=True)
class TinyRecipe:
    """As much of a recipe as a ledger asks for."""

    name: str
    budget: Budget = Budget(max_failures=1e9, max_unexpected=10**9)  # noqa: RUF009 - frozen
    output: OutputConfig = OutputConfig(image_objects=False)  # noqa: RUF009 - frozen
    keep: tuple[str, ...] = ()

    @property
    def config_hash(self) -> str:
        return f"hash of {self.name}"

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class TinyPlanner:
    """Plans a manifest of ids."""

    samples: Samples
    manifest: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(root="/images"))
    plan_schema: pa.Schema = _PLAN

    def tables(self) -> Iterator[pa.Table]:
        for first in range(0, len(self.samples), ROWS_PER_PLAN_FILE):
            ids, prints = zip(*self.samples[first : first + ROWS_PER_PLAN_FILE], strict=True)
            yield pa.table([ids, ids, prints, pa.nulls(len(ids), schema.ERROR_TYPE)], schema=_PLAN)


@dataclass(slots=True)
class Task:
    """A block on its way: rows that a worker will write, unless something happens."""

    writer: ResultWriter
    planned: pa.Table

    def write(self, dice: random.Random, *, is_kind: bool = False) -> str:
        return self.writer(finished(self.planned, dice, is_kind=is_kind))


def finished(planned: pa.Table, dice: random.Random, *, is_kind: bool = False) -> pa.Table:
    """Rows as they leave the last stage: each with what becomes of it this time."""
    weights = [1, 0, 0] if is_kind else [6, 1, 2]
    ranks = dice.choices([PICTURE, FINAL, PASSING], weights, k=planned.num_rows)
    count = planned.num_rows
    pictures = [
        f"{id_} {print_}".encode() if rank == PICTURE else None
        for id_, print_, rank in zip(
            planned["sample_id"].to_pylist(), planned["fingerprint"].to_pylist(), ranks, strict=True
        )
    ]
    # The same picture takes another time at each try, so the same block has other bytes.
    times = [{"fetch_s": float(dice.randrange(1000))}] * count
    columns = [
        pictures, [None] * count, [None] * count, [0] * count, [0] * count,
        [_ERRORS[rank] for rank in ranks], times,
    ]  # fmt: skip
    table = planned.drop_columns(["error", "timings"] if "timings" in planned.column_names
                                 else ["error"])  # fmt: skip
    for column, values in zip(_FINISHED, columns, strict=True):
        table = table.append_column(column, pa.array(values, column.type))
    return table


class RememberedFile:
    """A Parquet file; what was read of the same bytes before is not read again."""

    _files: ClassVar[dict[bytes, pq.ParquetFile]] = {}
    _tables: ClassVar[dict[tuple[bytes, tuple[str, ...]], pa.Table]] = {}
    _most = 3000

    def __init__(self, source: Any, *, filesystem: pafs.FileSystem | None = None) -> None:
        with source if filesystem is None else filesystem.open_input_file(source) as file:
            self._data = file.read()
        if len(self._files) > self._most:
            self._files.clear()
        if self._data not in self._files:
            self._files[self._data] = pq.ParquetFile(io.BytesIO(self._data))

    def __enter__(self) -> RememberedFile:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files[self._data], name)

    def read(self, columns: Sequence[str] = ()) -> pa.Table:
        key = (self._data, tuple(columns))
        if len(self._tables) > self._most:
            self._tables.clear()
        if key not in self._tables:
            self._tables[key] = self._files[self._data].read(columns=list(columns) or None)
        return self._tables[key]


def remembering(work: Callable[[pa.Table], Any]) -> Callable[[pa.Table], Any]:
    """What follows from a table alone is not worked out again for the same table."""
    known: dict[int, tuple[pa.Table, Any]] = {}

    def remembered(table: pa.Table) -> Any:
        if len(known) > RememberedFile._most:
            known.clear()
        if id(table) not in known:
            known[id(table)] = (table, work(table))  # kept, so that its id stays its own
        return known[id(table)][1]

    return remembered


_ANSWERS = remembering(history._answers)


class InTurn:
    """A pool of threads that has none: what is submitted is done at once."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [work(item) for item in items]

    def submit(self, work: Callable[[Any], Any], item: Any) -> SimpleNamespace:
        answer = work(item)
        return SimpleNamespace(result=lambda: answer)


class World:
    """A dataset, its manifest, and everybody who works on it."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: str | None, counts: Counter[str]) -> None:
        """Put the real code on a storage with faults.

        Args:
            patch: to be undone when the sequence is over.
            folder: a local one, empty; None: an object store in memory.
            counts: what has happened so far, in all sequences.
        """
        self.counts = counts
        self.board = Switchboard()
        self.is_local = folder is not None
        self.memory = Memory(between_pages=partial(self.board.request, lambda: None))
        self.output = f"{folder}/dataset" if folder else "s3://shop/dataset"
        self.model = Model(self.output)
        self.manifest: dict[str, int] = dict.fromkeys(NAMES[:4], 0)
        """Versions of the photographs, by sample."""
        self.stopped: list[Actor] = []
        self.tasks: list[Task] = []
        """Blocks that workers have or had in hand."""
        self.is_kind = False
        """Whether every row gets a picture and no block is lost or written twice from now on."""
        self._patch_all(patch)

    # --- what people do ---------------------------------------------------------------------

    def act(
        self,
        name: str,
        work: Callable[[], Any],
        *,
        seed: int = 0,
        faults: Mapping[int, Fault] | None = None,
        skew_s: float = 0.0,
    ) -> Actor:
        """Let somebody do something; if stopped on the way, `stopped` has them."""
        made = Actor(
            name,
            work,
            board=self.board,
            faults=faults or {},
            dice=random.Random(seed),
            skew_s=skew_s,
        )
        made.older = frozenset(self.model.run_ids)
        self.go_on(made)
        return made

    def go_on(self, actor: Actor) -> None:
        """Let one work until the next stop, or the end."""
        if actor in self.stopped:
            self.stopped.remove(actor)
        if not actor.go_on():
            self.stopped.append(actor)

    def drive(self, config: RunConfig) -> Any:
        """What a driver does: the real flow of a run."""
        return flow.run(config, on_progress=lambda *_: None)

    def config(self, recipe: str, **options: Any) -> RunConfig:
        """A request for the whole manifest."""
        return RunConfig(
            recipe=TinyRecipe(recipe),  # type: ignore[arg-type]
            manifest="/manifest.parquet",
            output=self.output,
            **options,
        )

    def samples(self, recipe: str) -> Samples:
        """What a run of the whole manifest would make now."""
        return tuple(
            (name, f"{name}-{recipe}-{version}".ljust(32, "0"))
            for name, version in self.manifest.items()
        )

    def pass_time(self, seconds: float) -> None:
        """Let time pass for all; the hearts of drivers that are slow, not stopped, beat on."""
        hearts = [actor.lease for actor in self.stopped if actor.lease is not None]
        end_s = self.memory.now_s + seconds
        while hearts and self.memory.now_s + BEAT_S < end_s:
            self.memory.now_s += BEAT_S
            hearts = [heart for heart in hearts if heart.beat()]
        self.memory.now_s = end_s

    def now(self, _: Any = None) -> datetime:
        """The time by the clock of whoever asks."""
        skew_s = 0.0 if self.board.current is None else self.board.current.skew_s
        return EPOCH + timedelta(seconds=self.memory.now_s + skew_s)

    def write_torn(self, task: Task, which: int) -> None:
        """Leave the first half of a result file under a name of its own."""
        sink = io.BytesIO()
        pq.write_table(finished(task.planned, random.Random(which)), sink)
        data = sink.getvalue()
        uri = storage.join(task.writer.run_uri, "results", f"part-{which:x}.parquet")
        storage.write(uri, data[: len(data) // 2])

    # --- the storage ------------------------------------------------------------------------

    def _place(self, uri: str) -> Any:
        return _Place(self, Files() if self.is_local else self.memory)

    def arrow_filesystem(self, uri: str) -> tuple[pafs.FileSystem, str]:
        is_cut = self.board.request(lambda: None, is_read=True) is Fault.CUT_SHORT
        if self.is_local and not is_cut:
            return pafs.LocalFileSystem(), uri
        return pafs.PyFileSystem(ArrowReader(self.model.objects, is_cut=is_cut)), uri

    def changed(self, uri: str, data: bytes | None) -> None:
        """Tell the model of a change."""
        actor = self.board.current
        asked, older = ((), frozenset()) if actor is None else (actor.asked, actor.older)
        self.model.changed(uri, data, asked=asked, older=older)

    # --- in place of a cluster ----------------------------------------------------------------

    def execute(
        self,
        units: Sequence[Any],
        read: Callable[[Any], pa.Table],
        _stages: Any,
        write: ResultWriter,
        **_: Any,
    ) -> Iterator[str]:
        """Blocks are written in any order; some get lost, some are written twice."""
        dice = self._actor.dice
        tasks = [Task(write, read(unit)) for unit in units]
        dice.shuffle(tasks)
        self.tasks = [*self.tasks, *tasks][-_MOST_TASKS:]
        for task in tasks:
            fate = 0.5 if self.is_kind else dice.random()
            if fate < 0.1:
                continue  # lost with its worker
            yield task.write(dice, is_kind=self.is_kind)
            if fate > 0.9:
                task.write(dice)  # by another worker, for the receipt of the first was lost

    @property
    def _actor(self) -> Actor:
        assert self.board.current is not None
        return self.board.current

    def _acquire(self, run_uri: str, *, owner: str, ttl_s: float) -> Lease:
        actor = self._actor
        # A clock that counts from when the machine was started: it says nothing of the date.
        actor.lease = DriversLease.acquire(
            run_uri, owner=owner, ttl_s=ttl_s, clock=lambda: self.memory.now_s + actor.skew_s
        )
        actor.lease.driver = actor
        return actor.lease

    def _prepare(self, config: RunConfig) -> tuple[TinyPlanner, Request]:
        recipe = config.recipe
        samples = self.samples(recipe.name)
        if config.origin is not None:
            chosen = set(config.manifest.split(","))
            samples = tuple(sample for sample in samples if sample[0] in chosen)
        self._actor.asked = samples
        asked = Request(
            manifest=config.manifest,
            where=None,
            limit=None,
            config_hash=recipe.config_hash,
            only_changed=config.only_changed,
        )
        return TinyPlanner(samples), asked

    def _patch_all(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(verbs, "_place", self._place)
        patch.setattr(storage, "arrow_filesystem", self.arrow_filesystem)
        patch.setattr(lease, "S3", lambda *_, **__: _Requests(self))
        patch.setattr(lease, "connection", lambda: SimpleNamespace(run=_run))
        patch.setattr(lease, "threading", SimpleNamespace(Event=threading.Event, Thread=_Idle))
        patch.setattr(results, "ThreadPoolExecutor", InTurn)
        patch.setattr(history, "ThreadPoolExecutor", InTurn)
        files = SimpleNamespace(ParquetFile=RememberedFile, write_table=pq.write_table)
        for module in (history, ledger, reconcile, results, verify):
            patch.setattr(module, "pq", files)
        patch.setattr(history, "_answers", _ANSWERS)
        for module in (history, ledger, reconcile, verify):
            patch.setattr(module, "query", Statements(self.counts).query)
        patch.setattr(flow, "prepare", self._prepare)
        patch.setattr(flow, "stages", lambda *_: [])
        patch.setattr(flow, "Lease", SimpleNamespace(acquire=self._acquire))
        patch.setattr(session, "execute", self.execute)
        patch.setattr(session, "check_capacity", lambda _: None)
        patch.setattr(session, "block_rows", lambda _: self._actor.dice.choice([1, 2, 3]))
        patch.setattr(ledger, "ROWS_PER_FILE", ROWS_PER_PLAN_FILE)
        patch.setattr(ledger, "datetime", SimpleNamespace(now=self.now))
        for module in (flow, report, request, session):
            patch.setattr(module, "now", self.now)


class DriversLease(Lease):
    """A lease whose heart beats when the time of the test passes, and dies with its driver."""

    driver: Actor

    def beat(self) -> bool:
        """Beat once, as long as the driver lives; one that is wholly stopped does not.

        Returns:
            Whether it beats on.
        """
        if self.driver.is_stopped_wholly or self._ended.is_set():
            return False
        self._renew()
        return not self.lost.is_set()

    def release(self) -> None:
        if not self.driver.is_killed:
            super().release()
        elif isinstance(self._claim, _FileClaim):
            os.close(self._claim._descriptor)  # as the kernel does


class _Place:
    """The verbs of a place, each of them a request that something may happen to."""

    def __init__(self, world: World, inner: Any) -> None:
        self._world = world
        self._inner = inner

    def write(self, uri: str, data: bytes, *, content_type: str | None) -> int:
        return int(self._change("write", uri, data, content_type=content_type))

    def create(self, uri: str, data: bytes, *, content_type: str | None) -> bool:
        return bool(self._change("create", uri, data, content_type=content_type))

    def remove(self, uri: str) -> None:
        self._change("remove", uri)

    def _change(self, verb: str, uri: str, data: bytes | None = None, **options: Any) -> Any:
        def change() -> Any:
            given = () if data is None else (data,)
            answer = getattr(self._inner, verb)(uri, *given, **options)
            if answer is not False:
                self._world.changed(uri, data)
            return answer

        return self._world.board.request(change, is_change=True)

    def __getattr__(self, verb: str) -> Any:
        work = getattr(self._inner, verb)
        return lambda *args, **options: self._world.board.request(partial(work, *args, **options))


class _Requests:
    """The requests that a lease makes of an object store."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, uri: str) -> Any:
        return self._world.board.request(partial(self._world.memory.get, uri))

    async def put(
        self, uri: str, data: bytes, *, if_match: str | None, if_absent: bool, **_: Any
    ) -> Any:
        put = partial(self._world.memory.put, uri, data, if_match=if_match, if_absent=if_absent)
        return self._world.board.request(put, is_change=True), 0

    async def delete(self, uri: str) -> None:
        self._world.board.request(partial(self._world.memory.remove, uri), is_change=True)


def _run(work: Any) -> Any:
    """Do what waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class _Idle:
    """A thread that never begins: hearts beat when time passes."""

    def __init__(self, **_: Any) -> None: ...

    def start(self) -> None: ...

    def join(self) -> None: ...
