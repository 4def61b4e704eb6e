"""The main flow, on one screen: the stages a row goes through, and the run.

manifest --plan--> rows --fetch--> matte --> prompt --> render --> store --write--> dataset
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from pipeline.engine.stage import Stage
from pipeline.manifest.rows import Manifest
from pipeline.planning.planner import ROWS_PER_FILE
from pipeline.planning.untrusted import limited, refusing
from pipeline.recipe import Recipe
from pipeline.runs.clock import now
from pipeline.runs.driver import Session
from pipeline.runs.earlier_runs import settled
from pipeline.runs.output_checks import folders_as_before
from pipeline.runs.past_runs import newest_start
from pipeline.runs.report import Report, idle
from pipeline.runs.result_files import Tally
from pipeline.runs.run_config import RunConfig, announce, find_run, prepare
from pipeline.runs.run_folder import NothingToDo, open_ledger, start_ledger
from pipeline.stages.fetch import fetch
from pipeline.stages.matte import matte
from pipeline.stages.prompt import prompt
from pipeline.stages.render import render
from pipeline.stages.store import store
from pipeline.stages.wrappers.shared_work import once_per_source
from pipeline.stages.wrappers.stricter_limits import naming_untrusted
from pipeline.stages.wrappers.unreadable_files import with_file_doubt
from pipeline.storage import Lease, join, parent

_LEASE_TTL_S = 60.0
"""The time, in seconds, without a sign of life after which a driver counts as dead and another may
take over its run."""


def stages(
    recipe: Recipe, manifest: Manifest, run_uri: str, *, untrusted: bool = False
) -> list[Stage]:
    """The product: what happens to a row, in order."""
    if untrusted:
        strict = stages(limited(recipe), manifest, run_uri)
        return [naming_untrusted(stage, refusing(recipe)) for stage in strict]
    limits, pools = recipe.input, recipe.resources
    in_order = [
        once_per_source(
            fetch(recipe.fetch, pools.fetch, root=manifest.root, limits=limits),
            by=("image_uri", "image_input", "mask_uri", "reference_uris"),
        ),
        once_per_source(
            with_file_doubt(matte(recipe.matte, pools.matte, limits=limits)),
            by=("image_sha256", "mask_uri", "clipping_path", "file_doubt"),
        ),
        prompt(
            recipe.prompt,
            pools.prompt,
            limits=limits,
            book_root=join(parent(run_uri), "_prompt-answers"),
        ),
        with_file_doubt(render(recipe.render, pools.render, limits=limits)),
    ]
    if recipe.output.image_objects:
        format_ = recipe.render.format
        in_order.append(
            store(recipe.output, pools.store, run_uri=run_uri, format=format_, limits=limits)
        )
    return in_order


def run(
    config: RunConfig,
    *,
    on_progress: Callable[[Tally, int], None],
    connect: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> Report:
    """Do what is left of a run, and finish it.

    Args:
        config: what is asked for.
        on_progress: called with the tally so far and the number of planned rows.
        connect: connects Ray for the length of a block, if there is anything to do; is given the
            run's folder.

    Raises:
        ValueError: a request that cannot be carried out.
        FatalError: no row can be finished; what is done stays done.
    """
    started_at, recipe = now(), config.recipe
    planner, request = prepare(config)
    meant = find_run(config, request, planner)
    uri = meant.uri
    in_order = stages(recipe, planner.manifest, uri, untrusted=request.untrusted)
    with (
        folders_as_before(uri),  # of a request that is refused, nothing is left
        Lease.acquire(
            uri,
            owner=f"backlot {recipe.name}",
            ttl_s=_LEASE_TTL_S,
            is_exclusive=not config.assume_single_driver,
        ) as lease,
    ):
        try:
            ledger = open_ledger(uri, request=request) or start_ledger(
                uri,
                request=request,
                recipe=recipe,
                planner=planner,
                origin=config.origin,
                settled=settled(config.output, keep=recipe.keep, untrusted=request.untrusted)
                if config.only_changed
                else None,
                after=newest_start(config.output),
                keeps_empty=meant.before is None,
            )
        except NothingToDo as nothing:
            return idle(
                run_uri=meant.before or uri,
                recipe=recipe,
                manifest=request.manifest,
                started_at=started_at,
                num_unchanged=nothing.num_unchanged,
                not_looked_at=nothing.not_looked_at,
                lacking=nothing.lacking,
            )
        announce(config, meant, ledger)
        session = Session(
            ledger=ledger,
            recipe=recipe,
            budget=limited(recipe).budget if request.untrusted else recipe.budget,
            stages=in_order,
            columns=planner.columns,
            lease=lease,
            on_progress=on_progress,
        )
        was_finished, committed = ledger.is_finished(), session.counted()
        left = ledger.pending(committed, ROWS_PER_FILE)
        is_left = bool(left)
        if is_left:
            session = replace(session, ledger=ledger.with_addresses(planner, left))
            with connect(uri):  # only now: on many nights there is nothing to do
                session.work(committed)
        return session.finish(
            manifest=request.manifest,
            started_at=started_at,
            num_done_before=sum(file.tally.rows for file in committed),
            outcome=meant.outcome if was_finished and not is_left else "made",
        )
