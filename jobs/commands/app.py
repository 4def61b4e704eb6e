"""The command `backlot`: its own options, and the commands of this package."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.commands import (
    before_a_run,
    finished_runs,
    making_pictures,
    on_a_cluster,
    picture_files,
    recipe_fields,
)
from jobs.options import Verbose
from jobs.terminal.logs import LogFormat, configure
from jobs.terminal.progress import explained

app = typer.Typer(
    name="backlot",
    help="Background replacement for millions of catalog photographs.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def speaking(
    context: typer.Context,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            "--log-format", envvar="BACKLOT_LOG_FORMAT", help="Format of the lines on stderr."
        ),
    ] = LogFormat.TEXT,
    *,
    verbose: Verbose = False,
) -> None:
    """Background replacement for millions of catalog photographs."""
    configure(log_format, verbose=verbose)
    context.with_resource(explained())


for commands in (
    making_pictures.app,
    before_a_run.app,
    finished_runs.app,
    picture_files.app,
    recipe_fields.app,
    on_a_cluster.app,
):
    app.add_typer(commands)
