"""What no row could survive, refused before anything is planned.

Columns that do not fit the recipe, a selection without rows, and ids that cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.manifest.columns import (
    brief_columns,
    check_doubtful,
    check_names,
    check_untyped,
    has_words,
)
from pipeline.manifest.rows import Manifest
from pipeline.manifest.shots import Brief, read_brief, shots
from pipeline.planning.kept_columns import KeptColumns
from pipeline.planning.prompt_and_seed import template_columns
from pipeline.recipe import Recipe

_COLORING = frozenset({"background_color", "channel"})
"""Columns by which a row can ask for a background without a prompt."""
_EXPANDING = frozenset({"num_results", "placement"})
"""Columns by which a row can ask for several results."""


def check_columns_fit(
    recipe: Recipe, manifest: Manifest, kept: KeptColumns, *, read: Sequence[str]
) -> None:
    """Refuse a manifest whose columns do not fit the recipe.

    Args:
        recipe: says which columns are looked at, and how.
        manifest: has them, or does not.
        kept: the columns that travel to the result.
        read: the columns that planning reads.

    Raises:
        ValueError: one line naming the column or field and the fix.
    """
    names = [*manifest.schema.names, *manifest.table.conflicts]
    config = recipe.prompt
    config.check_key()
    used = [*template_columns(config.template), *config.columns]
    check_names(manifest, ignored=recipe.ignore_columns, used=used)
    columns = brief_columns(manifest, recipe.ignore_columns)
    kept.check()
    for name in template_columns(config.template):
        if name not in names:
            raise ValueError(
                f"prompt.template: the manifest has no column {name!r}; it has {names}"
            )
        type_ = manifest.field(name).type
        if not has_words(type_):
            raise ValueError(
                f"prompt.template: the manifest's column {name!r} is {type_}, of which no "
                "words can be made: take another one, or write it as text"
            )
    check_untyped(manifest, [*columns, "seed"])
    check_doubtful(manifest, read)
    colored = not _COLORING.isdisjoint(columns) or _default(recipe).background_color is not None
    prompted = "prompt" in names or config.template or config.default is not None
    if not (prompted or colored):
        raise ValueError(
            "manifest has no column 'prompt' and the recipe no prompt.default or "
            "prompt.template: add one of the three"
        )


def check_ids(recipe: Recipe, manifest: Manifest) -> None:
    """Refuse rows that cannot be told apart, or none at all.

    Raises:
        ValueError: one line naming the id and the fix.
    """
    if manifest.is_empty():
        raise ValueError(
            f"manifest {manifest.uri} selects no row: check --where and --limit, or the manifest"
        )
    problems = manifest.unsound_ids()
    if problems:
        (worst, times), more = problems[0], len(problems) - 1
        what = f"is null in {times} rows" if worst is None else f"has {worst!r} {times} times"
        also = f" ({'at least ' if more == 4 else ''}{more} more such)" if more else ""
        raise ValueError(
            f"manifest column 'id' {what}{also}: ids must be present and unique; select one "
            "row of each with --where, or say which column is unique, such as --map id='sku'"
        )
    if _may_expand(recipe, manifest) and (clash := manifest.clashing_ids()) is not None:
        raise ValueError(
            f"manifest column 'id' has {clash[0]!r} and {clash[1]!r}: several results of the "
            "first could be called like the second; rename one"
        )


def _may_expand(recipe: Recipe, manifest: Manifest) -> bool:
    """Whether a row may come to several results."""
    columns = brief_columns(manifest, recipe.ignore_columns)
    return len(shots(_default(recipe), None)) > 1 or not _EXPANDING.isdisjoint(columns)


def _default(recipe: Recipe) -> Brief:
    """The brief of a row that asks for nothing."""
    return read_brief({}, recipe.brief, columns=())
