"""The commands for picture files, whoever made them: inspect, validate, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.options import EXIT_FAILED, Settings
from jobs.terminal.screen import tell, tell_json

app = typer.Typer()


@app.command()
def validate(
    images: Annotated[
        str, typer.Argument(metavar="IMAGES", help="Pictures: a file, a folder or a pattern.")
    ],
    channel: Annotated[
        str,
        typer.Option("--channel", help="Sales channel whose rules apply, such as amazon_main."),
    ],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Check finished files against the rules of a sales channel, whoever made them.

    Exit codes: 0 all would be taken; 1 some not.
    """
    from jobs.pictures.validate import told, told_as_json
    from jobs.pictures.validate import validate as verdicts

    num_refused = 0
    for verdict in verdicts(images, channel):
        if json:
            tell_json(told_as_json(verdict))
        else:
            tell(told(verdict))
        num_refused += not verdict.is_accepted
    raise typer.Exit(EXIT_FAILED if num_refused else 0)


@app.command()
def inspect(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Photographs: files, folders, patterns.")
    ],
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="Recipe of the run: a shipped recipe's name or a YAML file."),
    ] = "studio",
    settings: Settings = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Show what is in photographs, and what a run would do with them: one line each.

    Format and decoder, size, depth, colours, alpha, clipping paths, orientation, credits. Exit
    codes: 0 all were read, be they refused or not; 1 some could not be read at all.
    """
    from jobs.pictures.inspection import inspect as facts_of
    from jobs.pictures.picture_facts import told, told_as_json
    from jobs.recipes import load_recipe

    num_unread = 0
    for facts in facts_of(files, load_recipe(recipe, overrides=settings or [])):
        if json:
            tell_json(told_as_json(facts))
        else:
            tell(told(facts))
        num_unread += not facts.is_readable
    raise typer.Exit(EXIT_FAILED if num_unread else 0)


@app.command()
def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder with a CSV file of columns id, input, alpha, and the files."
        ),
    ],
    recipe: Annotated[
        str, typer.Option("--recipe", help="A shipped recipe's name or a YAML file.")
    ],
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

    results = compare(folder, load_recipe(recipe, overrides=settings or []), save_alpha=save_alpha)
    print_evaluation(results, console())
    raise typer.Exit(EXIT_FAILED if any(result.error for result in results) else 0)
