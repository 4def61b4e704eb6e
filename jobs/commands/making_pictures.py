"""The commands that make pictures: run, nightly, reprocess, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.options import (
    Address,
    DatasetUri,
    RunId,
    RunOptions,
    Settings,
    SingleDriver,
    Untrusted,
    with_options,
    with_verbose,
)

app = typer.Typer()


@app.command()
@with_verbose
@with_options(RunOptions)
def run(
    options: RunOptions,
    address: Address = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan; make nothing.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Make all rows anew, even if nothing has changed since."),
    ] = False,
) -> None:
    """Make pictures: every row of the manifest comes out once, with a picture or a reason.

    The same command again goes on where an unfinished run stopped. Once that is finished, it makes
    all rows anew if a row, its photograph or the recipe has changed, and says so; else nothing.

    Exit codes: 0 all accounted for and within budget; 1 failed; 2 wrong request; 3 more failures
    than the budget allows.
    """
    from dataclasses import replace

    from jobs.previews.dry_run import dry_run as print_plan
    from jobs.running.run import run_and_report

    config = replace(options.config(), again=again)
    if dry_run:
        print_plan(config)
        return
    raise typer.Exit(run_and_report(config, address=address))


@app.command()
@with_verbose
@with_options(RunOptions)
def nightly(options: RunOptions, address: Address = None) -> None:
    """Make what is new or has changed since the earlier runs under the same output.

    A row is left out if an earlier run has made its picture, or found that it cannot be made, from
    the same photograph, prompt and recipe. Failures that may pass are taken up again. The same
    command again on the same day (UTC) goes on with that day's run; once that is finished, it makes
    what has changed since as a run of its own, and no run if nothing has.

    Exit codes are those of `run`; 0 as well when there is nothing to do.
    """
    from dataclasses import replace

    from jobs.running.run import run_and_report

    config = replace(options.config(), only_changed=True)
    raise typer.Exit(run_and_report(config, address=address))


@app.command()
@with_verbose
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
        str | None,
        typer.Option(
            "--recipe",
            help="A shipped recipe's name or a YAML file. Default: the recipe the rows were made "
            "with.",
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            "--manifest",
            help="Manifest with the rows. Default: the manifests the rows were made from.",
        ),
    ] = None,
    settings: Settings = None,
    run_id: RunId = None,
    address: Address = None,
    untrusted: Untrusted = None,
    *,
    trust_dataset: Annotated[
        bool,
        typer.Option(
            "--trust-dataset",
            help="Believe the dataset, whoever may write there: manifest, recipe, what it permits.",
        ),
    ] = False,
    assume_single_driver: SingleDriver = False,
) -> None:
    """Make chosen rows anew, as a run of its own that names the runs they come from.

    The condition is asked of the newest row of every sample, with a picture or without. A result
    column hides a manifest column of the same name. Where the dataset lies in a bucket, or others
    may write to it, --manifest and --recipe have to be given, or --trust-dataset.
    """
    from jobs.running.reprocess import reprocess as run_again

    code = run_again(
        output,
        condition=where,
        recipe=recipe,
        overrides=settings or [],
        run_id=run_id,
        address=address,
        manifest=manifest,
        trusts_dataset=trust_dataset,
        untrusted=untrusted,
        assume_single_driver=assume_single_driver,
    )
    raise typer.Exit(code)


@app.command()
@with_verbose
def demo(
    folder: Annotated[
        Path, typer.Option("--output", help="Folder for the catalogue and its results.")
    ] = Path("demo-output"),
) -> None:
    """Run the studio recipe over a small catalogue of photographs that ships with Backlot.

    Two of its rows are broken on purpose, to show what becomes of them.
    """
    from dataclasses import replace

    from jobs.demo.catalogue import build_catalogue
    from jobs.running.run import run_and_report

    manifest = build_catalogue(folder / "catalogue")
    options = RunOptions(
        recipe="studio",
        manifest=str(manifest),
        output=str(folder / "dataset"),
        # The photographs are small: so are actors, and each core of a small machine has one.
        settings=["budget.max_failures=2", "keep=[title, category]", "input.max_megapixels=2"],
    )
    # Who wants to see it a second time wants to see it work.
    raise typer.Exit(run_and_report(replace(options.config(), again=True), address=None))
