"""What a run would do, printed and not done: rows, stages, pools, what is done already."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from jobs.running.summary import NOTHING_LEFT
from jobs.terminal.screen import console as open_console
from pipeline.engine.capacity import explained
from pipeline.engine.pools import Pool, pools
from pipeline.engine.stage import Stage
from pipeline.flow import stages
from pipeline.planning.untrusted import described
from pipeline.runs.output_checks import check_lease
from pipeline.runs.run_config import RunConfig, find_run, prepare


def dry_run(config: RunConfig) -> None:
    """Print what a run would do: rows, stages, pools, and what is done already.

    Raises:
        ValueError: the request could not be carried out.
    """
    planner, request = prepare(config)
    check_lease(config.output, is_exclusive=not config.assume_single_driver)
    meant = find_run(config, request, planner)
    uri, ledger = meant.uri, meant.ledger
    listed = stages(config.recipe, planner.manifest, uri, untrusted=request.untrusted)
    num_rows = planner.manifest.count()
    num_done = 0 if ledger is None else sum(len(f.sample_ids) for f in ledger.committed())
    where = uri if ledger is None else f"{uri}: continues, {num_done:,} rows done"
    if ledger is not None and ledger.is_finished():
        where = f"{uri}: is {NOTHING_LEFT[meant.outcome]}"
    elif ledger is None and meant.before is not None:
        where = f"{uri}: makes all rows again, {meant.before} is finished"
    as_of = "" if planner.manifest.version is None else f" of {planner.manifest.version}"
    console = open_console()
    facts = {
        "recipe": f"{config.recipe.name} ({config.recipe.config_hash})",
        "manifest": f"{request.manifest}: {num_rows:,} rows selected{as_of}",
        "run": where,
        "to do": f"{(num_rows if ledger is None else ledger.num_planned) - num_done:,} rows",
    }
    if config.why_untrusted is not None:
        facts["limits"] = described(config.recipe, config.why_untrusted)
    if planner.manifest.passed_over is not None:
        facts["left out"] = planner.manifest.passed_over
    for name, value in facts.items():
        console.print(Text(f"{name:<9} {value}"), soft_wrap=True)
    console.print(_stage_table(listed), Text())
    console.print(_pool_table(pools(listed)))
    for pool in pools(listed):
        if pool.bound.uncounted and pool.resources.memory_mb is None:
            names, stage = ", ".join(pool.bound.uncounted), pool.hungriest.name
            console.print(
                Text(
                    f"memory of {pool.name}: without {names}, whose size cannot be told from here; "
                    f"set resources.{stage}.memory_mb"
                )
            )


def _stage_table(listed: Sequence[Stage]) -> Table:
    table = _headed("stage", "batch", "reads", "adds")
    for stage in listed:
        reads, adds = ", ".join(stage.reads), ", ".join(stage.adds.names)
        table.add_row(stage.name, str(stage.batch_size), reads, adds)
    return table


def _pool_table(listed: Sequence[Pool]) -> Table:
    table = _headed("pool", "actors", "CPUs", "GPUs", "memory of an actor")
    table.columns[-1].no_wrap = True
    for pool in listed:
        asked = pool.resources
        table.add_row(
            pool.name.replace("+", ", "),
            f"{asked.min_actors} {f'to {asked.max_actors}' if asked.max_actors else 'or more'}",
            f"{asked.num_cpus:g}",
            f"{asked.num_gpus:g}",
            explained(pool),
        )
    return table


def _headed(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
