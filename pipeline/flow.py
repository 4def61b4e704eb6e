"""The main flow, on one screen: what is asked for, the stages it goes through, and the run.

manifest --plan--> rows --fetch--> matte --> prompt --> render --> store --write--> dataset
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from pipeline.execution import block_rows, check_capacity, execute
from pipeline.history import settled
from pipeline.ledger import (
    Ledger,
    Origin,
    Request,
    find_run_id,
    nightly_run_id,
    open_ledger,
    read_unit,
    run_uri,
    start_ledger,
)
from pipeline.manifest import Manifest, open_manifest
from pipeline.placement import check_apart, check_writable
from pipeline.plan import ROWS_PER_FILE, Planner
from pipeline.recipe import Recipe
from pipeline.reconcile import deduplicate
from pipeline.report import Report, exceeded, now
from pipeline.results import Committed, ResultWriter, Tally, read_receipt
from pipeline.stage import Stage
from pipeline.stages.fetch import fetch
from pipeline.stages.matte import matte
from pipeline.stages.prompt import prompt
from pipeline.stages.render import render
from pipeline.stages.store import store
from pipeline.storage import Lease, scheme_of

_LEASE_TTL_S = 60.0
"""Without a sign of life for so long, a driver counts as dead and another may take over its run."""
_ROUNDS = 3
"""Times the results are held against the plan before rows that keep vanishing are a failure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything that a run depends on."""

    recipe: Recipe
    manifest: str
    output: str
    where: str | None = None
    limit: int | None = None
    run_id: str | None = None
    """None: go on with the unfinished run of the same request, or start a new one."""
    only_changed: bool = False
    """Leave out the rows that earlier runs under the same output have settled."""
    origin: Origin | None = None
    """Of a re-processing run: the earlier runs that its manifest was selected from."""


def stages(recipe: Recipe, manifest: Manifest, run_uri: str) -> list[Stage]:
    """The product: what happens to a row, in order."""
    pools = recipe.resources
    local_root = manifest.root if scheme_of(manifest.root) == "file" else None
    listed = [
        fetch(recipe.fetch, pools.fetch, local_root=local_root),
        matte(recipe.matte, pools.matte, limits=recipe.input),
        prompt(recipe.prompt, pools.prompt),
        render(recipe.render, pools.render, limits=recipe.input),
    ]
    if recipe.output.image_objects:
        format_ = recipe.render.format
        listed.append(store(recipe.output, pools.store, run_uri=run_uri, format=format_))
    return listed


def prepare(config: RunConfig) -> tuple[Planner, Request]:
    """Check what is asked for, reading the manifest's ids and leaving nothing behind.

    Raises:
        ValueError: one line naming the field and the fix.
    """
    manifest = open_manifest(config.manifest, where=config.where, limit=config.limit)
    check_apart(config.output, manifest.uri)
    check_writable(config.output)
    if config.origin is not None:
        manifest = replace(manifest, root=config.origin.image_root)
    planner = Planner(recipe=config.recipe, manifest=manifest)
    planner.check()
    return planner, Request(
        manifest=manifest.uri,
        where=config.where,
        limit=config.limit,
        config_hash=config.recipe.config_hash,
        only_changed=config.only_changed,
    )


def find_run(config: RunConfig, request: Request) -> tuple[str, Ledger | None]:
    """Where the run is or will be, and its ledger if it was started before.

    Raises:
        ValueError: the run id belongs to another request.
    """
    name = config.recipe.name
    if config.only_changed:
        run_id = config.run_id or nightly_run_id(request, name, now())
    else:
        run_id = config.run_id or find_run_id(config.output, request, name, now())
    uri = run_uri(config.output, run_id)
    return uri, open_ledger(uri, request=request)


def run(
    config: RunConfig,
    *,
    on_progress: Callable[[Tally, int], None],
    connect: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Report:
    """Do what is left of a run, and finish it.

    Args:
        config: what is asked for.
        on_progress: called with the tally so far and the number of planned rows.
        connect: connects Ray for the length of a block, if there is anything to do.

    Raises:
        ValueError: a request that cannot be carried out.
        FatalError: no row can be finished; what is done stays done.
    """
    started_at, recipe = now(), config.recipe
    planner, request = prepare(config)
    uri, _ = find_run(config, request)
    todo = stages(recipe, planner.manifest, uri)
    columns = planner.plan_schema.names
    with Lease.acquire(uri, owner=f"backlot {recipe.name}", ttl_s=_LEASE_TTL_S) as lease:
        ledger = open_ledger(uri, request=request)
        if ledger is None:
            known = settled(config.output) if config.only_changed else None
            ledger = start_ledger(
                uri,
                request=request,
                recipe=recipe,
                planner=planner,
                origin=config.origin,
                settled=known,
            )
        committed = ledger.committed()
        num_before = sum(file.tally.rows for file in committed)
        if ledger.pending(committed, ROWS_PER_FILE):
            with connect():  # only now: on many nights there is nothing to do
                check_capacity(todo)
                for _ in range(_ROUNDS):
                    if not work_off(ledger, committed, todo, recipe, columns, on_progress, lease):
                        break
                    committed = ledger.committed()
        lease.check()
        return finish(ledger, recipe, request.manifest, started_at, num_before=num_before)


def work_off(
    ledger: Ledger,
    committed: Sequence[Committed],
    todo: Sequence[Stage],
    recipe: Recipe,
    columns: Sequence[str],
    on_progress: Callable[[Tally, int], None],
    lease: Lease,
) -> bool:
    """Take what is pending through the stages; returns whether it is worth looking again.

    The committed results are the truth: rows that got lost on the way are pending once more.
    """
    total = sum((file.tally for file in committed), Tally())
    rows_per_block = block_rows(ledger.num_planned - total.rows)
    pending = ledger.pending(committed, rows_per_block)
    if not pending:
        return False
    receipts = execute(
        pending,
        partial(read_unit, ledger.uri),
        todo,
        ResultWriter(ledger.uri, ledger.run_id, recipe),
        columns=columns,
        most_rows=rows_per_block,
        max_strikes=recipe.budget.max_strikes,
    )
    for receipt in receipts:
        total += read_receipt(receipt)
        on_progress(total, ledger.num_planned)
        lease.check()
        if exceeded(total, recipe.budget, ledger.num_planned):
            return False  # what is done stays done: the same command goes on from here
    return True


def finish(
    ledger: Ledger, recipe: Recipe, manifest: str, started_at: datetime, *, num_before: int
) -> Report:
    """Count the committed results against the plan; if they agree, the run is done."""
    committed = ledger.committed()
    if deduplicate(ledger.uri, committed):
        committed = ledger.committed()
    report = Report(
        run_id=ledger.run_id,
        run_uri=ledger.uri,
        recipe=recipe.name,
        config_hash=recipe.config_hash,
        manifest=manifest,
        started_at=started_at,
        finished_at=now(),
        num_planned=ledger.num_planned,
        num_unchanged=ledger.num_unchanged,
        num_done_before=num_before,
        total=sum((file.tally for file in committed), Tally()),
        budget=recipe.budget,
        discrepancies=ledger.discrepancies(committed),
    )
    ledger.write_json("report.json", report.as_dict())
    if report.complete:
        ledger.succeed(committed)
    return report
