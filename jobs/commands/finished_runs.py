"""The commands for what is there: current, verify, report."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.options import DatasetUri, RunFolder
from jobs.terminal.screen import tell, tell_json

app = typer.Typer()


@app.command()
def current(
    output: DatasetUri,
    materialise: Annotated[
        str | None,
        typer.Option("--materialise", help="Folder to write the rows to, as Parquet files."),
    ] = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, row positions left out.")
    ] = False,
) -> None:
    """Show the merged view: the newest row with a picture of every sample, over finished runs."""
    from jobs.results.datasets import current_as_json, show_current, write_current

    if materialise is not None:
        tell(write_current(output, materialise))
    elif json:
        tell_json(current_as_json(output))
    else:
        tell(*show_current(output))


@app.command()
def verify(run_folder: RunFolder) -> None:
    """Recount a run: planned rows against results, result files and picture objects.

    Reads every picture that a result row holds. Exit codes: 0 all is there, once and whole; 1 not.
    """
    from jobs.results.datasets import show_verdict

    lines, code = show_verdict(run_folder)
    tell(*lines)
    raise typer.Exit(code)


@app.command()
def report(run_folder: RunFolder) -> None:
    """Write the contact sheet (report.html) of a run anew."""
    from jobs.results.contact_sheet import write_contact_sheet

    tell(write_contact_sheet(run_folder))
