"""The commands. Heavy libraries are imported inside them, so that --help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.on_a_cluster import app as remote_commands
from jobs.options import (
    Address,
    Asked,
    AskedRun,
    CsvDelimiter,
    CsvEncoding,
    Limit,
    Renamed,
    RunId,
    Settings,
    SingleDriver,
    Untrusted,
    Verbose,
    Where,
    loud,
    takes,
)
from jobs.terminal.logs import LogFormat, configure
from jobs.terminal.progress import explained
from jobs.terminal.screen import advise, tell, tell_json

EXIT_FAILED = 1
EXIT_OVER_BUDGET = 3

app = typer.Typer(
    name="backlot",
    help="Background replacement for millions of catalog photographs.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

DatasetUri = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="Folder of a dataset, with its runs below it.")
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run: .../run_id=X")]


@app.callback()
def speaking(
    context: typer.Context,
    log_format: Annotated[
        LogFormat,
        typer.Option("--log-format", envvar="BACKLOT_LOG_FORMAT", help="Of lines on stderr."),
    ] = LogFormat.TEXT,
    *,
    verbose: Verbose = False,
) -> None:
    """Background replacement for millions of catalog photographs."""
    configure(log_format, verbose=verbose)
    context.with_resource(explained())


@app.command()
@loud
@takes(AskedRun)
def run(
    asked: AskedRun,
    address: Address = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, do nothing.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Make all rows anew though nothing has changed since."),
    ] = False,
) -> None:
    """Make pictures: every row of the manifest comes out once, with a picture or a reason.

    The same command again goes on where an unfinished run stopped. Once that is finished, it makes
    all rows anew if a row, its photograph or the recipe has changed, and says so; else nothing.

    Exit codes: 0 all accounted for and within budget; 1 failed; 2 wrong request; 3 more failures
    than the budget allows.
    """
    from dataclasses import replace

    from jobs.running.run import dry_run as print_plan
    from jobs.running.run import run_and_report

    config = replace(asked.config(), again=again)
    if dry_run:
        print_plan(config)
        return
    raise typer.Exit(run_and_report(config, address=address))


@app.command()
@loud
@takes(AskedRun)
def nightly(asked: AskedRun, address: Address = None) -> None:
    """Make what is new or has changed since the earlier runs under the same output.

    A row is left out if an earlier run has made its picture, or found that it cannot be made, from
    the same photograph, prompt and recipe. Failures that may pass are taken up again. The same
    command again on the same day (UTC) goes on with that day's run; once that is finished, it makes
    what has changed since as a run of its own, and no run if nothing has.

    Exit codes as of `run`; 0 as well when there is nothing to do.
    """
    from dataclasses import replace

    from jobs.running.run import run_and_report

    config = replace(asked.config(), only_changed=True)
    raise typer.Exit(run_and_report(config, address=address))


@app.command()
@loud
@takes(Asked)
def preflight(asked: Asked, address: Address = None) -> None:
    """Check whether a run would get off the ground: one line per check, with the fix.

    Storage is tried from every node, weights are looked for where they will be needed, and the
    pools are fitted to the nodes. Nothing is made. Exit codes: 0 all passed; 1 not.
    """
    from jobs.previews.preflight import preflight as checks

    failed = False
    for check in checks(asked.config(), address=address):
        tell(*check.lines())
        failed = failed or not check.ok
    raise typer.Exit(EXIT_FAILED if failed else 0)


@app.command()
@loud
@takes(Asked)
def estimate(
    asked: Asked,
    address: Address = None,
    *,
    sample: Annotated[int, typer.Option("--sample", min=8, help="How many rows are run.")] = 64,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a sample, and forecast hours, cost, bytes and requests of the whole.

    The interval says how far the sample may be from the whole (95 %); it knows nothing of storage
    or machines that behave otherwise on the day. Exit codes as of `run`; 3 if the forecast is
    above budget.max_cost.
    """
    from jobs.forecasting.estimate import as_json, as_lines
    from jobs.forecasting.estimate import estimate as run_sample

    config = asked.config()
    made = run_sample(config, sample=sample, address=address)
    if json:
        tell_json(as_json(made))
    else:
        tell(*as_lines(made, config.recipe.prices.currency))
    most = config.recipe.budget.max_cost
    if most is not None and made.cost is None:
        raise ValueError("budget.max_cost is set and prices is not: there is no cost to compare")
    if most is not None and made.cost is not None and made.cost.value > most:
        advise(f"over budget: budget.max_cost allows {most:g}")
        raise typer.Exit(EXIT_OVER_BUDGET)


