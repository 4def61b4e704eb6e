"""A request: what somebody wants run, checked against its manifest before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import storage
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.planning.untrusted import reason, told
from pipeline.processes.activity import doing
from pipeline.recipe import Recipe
from pipeline.runs.earlier_runs import PastRun, SeenBefore, held_columns, past_runs, settled
from pipeline.runs.output_checks import check_apart, check_named, check_writable
from pipeline.runs.report import Outcome, now
from pipeline.runs.reselect import Source, source_named
from pipeline.runs.run_folder import Ledger, Origin, Request, open_ledger, run_uri
from pipeline.runs.run_ids import Begun, begun_of, find_nightly_run_id, fresh_run_id, nightly_run_id
from pipeline.tables import AS_IT_IS, Reading

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything that a run depends on."""

    recipe: Recipe
    manifest: str
    output: str
    where: str | None = None
    limit: int | None = None
    reading: Reading = AS_IT_IS
    run_id: str | None = None
    """None: go on with the unfinished run of the same request, or start a new one."""
    again: bool = False
    """Make all rows anew though a run of the same request is finished and nothing has changed."""
    assume_single_driver: bool = False
    """Whoever asks sees to it that no other driver works on the run: on an object store, its lease
    does without conditional writes."""
    only_changed: bool = False
    """Leave out the rows that earlier runs under the same output have settled."""
    origin: Origin | None = None
    """Of a re-processing run: the earlier runs that its manifest was selected from."""
    taken_from: str | None = None
    """Of a re-processing run: the manifest that its rows were taken from; None: as its parents say.
    It has the whole addresses of those that the dataset keeps without their queries."""
    untrusted: bool | None = None
    """Whether rows are held to the strictest limits; None: as `untrusted.reason` has it."""

    @property
    def why_untrusted(self) -> str | None:
        """Why rows are held to the strictest limits; None: they are not."""
        if self.untrusted is not None:
            return "as asked" if self.untrusted else None
        place = self.manifest if self.origin is None else self.origin.image_root
        return reason(place, self.output)


@doing("checking the request")
def prepare(config: RunConfig) -> tuple[Planner, Request]:
    """Check what is asked for, reading the manifest's ids and leaving nothing behind.

    Raises:
        ValueError: one line naming the field and the fix.
    """
    check_named(config.output)
    manifest = open_manifest(
        config.manifest, where=config.where, limit=config.limit, reading=config.reading
    )
    check_apart(config.output, manifest.uri)
    check_writable(config.output)
    if config.origin is not None:
        manifest = replace(manifest, root=config.origin.image_root)
    held = held_columns(config.output, config.recipe.keep)
    untrusted = config.why_untrusted is not None
    planner = Planner(
        recipe=config.recipe,
        manifest=manifest,
        held=held,
        seen_before=SeenBefore(config.output),
        untrusted=untrusted,
    )
    if config.origin is not None:
        planner = replace(planner, whole=_whole_addresses(config, config.origin, planner))
    planner.check()
    return planner, Request(
        manifest=manifest.uri,
        where=config.where,
        limit=config.limit,
        config_hash=config.recipe.config_hash,
        only_changed=config.only_changed,
        reading=config.reading.as_json(),
        untrusted=untrusted,
    )


def _whole_addresses(config: RunConfig, origin: Origin, planner: Planner) -> dict[str, str]:
    """Of what a re-processing run's manifest has withheld, from those that its rows come from.

    Raises:
        ValueError: one of those cannot be read any more.
    """
    wanted = set(planner.withheld())
    if not wanted:
        return {}
    runs = past_runs(config.output)
    if config.taken_from is None:
        sources = _first_manifests(origin.parent, {run.run_id: run for run in runs})
    else:
        sources = {source_named(config.taken_from, runs)}
    found = dict[str, str]()
    for uri, reading in sources:
        manifest = open_manifest(uri, reading=reading)
        there = Planner(recipe=config.recipe, manifest=manifest).addresses()
        found |= {kept: whole for kept, whole in there if kept in wanted}
    return found


