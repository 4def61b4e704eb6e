"""What becomes of a manifest, in a word: a row of the table that docs/manifests.md shows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import parse_recipe
from pipeline.tables import parse_reading
from tests.manifests.made import IDS, MADE, ROWS, Made

_RECIPE = "{name: suite, prompt: {default: oak}}"


def planned(made: Made, folder: Path) -> list[dict[str, Any]]:
    """The plan's rows of what was written. Raises ValueError where it is refused."""
    made.write(folder)
    manifest = open_manifest(
        str(folder / made.name) if made.name else str(folder),
        where=made.where,
        reading=parse_reading(made.maps, delimiter=made.delimiter, encoding=made.encoding),
    )
    recipe = parse_recipe(_RECIPE, source="suite").model_copy(update={"keep": made.columns})
    planner = Planner(recipe=recipe, manifest=manifest)
    planner.check()
    return [row for table in planner.tables() for row in table.to_pylist()]


def wrong(made: Made, rows: list[dict[str, Any]]) -> str | None:
    """What is not as it was written; None: nothing."""
    if sorted(row["id"] for row in rows) != sorted(made.ids):
        return f"ids {[row['id'] for row in rows]}"
    failed = [row["error"] for row in rows if row["error"] is not None]
    if failed:
        return f"rows fail: {failed[0]}"
    if {row["prompt"] for row in rows} != {"oak"}:
        return f"prompts {sorted({row['prompt'] for row in rows})}"
    written = {row["id"]: row for row in ROWS}
    for row in rows:
        for name in made.columns:
            meant = written[row["id"]][name]
            if str(row[name]).replace("\r\n", "\n") != meant:
                return f"{name} of {row['id']!r} is {row[name]!r} and was {meant!r}"
    return None


def outcome(made: Made) -> tuple[int, str]:
    """How many rows are accepted, and what is said."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = planned(made, Path(folder))
        except ValueError as error:
            said = str(error).replace(folder, "").removeprefix("manifest ")
            return 0, f"refused: {said}"
        return len(rows), wrong(made, rows) or "as written"


def table() -> str:
    """The table, in Markdown."""
    lines = ["| made with | version | what | rows | outcome |", "|---|---|---|---|---|"]
    for made in MADE:
        if made.version is None:
            lines.append(f"| {made.tool} | not installed | {made.what} | | not tried |")
            continue
        rows, said = outcome(made)
        cells = [made.tool, made.version, made.what, f"{rows} of {len(IDS)}", said]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)
