"""The commands for recipes themselves: recipes, schema."""

from __future__ import annotations

import typer

from jobs.terminal.screen import tell, tell_json

app = typer.Typer()


@app.command()
def recipes() -> None:
    """List the recipes that ship with Backlot."""
    from jobs.recipes import shipped_recipes

    by_name = shipped_recipes()
    width = max(len(name) for name in by_name)
    for name, recipe in by_name.items():
        tell(f"{name:<{width}}  {recipe.description}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors and checks."""
    import json

    from pipeline.recipe import Recipe

    tell_json(json.dumps(Recipe.model_json_schema(), indent=2))