def _first_manifests(parents: Sequence[str], runs: Mapping[str, PastRun]) -> set[Source]:
    """Those that rows come from, which may have been made anew several times."""
    pending, seen, sources = list(parents), set[str](), set[Source]()
    while pending:
        run_id = pending.pop()
        if run_id in seen or run_id not in runs:
            continue
        seen.add(run_id)
        document = runs[run_id].document
        if document["parent"]:
            pending += document["parent"]
        else:
            asked = document["request"]
            sources.add((asked["manifest"], Reading.from_json(asked["reading"])))
    return sources


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Which run a request means."""

    uri: str
    """Where it is, or will be."""
    ledger: Ledger | None = None
    """If it was started before."""
    before: str | None = None
    """Where the finished run of the same request is that a new one comes after."""
    has_others: bool = False
    """Whether there are runs under the same output that are not meant."""
    outcome: Outcome = "finished"
    """If that run is finished. `unchanged` where what it was made from was looked at."""


@doing("looking for earlier runs of the request")
def find_run(config: RunConfig, request: Request, planner: Planner) -> Found:
    """The unfinished run of the same request, so that the same command goes on, or a new one.

    A finished `run` is meant once more as long as nothing that it was made from has changed: who
    repeats a command, as schedulers do, has not asked for all pictures anew. `again` asks for it.

    Raises:
        ValueError: the run id belongs to another request.
    """
    name, run_id = config.recipe.name, config.run_id
    if run_id is not None:
        return _found(config, request, run_id)
    if config.only_changed:
        day = nightly_run_id(request, name, now())
        run_id, before = find_nightly_run_id(config.output, day)
        return _found(config, request, run_id, before=before)
    finished = []
    for begun in begun_of(config.output, request):
        if not begun.is_finished:
            return _found(config, request, begun.run_id)
        finished.append(begun)
    newest = max(finished, key=lambda run: run.created_at, default=None)
    if newest is not None and not config.again and _nothing_changed(config, newest, planner):
        return replace(_found(config, request, newest.run_id), outcome="unchanged")
    before = None if newest is None else newest.run_id
    found = _found(config, request, fresh_run_id(name, now()), before=before)
    folders = storage.list_folders(storage.absolute(config.output))
    return replace(found, has_others=any("/run_id=" in folder for folder in folders))


def tell(config: RunConfig, found: Found, ledger: Ledger) -> None:
    """Say what those may not expect who give the command, or have given the same one before."""
    if config.why_untrusted is not None:
        logger.info("%s", told(config.recipe, config.why_untrusted))
    if config.only_changed and found.ledger is not None and not ledger.is_finished():
        logger.info(
            "run %s goes on as it was planned; what has changed since then, the next "
            "'backlot nightly' makes",
            ledger.run_id,
        )
    elif not config.only_changed and found.before is not None:
        logger.info(
            "run %s of the same request is finished: all %d rows are made again, as run %s. "
            "'backlot nightly' makes only what has changed; 'backlot current' shows the newest "
            "picture of each, a pattern run_id=* reads both runs",
            found.before.rpartition("/run_id=")[2],
            ledger.num_planned,
            ledger.run_id,
        )
    elif found.has_others and found.ledger is None:
        logger.info(
            "there are other runs under %s: 'backlot current' shows the newest picture of each "
            "row, a pattern run_id=* reads all of them",
            config.output,
        )


def _found(config: RunConfig, request: Request, run_id: str, before: str | None = None) -> Found:
    uri = run_uri(config.output, run_id)
    return Found(
        uri=uri,
        ledger=open_ledger(uri, request=request),
        before=None if before is None else run_uri(config.output, before),
    )


@doing("looking for what has changed since the finished run")
def _nothing_changed(config: RunConfig, finished: Begun, planner: Planner) -> bool:
    """Whether every row would come out as it did, by its photograph, words, seed and recipe."""
    untrusted = config.why_untrusted is not None
    known = settled(config.output, whatever_of=finished.run_id, untrusted=untrusted)
    return all(known.holds(table).all() for table in planner.tables())
