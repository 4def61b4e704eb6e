"""The rules: what may happen to a dataset, in any order."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pipeline.runs.earlier_runs import current, latest
from pipeline.runs.report import Report
from pipeline.runs.run_folder import Origin
from pipeline.runs.verify import verify
from tests.unit.conservation.actors import AT_CHANGE, AT_READ, WHERE, Actor, Fault
from tests.unit.conservation.world import NAMES, World

_SEEDS = st.integers(0, 2**16)
_SKEWS = st.sampled_from([0.0, 0.0, -3600.0, 5400.0])
_WHERE = st.one_of(
    *(st.integers(first, first + WHERE[first]) for first in (0, AT_CHANGE, AT_CHANGE, AT_READ))
)
_FAULTS = st.just({}) | st.dictionaries(
    _WHERE, st.sampled_from(list(Fault)), min_size=1, max_size=2
)
_RECIPES = st.sampled_from(["oak", "oak", "oak", "sand"])
TTL_S = 62.0
"""After so long without a sign of life, a run is free."""
_PAUSES = st.sampled_from([0.0, TTL_S, TTL_S, 900.0, 90_000.0])
"""Seconds that pass before somebody comes."""

COUNTS: Counter[str] = Counter()
"""Sequences, steps, requests, faults by kind and actions by name, of all machines so far."""


def every(times: int) -> Callable[[Any], Any]:
    """A rule for what is rare: possible at every so manieth step only."""
    return precondition(lambda machine: machine.num_steps % times == times - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """Somebody comes."""

    seed: int = 0
    """Decides what is chance in their work."""
    after_s: float = 0.0
    """How long nobody came."""
    faults: Mapping[int, Fault] = field(default_factory=dict)
    """What happens to them, as an `Actor` has it."""
    skew_s: float = 0.0
    """How far their clock is ahead."""

    def __str__(self) -> str:
        faults = {n: str(fault) for n, fault in self.faults.items()}
        return f"{self.after_s:.0f} s later, {faults}, skew {self.skew_s:.0f} s"


_VISITS = st.builds(Visit, seed=_SEEDS, after_s=_PAUSES, faults=_FAULTS, skew_s=_SKEWS)


class Conservation(RuleBasedStateMachine):
    """A dataset on an object store."""

    is_local = False

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._folder = tempfile.mkdtemp(prefix="conservation-") if self.is_local else None
        self.world = World(self._patch, self._folder, COUNTS)
        self.num_steps = 0
        self._num_reprocessed = 0

    # --- drivers ------------------------------------------------------------------------------

    @rule(recipe=_RECIPES, visit=_VISITS, again=st.booleans())
    def run(self, recipe: str, visit: Visit, again: bool) -> None:
        self._drive("run", self.world.config(recipe, again=again), visit)

    @rule(recipe=_RECIPES, visit=_VISITS)
    def nightly(self, recipe: str, visit: Visit) -> None:
        self._drive("nightly", self.world.config(recipe, only_changed=True), visit)

    @every(4)
    @rule(recipe=_RECIPES, visit=_VISITS)
    def reprocess(self, recipe: str, visit: Visit) -> None:
        """Make some rows anew, as somebody chose them."""
        view = latest(self.world.output)
        there = [id_ for id_ in view["sample_id"].to_pylist() if id_ in self.world.manifest]
        chosen = sorted(random.Random(visit.seed).sample(there, len(there) // 2))
        if not chosen:
            self._did("reprocess nothing")
            return
        self._num_reprocessed += 1
        config = replace(
            self.world.config(recipe, run_id=f"again-{self._num_reprocessed}"),
            manifest=",".join(chosen),
            origin=Origin(parent=("some",), condition="some", image_root="/images"),
        )
        self._drive("reprocess", config, visit)

    @rule(
        recipe=_RECIPES,
        change=st.integers(0, WHERE[AT_CHANGE]),
        stop=st.sampled_from([Fault.STOPPED_BEFORE, Fault.STOPPED_AFTER]),
        visit=_VISITS,
    )
    def overtake(self, recipe: str, change: int, stop: Fault, visit: Visit) -> None:
        """A driver is stopped past its lease, another does the same, and the first goes on."""
        config = self.world.config(recipe, only_changed=bool(visit.seed % 2))
        slow = replace(visit, faults={AT_CHANGE + change: stop}, seed=visit.seed + 1, skew_s=0.0)
        first = self._drive("slow", config, slow)
        first.is_stopped_wholly = True
        self._drive("fast", config, replace(visit, after_s=TTL_S))
        if not first.is_over:
            self._resume(first)

    @precondition(lambda machine: machine.world.stopped)
    @rule(which=_SEEDS)
    def resume(self, which: int) -> None:
        """One that was stopped goes on."""
        self._resume(self.world.stopped[which % len(self.world.stopped)])

    @precondition(lambda machine: machine.world.stopped)
    @rule(which=_SEEDS)
    def kill(self, which: int) -> None:
        """One that was stopped is killed."""
        actor = self.world.stopped.pop(which % len(self.world.stopped))
        self._did(f"kill {actor.name}")
        actor.kill()

    # --- workers ------------------------------------------------------------------------------

    @precondition(lambda machine: machine.world.tasks)
    @rule(which=_SEEDS, visit=_VISITS)
    def write_late(self, which: int, visit: Visit) -> None:
        """A worker writes a block whose driver is gone, or has long given it up."""
        task = self.world.tasks[which % len(self.world.tasks)]
        dice = random.Random(visit.seed)
        self._act("write late", lambda: task.write(dice), visit)

    @every(6)
    @precondition(lambda machine: machine.world.tasks)
    @rule(which=_SEEDS)
    def write_torn(self, which: int) -> None:
        """Power fails while a block is written that nobody has been told of."""
        self._did("write torn")
        task = self.world.tasks[which % len(self.world.tasks)]
        self.world.write_torn(task, which)

    # --- everything else ----------------------------------------------------------------------

    @every(3)
    @rule(which=_SEEDS)
    def change_manifest(self, which: int) -> None:
        """A photograph is new, replaced, or gone."""
        manifest = self.world.manifest
        name = NAMES[which % len(NAMES)]
        self._did(f"change {name!r}")
        if name in manifest and which % 3 == 0 and len(manifest) > 2:
            del manifest[name]
        else:
            manifest[name] = manifest.get(name, 0) + 1

    @every(2)
    @rule(visit=_VISITS)
    def read_current(self, visit: Visit) -> None:
        """A reader takes the merged view."""
        before = set(self.world.model.newest())
        # Half a file is as good as none where nobody looks twice: a reader is told then.
        faults = {n: fault for n, fault in visit.faults.items() if fault is not Fault.CUT_SHORT}
        work = lambda: (before, current(self.world.output))  # noqa: E731
        self._act("read current", work, replace(visit, faults=faults))

    # --- how ----------------------------------------------------------------------------------

    def _drive(self, name: str, config: Any, visit: Visit) -> Actor:
        return self._act(f"{name} {config.recipe.name}", lambda: self.world.drive(config), visit)

    def _resume(self, actor: Actor) -> None:
        self._did(f"resume {actor.name}")
        self.world.go_on(actor)
        self._ended(actor)

    def _act(self, name: str, work: Callable[[], Any], visit: Visit) -> Actor:
        self._did(name, f"{visit}")
        self.world.pass_time(visit.after_s)
        actor = self.world.act(
            name, work, seed=visit.seed, faults=visit.faults, skew_s=visit.skew_s
        )
        self._ended(actor)
        return actor

    def _did(self, what: str, how: str = "") -> None:
        self.num_steps += 1
        COUNTS["steps"] += 1
        COUNTS[what.partition(" ")[0]] += 1
        note(f"{self.num_steps}. {what} {how}")

    def _ended(self, actor: Actor) -> None:
        note(f"   -> {self._fate(actor)}")
        if actor.is_killed or not actor.is_over:
            return
        if actor.error is not None:
            COUNTS["errors"] += 1
            refused = "is working on this run" in f"{actor.error}"
            COUNTS["refused"] += refused
            assert actor.met or refused, f"an error without a cause: {actor.error!r}"
            return
        if isinstance(actor.answer, Report) and actor.answer.outcome in ("idle", "unchanged"):
            COUNTS[actor.answer.outcome] += 1
            shown = {row.sample_id for _, row in self.world.model.shown()}
            assert {id_ for id_, _ in actor.asked} <= shown, "nothing to do, and a row is not shown"
        if actor.name == "read current":
            before, view = actor.answer
            assert before <= set(view["sample_id"].to_pylist()), "a reader misses what was shown"
            if not actor.has_stopped:
                self._compare(view)

    def _fate(self, actor: Actor) -> str:
        if actor.is_killed:
            return "killed"
        if not actor.is_over:
            return f"stopped at request {actor.num_requests - 1}"
        answer = actor.error if actor.error is not None else actor.answer
        if isinstance(answer, Report):
            answer = f"{answer.run_id}: {answer.total.rows} rows, {dict(answer.discrepancies)}"
        return f"{answer}"[:200]

    # --- the end ------------------------------------------------------------------------------

    def teardown(self) -> None:
        """One clean run, and everything is there once; also after the last of the stopped is."""
        try:
            self._end()
        finally:
            for actor in list(self.world.stopped):
                actor.kill()
            COUNTS["requests"] += self.world.board.num_requests
            COUNTS.update(self.world.board.faults)
            self._patch.undo()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self) -> None:
        world = self.world
        while self.is_local and world.stopped:  # the lock of one that is stopped is never free
            self.kill(0)
        for actor in world.stopped:
            actor.is_stopped_wholly = True
        self._compare(current(world.output))
        self._clean()
        if world.stopped:
            while world.stopped:
                self.resume(0)
            self._clean()
        self._compare(current(world.output))
        COUNTS["sequences"] += 1

    def _clean(self) -> None:
        """Run with no faults, and find every row."""
        world = self.world
        world.is_kind = True
        config = world.config("oak", only_changed=bool(self.num_steps % 2))
        kind = "nightly" if config.only_changed else "run"
        visit = Visit(after_s=90_000.0)
        actor = self._act(f"{kind} cleanly", lambda: world.drive(config), visit)
        assert actor.error is None, actor.error
        report = actor.answer
        assert report.complete, report.discrepancies
        verdict = verify(report.run_uri)
        assert not verdict.findings, verdict.findings
        assert not world.model.left_over(report.run_uri), "second copies lie beside what counts"

    def _compare(self, view: pa.Table) -> None:
        """What the code shows to readers is what the model says."""
        shown = dict(zip(view["sample_id"].to_pylist(), view["run_id"].to_pylist(), strict=True))
        may = self.world.model.newest()
        assert shown.keys() == may.keys(), "readers are shown other samples than there are"
        wrong = {id_: (run, may[id_]) for id_, run in shown.items() if run not in may[id_]}
        assert not wrong, "not the newest picture is shown"
