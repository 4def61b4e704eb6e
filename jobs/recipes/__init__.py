"""The shipped recipes, and how a name on the command line becomes one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.recipe import EXTENDS, Recipe, merged_recipe, read_written_recipe, recipe_of
from pipeline.text.written_settings import Written
from pipeline.text.yaml_text import MOST_CHARACTERS

_FOLDER = Path(__file__).parent


def shipped_recipes() -> dict[str, Recipe]:
    """Every recipe of the package, by name."""
    return {name: load_recipe(name) for name in _shipped_names()}


def load_recipe(name: str, *, overrides: Sequence[str] = ()) -> Recipe:
    """A shipped recipe by name, or one from a YAML file, with what it takes from those it extends.

    Raises:
        ValueError: there is none, or it is not valid; one line naming the field and the fix.
    """
    return recipe_of(merged_recipe(read_chain(name)), overrides=overrides)


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe's file: of the recipe, and the line with what it extends."""
    schema = Recipe.model_json_schema()
    extends = {
        "title": "Extends",
        "type": "string",
        "description": "Another recipe, whose settings hold where this one says nothing: a shipped "
        "one by its name, or a .yaml file by its path from this file's folder.",
    }
    return {**schema, "properties": {EXTENDS: extends, **schema["properties"]}}


def recipe_file(name: str) -> Path:
    """The file of a shipped recipe, by its name, or of one that is named by its path.

    Raises:
        ValueError: no recipe of that name is shipped.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    known = _shipped_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}" if close else ""
        raise ValueError(
            f"{name!r}: not among the shipped ones ({', '.join(known)}){hint}; "
            "name a recipe of your own by its .yaml file"
        )
    return _FOLDER / f"{name}.yaml"


def read_chain(name: str) -> list[Written]:
    """A recipe as it is written, then the one that it extends, then the one that this extends.

    Args:
        name: of a shipped recipe, or the path of one.

    Raises:
        ValueError: one of them cannot be read, or they extend each other in a circle; one line.
    """
    try:
        path = recipe_file(name)
    except ValueError as error:
        raise ValueError(f"RECIPE {error}") from None
    chain, paths = [_read(path, f"recipe {path.name}")], [path]
    while (extends := (chain[-1].entries or {}).get(EXTENDS)) is not None:
        try:
            paths.append(_parent_file(extends.value, paths))
            named = extends.value if paths[-1].parent == _FOLDER else paths[-1]
            chain.append(_read(paths[-1], f"recipe {named}"))
        except ValueError as error:
            raise ValueError(f"{chain[-1].source}: {EXTENDS}: {error}") from None
    return chain


def _parent_file(name: Any, paths: Sequence[Path]) -> Path:
    """The file of the recipe that the last of several files extends.

    Raises:
        ValueError: there is none, or it is one of those files; one line.
    """
    if not isinstance(name, str):
        raise ValueError("name one recipe, shipped or by its .yaml file")  # noqa: TRY004 - a user's
    path = paths[-1].parent / recipe_file(name)
    if not path.is_file():
        raise ValueError(
            f"there is no file {path}: name a shipped recipe, or a .yaml file by its path from the "
            f"folder of {paths[-1].name}"
        )
    if path.resolve() in [earlier.resolve() for earlier in paths]:
        circle = " -> ".join(each.name for each in (*paths, path))
        raise ValueError(f"{circle} goes in a circle: take one `{EXTENDS}` out")
    return path


def _shipped_names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def _read(path: Path, source: str) -> Written:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)  # one that is larger is refused by its length
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe {path}: cannot be read: {' '.join(str(error).split())}") from None
    return read_written_recipe(text, source=source)
