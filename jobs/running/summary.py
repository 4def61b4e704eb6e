"""What a terminal says last of a run: what it came to, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.terminal.screen import console as open_console
from pipeline import storage
from pipeline.runs.report import Outcome, Report

NOTHING_LEFT: Mapping[Outcome, str] = {
    "finished": "finished, and what it was made from was not looked at again: to make what has "
    "changed, leave out --run-id or choose a new one",
    "unchanged": "finished, and nothing that it was made from has changed: --again makes all rows "
    "anew",
}
"""What becomes of a run that has nothing left to do."""


def print_idle(report: Report) -> None:
    """Print that a night has found nothing to do, and that no run came of it."""
    console = open_console()
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
    console = open_console()
    total = report.total
    if report.outcome != "made":
        words = f"run {report.run_id} is {NOTHING_LEFT[report.outcome]}"
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