@app.command()
@loud
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
    manifest: Annotated[
        str | None,
        typer.Option("--manifest", help="Default: the manifests the rows were made from."),
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
    column hides a manifest column of the same name. Of a dataset that others may write, or that
    lies in a bucket, --manifest and --recipe have to be given, or --trust-dataset.
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

    said, code = show_verdict(run_folder)
    tell(*said)
    raise typer.Exit(code)


@app.command()
def prompts(
    manifest: Annotated[str, typer.Argument(metavar="MANIFEST", help="As --manifest of `run`.")],
    recipe: Annotated[str, typer.Option("--recipe", help="A shipped recipe or a YAML file.")],
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

    read = load_recipe(recipe, overrides=settings or [])
    reading = parse_reading(renamed or [], delimiter=csv_delimiter, encoding=csv_encoding)
    print_prompts(read, manifest, where=where, limit=limit, reading=reading)


@app.command()
def validate(
    images: Annotated[
        str, typer.Argument(metavar="IMAGES", help="Pictures: a file, a folder or a pattern.")
    ],
    channel: Annotated[
        str, typer.Option("--channel", help="Where they are to be sold, such as amazon_main.")
    ],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Check finished files against the rules of a place of sale, whoever made them.

    Exit codes: 0 all would be taken; 1 some not.
    """
    from jobs.pictures.validate import told, told_as_json
    from jobs.pictures.validate import validate as validated

    refused = 0
    for one in validated(images, channel):
        if json:
            tell_json(told_as_json(one))
        else:
            tell(told(one))
        refused += not one.is_accepted
    raise typer.Exit(EXIT_FAILED if refused else 0)


@app.command()
def inspect(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Photographs: files, folders, patterns.")
    ],
    recipe: Annotated[
        str, typer.Option("--recipe", help="By which a run would go: a shipped one or a file.")
    ] = "studio",
    settings: Settings = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Show what is in photographs, and what a run would do with them: one line each.

    Format and decoder, size, depth, colours, alpha, clipping paths, orientation, credits. Exit
    codes: 0 all were read, be they refused or not; 1 some could not be read at all.
    """
    from jobs.pictures.inspection import inspect as look_at
    from jobs.pictures.picture_facts import told, told_as_json
    from jobs.recipes import load_recipe

    unread = 0
    for seen in look_at(files, load_recipe(recipe, overrides=settings or [])):
        if json:
            tell_json(told_as_json(seen))
        else:
            tell(told(seen))
        unread += not seen.is_readable
    raise typer.Exit(EXIT_FAILED if unread else 0)


@app.command()
def recipes() -> None:
    """List the recipes that ship with Backlot."""
    from jobs.recipes import shipped_recipes

    listed = shipped_recipes()
    width = max(len(name) for name in listed)
    for name, recipe in listed.items():
        tell(f"{name:<{width}}  {recipe.description}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors and checks."""
    import json

    from pipeline.recipe import Recipe

    tell_json(json.dumps(Recipe.model_json_schema(), indent=2))


@app.command()
def report(run_folder: RunFolder) -> None:
    """Write the contact sheet (report.html) of a run anew."""
    from jobs.running.run import write_contact_sheet

    tell(write_contact_sheet(run_folder))


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
    from jobs.pictures.evaluate import evaluate as compare
    from jobs.pictures.evaluate import print_evaluation
    from jobs.recipes import load_recipe
    from jobs.terminal.screen import console

    read = load_recipe(recipe, overrides=settings or [])
    results = compare(folder, read, save_alpha=save_alpha)
    print_evaluation(results, console())
    raise typer.Exit(EXIT_FAILED if any(one.error for one in results) else 0)


@app.command()
@loud
def demo(
    folder: Annotated[
        Path, typer.Option("--output", help="Where the catalogue and its results go.")
    ] = Path("demo-output"),
) -> None:
    """Run the studio recipe over a small catalogue of photographs that ships with Backlot.

    Two of its rows are broken on purpose, to show what becomes of them.
    """
    from dataclasses import replace

    from jobs.demo.catalogue import build_catalogue
    from jobs.running.run import run_and_report

    manifest = build_catalogue(folder / "catalogue")
    asked = AskedRun(
        recipe="studio",
        manifest=str(manifest),
        output=str(folder / "dataset"),
        # The photographs are small: so are actors, and each core of a small machine has one.
        settings=["budget.max_failures=2", "keep=[title, category]", "input.max_megapixels=2"],
    )
    # Who wants to see it a second time wants to see it work.
    raise typer.Exit(run_and_report(replace(asked.config(), again=True), address=None))


app.add_typer(remote_commands)
