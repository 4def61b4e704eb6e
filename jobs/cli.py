"""The command line. Heavy libraries are imported inside the commands, so that --help is instant."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.recipe import Recipe
    from pipeline.request import RunConfig


class Scenario(StrEnum):
    """What `bench` measures."""

    CONTROL_PLANE = "control-plane"
    STUDIO = "studio"
    MATTING = "matting"
    S3 = "s3"


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
DatasetUri = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="Folder of a dataset, with its runs below it.")
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run: .../run_id=X")]
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
def nightly(
    recipe: RecipeName,
    manifest: ManifestUri,
    output: OutputUri,
    where: Where = None,
    limit: Limit = None,
    settings: Settings = None,
    run_id: RunId = None,
    address: Address = None,
) -> None:
    """Make what is new or has changed since the earlier runs under the same output.

    A row is left out if an earlier run has made its picture, or found that it cannot be made, from
    the same photograph, prompt and recipe. Failures that may pass are taken up again. The same
    command again on the same day (UTC) goes on with that day's run.

    Exit codes as of `run`; 0 as well when there is nothing to do.
    """
    from dataclasses import replace

    from jobs.run import run_and_report

    config = _run_config(
        recipe, manifest, output, where=where, limit=limit, settings=settings, run_id=run_id
    )
    raise typer.Exit(run_and_report(replace(config, only_changed=True), address=address))


@app.command()
def reprocess(
    output: DatasetUri,
    where: Annotated[
        str,
        typer.Option(
            "--where",
            help="SQL condition over result and manifest columns, such as "
            "\"error.code = 'storage' or brand = 'A'\".",
        ),
    ],
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Default: the recipe the rows were made with.")
    ] = None,
    settings: Settings = None,
    run_id: RunId = None,
    address: Address = None,
) -> None:
    """Make chosen rows anew, as a run of its own that names the runs they come from.

    The condition is asked of the newest row of every sample, with a picture or without. A result
    column hides a manifest column of the same name.
    """
    from jobs.reprocess import reprocess as run_again

    code = run_again(
        output,
        condition=where,
        recipe=recipe,
        overrides=settings or [],
        run_id=run_id,
        address=address,
    )
    raise typer.Exit(code)


@app.command()
def current(
    output: DatasetUri,
    materialise: Annotated[
        str | None, typer.Option("--materialise", help="Write the rows as Parquet files there.")
    ] = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, row positions left out.")
    ] = False,
) -> None:
    """Show the merged view: the newest row with a picture of every sample, over finished runs."""
    from jobs.show import show_current, write_current

    if materialise is not None:
        typer.echo(write_current(output, materialise))
    else:
        typer.echo(show_current(output, as_json=json))


@app.command()
def verify(run_folder: RunFolder) -> None:
    """Recount a run: planned rows against results, result files and picture objects.

    Reads every picture that a result row holds. Exit codes: 0 all is there, once and whole; 1 not.
    """
    from jobs.show import show_verdict

    said, code = show_verdict(run_folder)
    typer.echo(said)
    raise typer.Exit(code)


@app.command()
def prompts(
    manifest: Annotated[str, typer.Argument(metavar="MANIFEST", help="As --manifest of `run`.")],
    recipe: Annotated[str, typer.Option("--recipe", help="A shipped recipe or a YAML file.")],
    where: Where = None,
    limit: Limit = None,
    settings: Settings = None,
) -> None:
    """Show what becomes of the manifest's prompts, and why, without making a picture."""
    from jobs.prompts import print_prompts

    print_prompts(_recipe(recipe, settings or []), manifest, where=where, limit=limit)


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
def report(run_folder: RunFolder) -> None:
    """Write the contact sheet (report.html) of a run anew."""
    from jobs.run import write_contact_sheet

    typer.echo(write_contact_sheet(run_folder))


@app.command()
def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Holds a CSV file of columns id, input, alpha, and the files."
        ),
    ],
    recipe: Annotated[str, typer.Option("--recipe", help="A shipped recipe's name or a file.")],
    save_alpha: Annotated[
        Path | None, typer.Option("--save-alpha", help="Folder to put the mattes in.")
    ] = None,
    settings: Settings = None,
) -> None:
    """Compare a recipe's mattes with known ones: which network suits your photographs?

    Runs in this process, one photograph after another. Exits 1 if some have no matte.
    """
    from rich.console import Console

    from jobs.evaluate import evaluate as compare
    from jobs.evaluate import print_evaluation

    results = compare(folder, _recipe(recipe, settings or []), save_alpha=save_alpha)
    print_evaluation(results, Console(highlight=False))
    raise typer.Exit(EXIT_FAILED if any(one.error for one in results) else 0)


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


@app.command()
def bench(
    scenario: Annotated[
        Scenario, typer.Argument(metavar="SCENARIO", help=f"One of {', '.join(Scenario)}.")
    ] = Scenario.CONTROL_PLANE,
    rows: Annotated[
        list[int] | None, typer.Option("--rows", min=8, help="Rows; may be given repeatedly.")
    ] = None,
    rows_per_block: Annotated[
        int, typer.Option("--rows-per-block", min=1, help="Of control-plane.")
    ] = 64,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Times all is measured; medians are shown.")
    ] = 1,
) -> None:
    """Measure speed against the same work done without Backlot, in one run.

    control-plane: the machinery by itself, with stages that do nothing. studio: the whole flow,
    against a plain loop and a pool of processes. matting: against the loop of rembg. s3: reading
    photographs, against a plain loop over the same client.
    """
    match scenario:
        case Scenario.CONTROL_PLANE:
            from jobs.bench.control_plane import run_control_plane

            run_control_plane(rows or [10_000, 100_000], rows_per_block)
        case Scenario.STUDIO:
            from jobs.bench.studio import run_studio

            run_studio(rows or [200, 50, 16], repeats=repeats)
        case Scenario.MATTING:
            from jobs.bench.matting import run_matting

            run_matting((rows or [60])[0], repeats=repeats)
        case Scenario.S3:
            from jobs.bench.objects import run_objects

            run_objects((rows or [2000])[0], repeats=repeats)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit code.

    A mistake in the request is one line on standard error and exit code 2, never a traceback.
    """
    from pipeline.errors import FatalError, TransientError

    # Ours at INFO, the libraries' at WARNING: theirs is for who debugs them.
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for package in ("jobs", "pipeline"):
        logging.getLogger(package).setLevel(logging.INFO)
    try:
        result = app(arguments, standalone_mode=False)
    except typer.TyperException as error:
        return _refuse(error.format_message(), EXIT_USAGE)
    except typer.Abort:
        return _refuse("interrupted; the same command goes on from here", EXIT_FAILED)
    except ValueError as error:
        return _refuse(str(error), EXIT_USAGE)
    except (FatalError, TransientError) as error:
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
    from pipeline.request import RunConfig

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
