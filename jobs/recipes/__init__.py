"""The shipped recipes, and how a name on the command line becomes one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from pipeline.recipe import Recipe, read_recipe

_FOLDER = Path(__file__).parent


def shipped_recipes() -> dict[str, Recipe]:
    """Every recipe of the package, by name."""
    return {path.stem: read_recipe(path) for path in sorted(_FOLDER.glob("*.yaml"))}


def load_recipe(name: str, *, overrides: Sequence[str] = ()) -> Recipe:
    """A shipped recipe by name, or one from a YAML file.

    Raises:
        ValueError: there is none, or it is not valid; one line naming the field and the fix.
    """
    if name.endswith((".yaml", ".yml")):
        return read_recipe(Path(name), overrides=overrides)
    path = _FOLDER / f"{name}.yaml"
    known = sorted(found.stem for found in _FOLDER.glob("*.yaml"))
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}" if close else ""
        raise ValueError(
            f"RECIPE {name!r}: not among the shipped ones ({', '.join(known)}){hint}; "
            "name a recipe of your own by its .yaml file"
        )
    return read_recipe(path, overrides=overrides)
