"""`python -m benchmarks SCENARIO`: measure, and print a table and the same as JSON."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from jobs.cli import process
from jobs.options import Verbose
from jobs.terminal.logs import LogFormat, configure
from jobs.terminal.progress import explained

app = typer.Typer(name="benchmarks", add_completion=False, pretty_exceptions_enable=False)


class Scenario(StrEnum):
    """What can be measured."""

    CONTROL_PLANE = "control-plane"
    STUDIO = "studio"
    MATTING = "matting"
    S3 = "s3"
    SOAK = "soak"
    MEMORY = "memory"


@app.command()
def measure(
    scenario: Annotated[
        Scenario, typer.Argument(metavar="SCENARIO", help=f"One of {', '.join(Scenario)}.")
    ] = Scenario.CONTROL_PLANE,
    rows: Annotated[
        list[int] | None,
        typer.Option("--rows", min=8, help="Number of rows; may be given repeatedly."),
    ] = None,
    rows_per_block: Annotated[
        int, typer.Option("--rows-per-block", min=1, help="Rows of a block in control-plane.")
    ] = 64,
    repeats: Annotated[
        int,
        typer.Option("--repeats", min=1, help="Number of measurements, of which medians count."),
    ] = 1,
    *,
    verbose: Verbose = False,
) -> None:
    """Measure speed against the same work done without Backlot, in one run.

    control-plane: the machinery by itself, with stages that do nothing. studio: the whole flow,
    against a plain loop and a pool of processes. matting: against the loop of rembg. s3: reading
    photographs, against a plain loop over the same client. memory: what photographs take of an
    actor's memory, against what is reserved for them. soak: whether actors grow in a long run.
    """
    configure(LogFormat.TEXT, verbose=verbose)
    with explained():
        _measure(scenario, rows, rows_per_block=rows_per_block, repeats=repeats)


def _measure(
    scenario: Scenario, rows: list[int] | None, *, rows_per_block: int, repeats: int
) -> None:
    match scenario:
        case Scenario.CONTROL_PLANE:
            from benchmarks.control_plane import run_control_plane

            run_control_plane(rows or [10_000, 100_000], rows_per_block)
        case Scenario.STUDIO:
            from benchmarks.whole_flow import run_studio

            run_studio(rows or [200, 50, 16], repeats=repeats)
        case Scenario.MATTING:
            from benchmarks.matting import run_matting

            run_matting((rows or [60])[0], repeats=repeats)
        case Scenario.S3:
            from benchmarks.s3_reads import run_objects

            run_objects((rows or [2000])[0], repeats=repeats)
        case Scenario.SOAK:
            from benchmarks.soak import run_soak

            run_soak((rows or [2000])[0])
        case Scenario.MEMORY:
            from benchmarks.memory import run_memory

            run_memory()


if __name__ == "__main__":
    sys.exit(process(app=app))
