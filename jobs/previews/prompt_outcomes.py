"""Prompts before and after, as a table: what a recipe would make of a manifest's words."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from jobs.terminal.screen import console
from pipeline.engine.isolation import isolate
from pipeline.engine.stage import Stage
from pipeline.errors import Outcome, RowError
from pipeline.flow import stages
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.tables import AS_IT_IS, Reading, python_rows
from pipeline.text.printable import visible

_ROWS = 64
"""Taken through the stages at a time."""
_NO_RUN = "nowhere/run_id=none"
"""There is no dataset: nothing is written."""

Row = Mapping[str, Any]


def print_prompts(
    recipe: Recipe,
    manifest_uri: str,
    *,
    where: str | None,
    limit: int | None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Print a row for every prompt, and how many were changed, refused or fell back.

    Raises:
        ValueError: the manifest or the recipe cannot be used.
        FatalError: a model or a policy cannot be used.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "before", "after", "source", "notes"):
        table.add_column(heading, overflow="fold")
    counted: Counter[str] = Counter()
    outcomes = prompt_outcomes(recipe, manifest_uri, where=where, limit=limit, reading=reading)
    for row, outcome in outcomes:
        table.add_row(*(Text(visible(cell)) for cell in _cells(row, outcome)))
        counted[_kind(row, outcome)] += 1
    # A terminal's width; a file or a pipe gets lines that are not folded into nothing.
    shown = console(width=None if sys.stdout.isatty() else 200)
    shown.print(table)
    shown.print(
        Text("  ".join(f"{count:,} {kind}" for kind, count in sorted(counted.items()))),
        style="bold",
    )


def prompt_outcomes(
    recipe: Recipe,
    manifest_uri: str,
    *,
    where: str | None = None,
    limit: int | None = None,
    reading: Reading = AS_IT_IS,
) -> Iterator[tuple[Row, Outcome]]:
    """Each planned row, and what the prompt stage makes of it, in this process.

    Photographs are fetched and cut out only if the recipe's language model looks at them.
    """
    recipe = _without_traces(recipe)
    manifest = open_manifest(manifest_uri, where=where, limit=limit, reading=reading)
    planner = Planner(recipe=recipe, manifest=manifest)
    planner.check()
    needed = _needed(stages(recipe, manifest, _NO_RUN))
    mappers = [(stage, stage.mapper(stage.config)) for stage in needed]
    for table in planner.tables(planner.recipe.fetch.looker(schemes=())):
        rows, _ = python_rows(table)  # what is kept may be nothing that Python has
        for first in range(0, len(rows), _ROWS):
            batch = rows[first : first + _ROWS]
            outcomes: list[Outcome] = [_planned(row) for row in batch]
            for _, mapper in mappers:
                outcomes = _through(mapper.map_batch, outcomes)
            yield from zip(batch, outcomes, strict=True)


def _without_traces(recipe: Recipe) -> Recipe:
    """The recipe, writing no answers down and not looking up photographs' versions."""
    prompt, fetch = recipe.prompt, recipe.fetch.model_copy(update={"versions": "none"})
    if prompt.enhancer is not None:
        forgetful = prompt.enhancer.model_copy(update={"remember": False})
        prompt = prompt.model_copy(update={"enhancer": forgetful})
    return recipe.model_copy(update={"fetch": fetch, "prompt": prompt})


def _needed(listed: list[Stage]) -> list[Stage]:
    """The prompt stage, and those before it if it needs what they add."""
    index = next(i for i, stage in enumerate(listed) if stage.name == "prompt")
    added = {name for stage in listed[:index] for name in stage.adds.names}
    return listed[: index + 1] if added & set(listed[index].reads) else [listed[index]]


def _planned(row: dict[str, Any]) -> Outcome:
    error = row["error"]
    return row if error is None else RowError(error["code"], error["message"])


def _through(map_batch: Any, outcomes: list[Outcome]) -> list[Outcome]:
    alive = [outcome for outcome in outcomes if not isinstance(outcome, RowError)]
    made = iter(isolate(map_batch, alive))
    through: list[Outcome] = []
    for outcome in outcomes:
        if isinstance(outcome, RowError):
            through.append(outcome)
            continue
        added = next(made)
        through.append(added if isinstance(added, RowError) else {**outcome, **added})
    return through


def _cells(row: Row, outcome: Outcome) -> tuple[str, ...]:
    before = row["prompt"] or ""
    if isinstance(outcome, RowError):
        return row["id"], before, "", str(outcome.code), outcome.message
    fallback = outcome["prompt_fallback"]
    notes = [*([f"fell back: {fallback}"] if fallback else []), *outcome["prompt_notes"]]
    return row["id"], before, outcome["final_prompt"], outcome["prompt_source"], "; ".join(notes)


def _kind(row: Row, outcome: Outcome) -> str:
    if isinstance(outcome, RowError):
        return "refused"
    if outcome["prompt_fallback"]:
        return "fell back"
    return "unchanged" if outcome["final_prompt"] == row["prompt"] else "changed"
