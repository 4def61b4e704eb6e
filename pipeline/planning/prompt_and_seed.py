"""The prompt, the seed and the colour of a row: its own, or what the recipe says instead."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from decimal import Decimal
from math import isinf
from typing import Any

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.compositing.solid_colors import Rgb8, parse_color, solid_color
from pipeline.manifest.shots import Brief
from pipeline.recipe import Recipe
from pipeline.tables import MOST_OF_COLUMN
from pipeline.text.printable import counted

MAX_SEED = 2**31 - 1
"""Seeds are below it."""


def template_columns(template: str | None) -> list[str]:
    """The manifest columns a prompt template names.

    >>> template_columns("{color} kitchen, {season}")
    ['color', 'season']

    Raises:
        ValueError: the template uses more of the format language than plain column names: a
            manifest must not reach into Python objects.
    """
    if template is None:
        return []
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"prompt.template {template!r}: {error}") from None
    names = []
    for _, name, specification, conversion in parsed:
        if name is None:
            continue
        if not name.isidentifier() or specification or conversion:
            raise ValueError(
                f"prompt.template {template!r}: {{{name}}} must be a plain column name in braces"
            )
        names.append(name)
    return names


def resolve_prompt(
    row: Mapping[str, Any], recipe: Recipe, *, color: str | None = None
) -> tuple[str, str]:
    """The prompt of a row and where it comes from: its own, the template's, the default.

    A row that has none of the three but names a background colour is prompted by that.

    Raises:
        RowError: `prompt_missing` if there is none; `bad_request` if the template needs a value
            that is null here, or makes more of the row's than a prompt may have.
    """
    prompt, origin = _prompt_of_any_length(row, recipe, color)
    most = MOST_OF_COLUMN["prompt"]
    if len(prompt) > most:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"prompt has {counted(len(prompt))} characters, at most {most:,} are taken: shorten "
            "it, or what prompt.template puts into it",
        )
    return prompt, origin


def _prompt_of_any_length(
    row: Mapping[str, Any], recipe: Recipe, color: str | None
) -> tuple[str, str]:
    """The prompt and its source, of any length. Raises as `resolve_prompt`."""
    own = row.get("prompt")
    if own is not None and own.strip():
        return own, "manifest"
    template = recipe.prompt.template
    if template is not None:
        values = {name: row[name] for name in template_columns(template)}
        # NaN, which is no number equal to itself, is what some libraries write for null.
        empty = [name for name, value in values.items() if value is None or value != value]
        if not empty:
            return template.format_map({k: str(v) for k, v in values.items()}), "template"
        if recipe.prompt.default is None and color is None:
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"prompt.template needs column {empty[0]!r}, null in this row",
            )
    if recipe.prompt.default is not None:
        return recipe.prompt.default, "default"
    if color is not None:
        return f"a solid {color} background", "background_color"
    raise RowError(
        ErrorCode.PROMPT_MISSING, "prompt is empty and the recipe has no prompt.default: add one"
    )


def resolve_seed(requested: float | Decimal | str | None, sample_id: str) -> int:
    """The row's seed, or one that follows from its identity; in [0, 2^31 - 1).

    Raises:
        RowError: `bad_request`, the seed is text, has a fraction or is below -1 (-1 asks for a
            derived one).
    """
    if isinstance(requested, str):
        raise RowError(ErrorCode.BAD_REQUEST, f"seed {requested[:40]!r} is no whole number")
    # NaN, which is no number equal to itself, is what some libraries write for null.
    if requested is None or requested != requested or requested == -1:
        digest = hashlib.sha256(f"seed\0{sample_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % MAX_SEED
    if isinf(requested) or requested != int(requested):
        raise RowError(ErrorCode.BAD_REQUEST, f"seed {requested} is no whole number")
    if requested < 0:
        raise RowError(ErrorCode.BAD_REQUEST, f"seed {requested} is negative: use 0 or more, or -1")
    return int(requested) % MAX_SEED


def resolve_color(brief: Brief, prompt: str) -> Rgb8 | None:
    """The plain colour a row asks for, by column or by prompt; None: it asks for a scene."""
    if brief.background_color is not None:
        return parse_color(brief.background_color)
    return solid_color(prompt) if brief.solid_colors else None
