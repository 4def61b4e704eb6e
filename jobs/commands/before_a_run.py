"""The commands for what is to be known before a run: preflight, estimate, prompts."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.options import (
    EXIT_FAILED,
    EXIT_OVER_BUDGET,
    Address,
    CsvDelimiter,
    CsvEncoding,
    Limit,
    RecipeOptions,
    Renamed,
    Settings,
    Where,
    with_options,
    with_verbose,
)
from jobs.terminal.screen import advise, tell, tell_json

app = typer.Typer()


@app.command()
@with_verbose
@with_options(RecipeOptions)
def preflight(options: RecipeOptions, address: Address = None) -> None:
    """Check whether a run would get off the ground: one line per check, with the fix.

    Storage is tried from every node, weights are looked for where they will be needed, and the
    pools are fitted to the nodes. Nothing is made. Exit codes: 0 all passed; 1 not.
    """
    from jobs.previews.preflight import preflight as checks

    failed = False
    for check in checks(options.config(), address=address):
        tell(*check.lines())
        failed = failed or not check.ok
    raise typer.Exit(EXIT_FAILED if failed else 0)


@app.command()
@with_verbose
@with_options(RecipeOptions)
def estimate(
    options: RecipeOptions,
    address: Address = None,
    *,
    sample: Annotated[int, typer.Option("--sample", min=8, help="Number of rows to run.")] = 64,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a sample, and forecast hours, cost, bytes and requests of the whole.

    The interval says how far the sample may be from the whole (95 %); it knows nothing of storage
    or machines that behave otherwise on the day. Exit codes are those of `run`; 3 if the forecast
    is above budget.max_cost.
    """
    from jobs.forecasting.estimate import as_json, as_lines
    from jobs.forecasting.estimate import estimate as run_sample

    config = options.config()
    forecast = run_sample(config, sample=sample, address=address)
    if json:
        tell_json(as_json(forecast))
    else:
        tell(*as_lines(forecast, config.recipe.prices.currency))
    most = config.recipe.budget.max_cost
    if most is not None and forecast.cost is None:
        raise ValueError("budget.max_cost is set and prices is not: there is no cost to compare")
    if most is not None and forecast.cost is not None and forecast.cost.value > most:
        advise(f"over budget: budget.max_cost allows {most:g}")
        raise typer.Exit(EXIT_OVER_BUDGET)


@app.command()
def prompts(
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST", help="Parquet, CSV or JSON Lines: a file, folder or pattern."
        ),
    ],
    recipe: Annotated[
        str, typer.Option("--recipe", help="A shipped recipe's name or a YAML file.")
    ],
    where: Where = None,
    limit: Limit = None,
    renamed: Renamed = None,
    csv_delimiter: CsvDelimiter = None,
    csv_encoding: CsvEncoding = None,
    settings: Settings = None,
) -> None:
    """Show what becomes of the manifest's prompts, and why, without making a picture."""
    from jobs.previews.prompt_outcomes import print_prompts
    from jobs.recipes import load_recipe
    from pipeline.tables import parse_reading

    loaded = load_recipe(recipe, overrides=settings or [])
    reading = parse_reading(renamed or [], delimiter=csv_delimiter, encoding=csv_encoding)
    print_prompts(loaded, manifest, where=where, limit=limit, reading=reading)
