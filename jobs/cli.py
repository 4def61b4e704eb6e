"""The command line. Heavy libraries are imported inside the commands, so that --help is instant."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.flow import RunConfig
    from pipeline.recipe import Recipe

EXIT_FAILED = 1
EXIT_USAGE = 2

app = typer.Typer(
    name="backlot",
    help="Background replacement for millions of catalog photographs.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name or a YAML file.")
]
ManifestUri = Annotated[
    str, typer.Option("--manifest", help="Parquet, CSV or JSON Lines: a file, folder or pattern.")
]
OutputUri = Annotated[
    str, typer.Option("--output", help="Folder of the dataset; each run gets its own below it.")
]
Where = Annotated[
    str | None,
    typer.Option("--where", help="SQL condition over manifest columns, such as \"brand = 'A'\"."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many rows.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change a recipe field: section.field=value.")
]
RunId = Annotated[
    str | None,
    typer.Option("--run-id", help="Name of the run; the same name continues it."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_ADDRESS",
        help="Of a running Ray cluster; without one, a cluster on this machine is started.",
    ),
]


@app.command()
def run(
    recipe: RecipeName,
    manifest: ManifestUri,
    output: OutputUri,
    where: Where = None,
    limit: Limit = None,
    settings: Settings = None,
    run_id: RunId = None,
    address: Address = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, do nothing.")
    ] = False,
) -> None:
    """Make pictures: every row of the manifest comes out once, with a picture or a reason.

    The same command again goes on where an unfinished run stopped.

    Exit codes: 0 all accounted for and within budget; 1 failed; 2 wrong request; 3 more failures
    than the budget allows.
    """
    from jobs.run import dry_run as print_plan
    from jobs.run import run_and_report

    config = _run_config(
        recipe, manifest, output, where=where, limit=limit, settings=settings, run_id=run_id
    )
    if dry_run:
        print_plan(config)
        return
    raise typer.Exit(run_and_report(config, address=address))


@app.command()
def recipes() -> None:
    """List the recipes that ship with Backlot."""
    from jobs.recipes import shipped_recipes

    listed = shipped_recipes()
    width = max(len(name) for name in listed)
    for name, recipe in listed.items():
        typer.echo(f"{name:<{width}}  {recipe.description}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors and checks."""
    import json

    from pipeline.recipe import Recipe

    typer.echo(json.dumps(Recipe.model_json_schema(), indent=2))


@app.command()
def report(
    run_folder: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run: .../run_id=X")],
) -> None:
    """Write the contact sheet (report.html) of a run anew."""
    from jobs.run import write_contact_sheet

    typer.echo(write_contact_sheet(run_folder))


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Option("--output", help="Where the catalogue and its results go.")
    ] = Path("demo-output"),
) -> None:
    """Run the studio recipe over a small catalogue of photographs that ship with Python packages.

    Two of its rows are broken on purpose, to show what becomes of them.
    """
    from jobs.demo import build_catalogue
    from jobs.run import run_and_report

    manifest = build_catalogue(folder / "catalogue")
    config = _run_config(
        "studio",
        str(manifest),
        str(folder / "dataset"),
        settings=["budget.max_failures=2", "keep=[title, category]"],
    )
    raise typer.Exit(run_and_report(config, address=None))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit code.

    A mistake in the request is one line on standard error and exit code 2, never a traceback.
    """
    from pipeline.errors import FatalError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        result = app(arguments, standalone_mode=False)
    except typer.TyperException as error:
        return _refuse(error.format_message(), EXIT_USAGE)
    except typer.Abort:
        return _refuse("interrupted; the same command goes on from here", EXIT_FAILED)
    except ValueError as error:
        return _refuse(str(error), EXIT_USAGE)
    except FatalError as error:
        return _refuse(str(error), EXIT_FAILED)
    return int(result or 0)


def _refuse(message: str, code: int) -> int:
    if message:  # with no arguments at all, the help was shown instead
        typer.echo(f"backlot: error: {' '.join(message.split())}", err=True)
    return code


def _run_config(
    recipe: str,
    manifest: str,
    output: str,
    *,
    where: str | None = None,
    limit: int | None = None,
    settings: list[str] | None = None,
    run_id: str | None = None,
) -> RunConfig:
    from pipeline.flow import RunConfig

    return RunConfig(
        recipe=_recipe(recipe, settings or []),
        manifest=manifest,
        output=output,
        where=where,
        limit=limit,
        run_id=run_id,
    )


def _recipe(name: str, settings: list[str]) -> Recipe:
    from jobs.recipes import load_recipe

    return load_recipe(name, overrides=settings)


if __name__ == "__main__":
    sys.exit(main())
