"""The world of a sequence: the real flow of a run on a storage with faults, without a cluster."""

from __future__ import annotations

import io
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from pipeline import flow, storage
from pipeline.runs import (
    conservation,
    driver,
    earlier_runs,
    reconcile,
    report,
    result_files,
    run_config,
    run_folder,
    stored_files,
)
from pipeline.runs.identity import Request
from pipeline.runs.result_files import ResultWriter
from pipeline.runs.run_config import RunConfig
from pipeline.storage import Lease, parallel, verbs
from pipeline.storage.leases import lease
from pipeline.storage.local_files import Files
from tests.unit.conservation.actors import Actor, Fault, Switchboard
from tests.unit.conservation.model import Model, Samples
from tests.unit.conservation.places import DriversLease, Place, Requests
from tests.unit.conservation.rows import (
    NAMES,
    ROWS_PER_PLAN_FILE,
    Task,
    TinyPlanner,
    TinyRecipe,
    finished,
)
from tests.unit.conservation.shortcuts import (
    Idle,
    InTurn,
    RememberedFile,
    answers,
    committed,
    repeated,
    without_waiting,
)
from tests.unit.conservation.statements import Statements
from tests.unit.conservation.store import EPOCH, ArrowReader, Memory

_MOST_TASKS = 12
BEAT_S = 20.0


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
        end_s = self.memory.now_s + seconds
        num_beats = int(seconds // BEAT_S)
        if num_beats:
            # Nobody looks in between, and the last beat tells as much as all of them.
            self.memory.now_s += num_beats * BEAT_S
            for actor in self.stopped:
                if actor.lease is not None:
                    actor.lease.beat()
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
        return Place(self, Files() if self.is_local else self.memory)

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

    def _acquire(self, run_uri: str, *, owner: str, ttl_s: float, is_exclusive: bool) -> Lease:
        actor = self._actor
        # A clock that counts from when the machine was started: it says nothing of the date.
        actor.lease = DriversLease.acquire(
            run_uri,
            owner=owner,
            ttl_s=ttl_s,
            is_exclusive=is_exclusive,
            clock=lambda: self.memory.now_s + actor.skew_s,
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
        patch.setattr(lease, "S3", lambda *_, **__: Requests(self))
        patch.setattr(lease, "connection", lambda: SimpleNamespace(run=without_waiting))
        parts = {"Event": threading.Event, "Lock": threading.Lock, "Thread": Idle}
        patch.setattr(lease, "threading", SimpleNamespace(**parts))
        patch.setattr(parallel, "ThreadPoolExecutor", InTurn)
        patch.setattr(stored_files, "pq", SimpleNamespace(ParquetFile=RememberedFile))
        patch.setattr(earlier_runs, "_answers", answers)
        patch.setattr(earlier_runs, "_repeated", repeated)
        patch.setattr(result_files, "_committed", committed)
        for module in (earlier_runs, conservation, reconcile):
            patch.setattr(module, "query", Statements(self.counts).query)
        patch.setattr(flow, "prepare", self._prepare)
        patch.setattr(flow, "stages", lambda *_, **__: [])
        patch.setattr(flow, "Lease", SimpleNamespace(acquire=self._acquire))
        patch.setattr(driver, "execute", self.execute)
        patch.setattr(driver, "check_capacity", lambda _: None)
        patch.setattr(driver, "block_rows", lambda _: self._actor.dice.choice([1, 2, 3]))
        patch.setattr(run_folder, "ROWS_PER_FILE", ROWS_PER_PLAN_FILE)
        for module in (flow, run_folder, report, run_config, driver):
            patch.setattr(module, "now", self.now)
