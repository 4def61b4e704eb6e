"""A request: what somebody wants run, checked against its manifest before anything is written."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.planning.untrusted import described, reason
from pipeline.processes.activity import doing
from pipeline.recipe import Recipe
from pipeline.runs.clock import now
from pipeline.runs.earlier_runs import held_columns, settled
from pipeline.runs.identity import Request, identify, run_id_of, run_uri
from pipeline.runs.output_checks import check_apart, check_named, check_writable
from pipeline.runs.past_runs import first_sources, past_runs, source_named
from pipeline.runs.report import Outcome
from pipeline.runs.run_folder import Ledger, Origin, open_ledger
from pipeline.runs.seen_photographs import SeenBefore
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
    """The origin of a re-processing run: the earlier runs that its manifest was selected from."""
    taken_from: str | None = None
    """The manifest that the rows of a re-processing run were taken from; None: as its parents say.
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
    """The whole addresses of what a re-processing run's manifest has withheld.

    Raises:
        ValueError: one of those cannot be read any more.
    """
    wanted = set(planner.withheld())
    if not wanted:
        return {}
    runs = past_runs(config.output)
    if config.taken_from is None:
        sources = first_sources(origin.parent, {run.run_id: run for run in runs})
    else:
        sources = {source_named(config.taken_from, runs)}
    whole = dict[str, str]()
    for uri, reading in sources:
        manifest = open_manifest(uri, reading=reading)
        addresses = Planner(recipe=config.recipe, manifest=manifest).addresses()
        whole |= {kept: address for kept, address in addresses if kept in wanted}
    return whole


@dataclass(frozen=True, kw_only=True, slots=True)
class MeantRun:
    """The run that a request means."""

    uri: str
    """Where it is, or will be."""
    ledger: Ledger | None
    """The ledger of the run, if it was started before."""
    before: str | None
    """Where the finished run of the same request is that a new one comes after."""
    has_others: bool
    """Whether there are runs under the same output that are not meant."""
    outcome: Outcome
    """The outcome of the run, if it is finished. `unchanged` where what it was made from was looked
    at."""


@doing("looking for earlier runs of the request")
def find_run(config: RunConfig, request: Request, planner: Planner) -> MeantRun:
    """The unfinished run of the same request, so that the same command goes on, or a new one.

    A finished `run` is meant once more as long as nothing that it was made from has changed: who
    repeats a command, as schedulers do, has not asked for all pictures anew. `again` asks for it.

    Raises:
        ValueError: the run id belongs to another request.
    """
    meant = identify(
        config.output,
        request,
        config.recipe.name,
        clock=now,
        is_unchanged=lambda run_id: _nothing_changed(config, run_id, planner),
        run_id=config.run_id,
        again=config.again,
    )
    uri, before = run_uri(config.output, meant.run_id), meant.comes_after
    return MeantRun(
        uri=uri,
        ledger=open_ledger(uri, request=request),
        before=None if before is None else run_uri(config.output, before),
        has_others=meant.has_others,
        outcome="unchanged" if meant.is_unchanged else "finished",
    )


def announce(config: RunConfig, meant: MeantRun, ledger: Ledger) -> None:
    """Say what those may not expect who give the command, or have given the same one before."""
    if config.why_untrusted is not None:
        logger.info("%s", described(config.recipe, config.why_untrusted))
    if config.only_changed and meant.ledger is not None and not ledger.is_finished():
        logger.info(
            "run %s goes on as it was planned; what has changed since then, the next "
            "'backlot nightly' makes",
            ledger.run_id,
        )
    elif not config.only_changed and meant.before is not None:
        logger.info(
            "run %s of the same request is finished: all %d rows are made again, as run %s. "
            "'backlot nightly' makes only what has changed; 'backlot current' shows the newest "
            "picture of each, a pattern run_id=* reads both runs",
            run_id_of(meant.before),
            ledger.num_planned,
            ledger.run_id,
        )
    elif meant.has_others and meant.ledger is None:
        logger.info(
            "there are other runs under %s: 'backlot current' shows the newest picture of each "
            "row, a pattern run_id=* reads all of them",
            config.output,
        )


@doing("looking for what has changed since the finished run")
def _nothing_changed(config: RunConfig, finished: str, planner: Planner) -> bool:
    """Whether every row would come out as it did, by its photograph, words, seed and recipe."""
    untrusted = config.why_untrusted is not None
    known = settled(config.output, whatever_of=finished, untrusted=untrusted)
    return all(known.holds(table).all() for table in planner.tables())
