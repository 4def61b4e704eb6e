"""Running a recipe from a terminal or a job: plan, progress, summary, contact sheet."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.results.contact_sheet import cards, render_html
from jobs.running.cluster_address import check_address
from jobs.terminal.progress import Progress
from jobs.terminal.quiet import quiet, run_cluster
from jobs.terminal.screen import console as _console
from pipeline import storage
from pipeline.engine.capacity import explained
from pipeline.engine.pools import Pool, pools
from pipeline.engine.stage import Stage
from pipeline.flow import run, stages
from pipeline.planning.untrusted import told
from pipeline.processes.activity import doing
from pipeline.runs.documents import read_document
from pipeline.runs.output_checks import check_lease
from pipeline.runs.report import Outcome, Report
from pipeline.runs.result_files import committed_files
from pipeline.runs.run_config import RunConfig, find_run, prepare

logger = logging.getLogger(__name__)

_WORDS: Mapping[Outcome, str] = {
    "finished": "finished, and what it was made from was not looked at again: to make what has "
    "changed, leave out --run-id or choose a new one",
    "unchanged": "finished, and nothing that it was made from has changed: --again makes all rows "
    "anew",
}
"""What becomes of a run that has nothing left to do."""


def run_and_report(config: RunConfig, *, address: str | None) -> int:
    """Run, write the contact sheet and print the summary; returns the exit code.

    Raises:
        ValueError: the request cannot be carried out; no worker was started for it.
        FatalError: no row can be finished.
    """
    check_address(address)
    if config.assume_single_driver and storage.scheme_of(config.output) != "file":
        logger.warning(
            "--assume-single-driver: the lease on %s has no conditions, so see to it that no other "
            "driver works there",
            config.output,
        )
    progress = Progress()
    with quiet(progress.line) as capture:
        connect = partial(run_cluster, address, capture)
        report = run(config, on_progress=progress, connect=connect)
        sheet = _contact_sheet(report)
    logger.info(
        "run %s ended with exit code %d"
        if report.outcome == "made"
        else "nothing to do beside run %s: exit code %d",
        report.run_id,
        report.exit_code,
        extra={"event": "run_ended", "values": {**report.as_dict(), "exit_code": report.exit_code}},
    )
    if sheet is None:
        print_idle(report)
    else:
        print_summary(report, sheet, has_files=config.recipe.output.image_objects)
    return report.exit_code


def _contact_sheet(report: Report) -> str | None:
    """Where it is; of a run that was finished before, as it was written then."""
    if report.outcome == "idle":
        return None
    there = storage.join(report.run_uri, "report.html")
    if report.outcome != "made" and storage.exists(there):
        return there
    return write_contact_sheet(report.run_uri)


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
        where = f"{uri}: is {_WORDS[meant.outcome]}"
    elif ledger is None and meant.before is not None:
        where = f"{uri}: makes all rows again, {meant.before} is finished"
    as_of = "" if planner.manifest.version is None else f" of {planner.manifest.version}"
    console = _console()
    facts = {
        "recipe": f"{config.recipe.name} ({config.recipe.config_hash})",
        "manifest": f"{request.manifest}: {num_rows:,} rows selected{as_of}",
        "run": where,
        "to do": f"{(num_rows if ledger is None else ledger.num_planned) - num_done:,} rows",
    }
    if config.why_untrusted is not None:
        facts["limits"] = told(config.recipe, config.why_untrusted)
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


@doing("writing the report")
def write_contact_sheet(run_uri: str) -> str:
    """Write `report.html` from a run's committed results; returns where it is.

    Raises:
        ValueError: there is no finished run in that folder.
    """
    uri = storage.absolute(run_uri)
    summary, document = read_document(uri, "report.json"), read_document(uri, "run.json")
    if summary is None or document is None:
        raise ValueError(f"{uri}: no report.json there; name the folder of a run, .../run_id=X")
    filesystem, _ = storage.arrow_filesystem(uri)
    files = [storage.arrow_filesystem(file)[1] for file in committed_files(uri)]
    html = render_html(
        summary, cards(files, filesystem=filesystem), kept=tuple(document["recipe"]["keep"])
    )
    sheet = storage.join(uri, "report.html")
    storage.write(sheet, html.encode())
    return sheet


def print_idle(report: Report) -> None:
    """Print that a night has found nothing to do, and that no run came of it."""
    console = _console()
    count, unseen = f"{report.num_unchanged:,}", report.not_looked_at
    said = f"all {count} rows were looked at, and none has changed since earlier runs"
    if unseen:
        said = f"none of {count} rows is known to have changed since earlier runs"
    console.print(Text(f"\nnothing to do: {said}"), soft_wrap=True)
    _print_unseen(console, unseen)
    _print_lacking(console, report.lacking)
    console.print(Text(f"newest    {report.run_uri}"), soft_wrap=True)


def print_summary(report: Report, sheet: str, *, has_files: bool) -> None:
    """Print what a run came to, and last where it is.

    Args:
        report: of the run.
        sheet: where its contact sheet is.
        has_files: whether pictures are files of their own, too.
    """
    console = _console()
    total = report.total
    if report.outcome != "made":
        words = f"run {report.run_id} is {_WORDS[report.outcome]}"
        console.print(Text(f"\nnothing to do: {words}"), soft_wrap=True)
    elif report.num_unchanged:
        said = f"{report.num_unchanged:,} rows are unchanged since earlier runs"
        console.print(Text(f"\n{said}" if report.num_planned else f"\nnothing to do: {said}"))
    counts = (
        f"{report.num_planned:,} rows: {total.rows - total.failed:,} with a picture, "
        f"{total.failed:,} failed"
    )
    rate = f"; {report.images_per_s:.2f} images/s over {report.wall_s:.1f} s"
    console.print(Text(f"\n{counts}{rate if report.outcome == 'made' else ''}", style="bold"))
    _print_counts(console, "failed, by code", dict(sorted(total.codes.items())))
    _print_counts(console, "prompts that no model improved", dict(sorted(total.fallbacks.items())))
    busy = sum(total.seconds.values()) or 1.0
    shares = {
        name: f"{seconds:8.1f} s  {seconds / busy:4.0%}" for name, seconds in total.seconds.items()
    }
    _print_counts(console, "where the time went", shares)
    if report.discrepancies:
        _print_counts(console, "ROWS NOT ACCOUNTED FOR", report.discrepancies)
    if report.exceeded:
        console.print(Text(f"over budget: {report.exceeded}", style="bold"))
    if not report.complete:
        console.print(Text("stopped early; the same command goes on from here"))
    _print_unseen(console, report.not_looked_at)
    _print_lacking(console, report.lacking)
    console.print(Text(f"dataset   {report.run_uri}"), soft_wrap=True)
    if has_files and total.rows > total.failed:
        console.print(Text(f"pictures  {storage.join(report.run_uri, 'images')}"), soft_wrap=True)
    console.print(Text(f"report    {sheet}"), soft_wrap=True)


def _print_lacking(console: Console, lacking: Mapping[str, int]) -> None:
    """Print which kept columns the rows have not that were left as they are."""
    for name, count in lacking.items():
        said = (
            f"{count:,} unchanged rows have no column {name!r}, which was not in keep when they "
            "were made: 'backlot run --again' in place of 'backlot nightly' makes all rows with it"
        )
        console.print(Text(said), soft_wrap=True)


def _print_unseen(console: Console, unseen: Mapping[str, int]) -> None:
    """Say of how many photographs nobody knows whether they were replaced, and why."""
    count = f"{sum(unseen.values()):,}"
    said = f"{count} photographs not looked at for changes, which count as before"
    _print_counts(console, said, unseen)


def _print_counts(console: Console, title: str, counts: Mapping[str, Any]) -> None:
    if not counts:
        return
    console.print(Text(title))
    for name, count in counts.items():
        console.print(Text(f"  {name:<18} {count}"), soft_wrap=True)


if __name__ == "__main__":  # python -m jobs.running.run studio --manifest ... --output ...
    from jobs.cli import process

    sys.exit(process(["run", *sys.argv[1:]]))
