"""The commands for recipes themselves: recipes, recipes show, schema."""

from __future__ import annotations

import typer

from jobs.options import RecipeName
from jobs.terminal.screen import tell, tell_json

app = typer.Typer()
recipes_app = typer.Typer()
app.add_typer(recipes_app, name="recipes")


@recipes_app.callback(invoke_without_command=True)
def recipes(context: typer.Context) -> None:
    """List the recipes that ship with Backlot; `recipes show` prints one."""
    from jobs.recipes import shipped_recipes

    if context.invoked_subcommand is not None:
        return
    by_name = shipped_recipes()
    width = max(len(name) for name in by_name)
    for name, recipe in by_name.items():
        tell(f"{name:<{width}}  {recipe.description}")


@recipes_app.command()
def show(recipe: RecipeName) -> None:
    """Print a recipe as YAML, with all that it takes from the recipes that it extends.

    What is printed is a recipe that stands alone: saved to a file, it makes the same run.
    """
    from jobs.recipes.merged import merged_text

    tell(*merged_text(recipe).splitlines())


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors and checks."""
    import json

    from jobs.recipes import recipe_schema

    tell_json(json.dumps(recipe_schema(), indent=2))
