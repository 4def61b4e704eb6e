"""Which columns of a manifest a recipe looks at, and which it keeps: the others are not read."""

from __future__ import annotations

from pipeline.manifest.picture_columns import PHOTOGRAPH_COLUMNS
from pipeline.manifest.shots import COLUMNS
from pipeline.planning.prompt_and_seed import template_columns
from pipeline.recipe import Recipe


def deciding_columns(recipe: Recipe) -> list[str]:
    """The columns whose values decide something, where they are there."""
    config = recipe.prompt
    named = ["id", *PHOTOGRAPH_COLUMNS, "mask_uri", "prompt", "seed"]
    named += [*template_columns(config.template), *config.columns]
    of_brief = [name for name in COLUMNS if name not in recipe.ignore_columns]
    return list(dict.fromkeys([*named, *of_brief]))


def used_columns(recipe: Recipe) -> list[str]:
    """The columns that a recipe looks at or keeps, where they are there."""
    return list(dict.fromkeys([*deciding_columns(recipe), *recipe.keep]))
