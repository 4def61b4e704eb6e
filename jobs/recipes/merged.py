"""A recipe with all that it takes from those it extends, as YAML that stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from jobs.recipes import read_chain, recipe_file
from pipeline.recipe import merged_recipe, recipe_of
from pipeline.text.written_settings import Written
from pipeline.text.yaml_text import yaml_line


def merged_text(name: str) -> str:
    """The YAML of a recipe, by which a run is the same run.

    What is from a recipe that it extends is marked with the name of that one. What no file says is
    left out: it has its default.

    Args:
        name: of a shipped recipe, or the path of one.

    Raises:
        ValueError: as `load_recipe`.
    """
    chain = read_chain(name)
    written = merged_recipe(chain)
    values = recipe_of(written).model_dump(mode="json", exclude_unset=True)
    names = ", which extends ".join(_name(each) for each in chain)
    lines = (f"# Recipe {names}", *_remarks(recipe_file(name)), *_lines(written, values, written))
    return "".join(f"{line}\n" for line in lines)


def _name(written: Written) -> str:
    return written.source.removeprefix("recipe ")


def _remarks(path: Path) -> list[str]:
    """The comments at the head of a recipe's file, which name the licences of its weights."""
    with path.open(encoding="utf-8") as file:
        return [line.rstrip() for line in takewhile(lambda line: line.startswith("#"), file)]


def _lines(
    section: Written, values: Mapping[str, Any], whole: Written, indent: str = ""
) -> Iterator[str]:
    """The fields of a section that files set, in the order of the model, each with its origin."""
    for name, value in values.items():
        entry = (section.entries or {}).get(name)
        if entry is None:  # the model has filled it in
            continue
        key = f"{indent}{yaml_line(name)}:"
        if entry.entries and isinstance(value, Mapping):
            yield key
            yield from _lines(entry, value, whole, f"{indent}  ")
        else:
            origin = "" if entry.source == whole.source else f"  # from {_name(entry)}"
            yield f"{key} {yaml_line(value)}{origin}"
