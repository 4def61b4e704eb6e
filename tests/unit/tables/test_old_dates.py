"""INT96, in which Spark up to 3 writes dates: they reach further than nanoseconds do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import parse_recipe
from pipeline.runs.reselect import choose, write_manifest
from pipeline.runs.run_folder import read_unit
from tests.unit.past import past_run

DATES = [
    datetime(1600, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59, 999999),
    datetime(2026, 11, 2),
    None,
]
NAMES = ["old", "end", "new", "none"]


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    at = pa.array(DATES, pa.timestamp("us"))
    nested = pa.array([None if at is None else {"end": at, "n": 1} for at in DATES])
    listed = pa.array([None if at is None else [at, None] for at in DATES])
    table = pa.table(
        {
            "id": NAMES,
            "image_uri": [f"{name}.jpg" for name in NAMES],
            "prompt": ["oak"] * 3 + ["pine"],
            "until": at,
            "nested": nested,
            "listed": listed,
            "zoned": pa.array(
                [d and d.replace(tzinfo=UTC) for d in DATES], pa.timestamp("us", "UTC")
            ),
        }
    )
    path = tmp_path / "m.parquet"
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)
    kinds = {column.physical_type for column in pq.ParquetFile(path).schema}
    assert "INT96" in kinds
    return str(path)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("until > '2026-01-01'", ["end", "new"]),
        ("until < '1970-01-01'", ["old"]),
        ("until = '9999-12-31 23:59:59.999999'", ["end"]),
        ("year(until) = 1600", ["old"]),
        ("until is null", ["none"]),
        ("nested.end >= '9999-01-01'", ["end"]),
        ("listed[1] < '1700-01-01'", ["old"]),
        ("zoned > '2026-01-01' and zoned < '2100-01-01'", ["new"]),
    ],
)
def test_conditions_see_the_dates_that_were_written(
    manifest: str, where: str, ids: list[str]
) -> None:
    opened = open_manifest(manifest, where=where)
    assert [row for batch, _ in opened.batches(["id"]) for row in batch["id"].to_pylist()] == ids


def test_they_are_kept_and_prompted_as_they_are(manifest: str) -> None:
    recipe = parse_recipe(
        "{name: p, keep: [until, nested, listed], prompt: {default: oak}}",
        source="test",
    )
    opened = open_manifest(manifest, where="prompt = 'oak'")
    planner = Planner(recipe=recipe, manifest=opened)
    planner.check()
    rows = [row for table in planner.tables() for row in table.to_pylist()]
    assert [row["until"] for row in rows] == DATES[:3]
    assert [row["nested"]["end"] for row in rows] == DATES[:3]
    assert [row["listed"] for row in rows] == [[at, None] for at in DATES[:3]]


def test_a_template_writes_them_as_they_are(tmp_path: Path) -> None:
    table = pa.table(
        {"id": NAMES, "image_uri": ["x"] * 4, "until": pa.array(DATES, pa.timestamp("us"))}
    )
    path = tmp_path / "m.parquet"
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)
    recipe = parse_recipe("{name: p, prompt: {template: 'since {until}'}}", source="test")
    planner = Planner(recipe=recipe, manifest=open_manifest(str(path)))
    rows = [row for table in planner.tables() for row in table.to_pylist()]
    assert [row["prompt"] for row in rows[:3]] == [f"since {at}" for at in DATES[:3]]
    assert rows[3]["error"]["code"] == "bad_request"


@pytest.mark.parametrize("is_heavy", [False, True])
def test_a_run_and_one_after_it_carry_them(tmp_path: Path, manifest: str, is_heavy: bool) -> None:
    if is_heavy:  # photographs in the file are read by another way
        table = open_manifest(manifest)
        table = pa.Table.from_batches(list(table.raw_batches(table.schema.names)))
        table = table.append_column("image", pa.array([b"\xff\xd8"] * 4))
        pq.write_table(table, manifest, use_deprecated_int96_timestamps=True, store_schema=False)
    recipe = parse_recipe("{name: plain, keep: [until]}", source="test")
    output = str(tmp_path / "out")
    ledger = past_run(output, "r1", manifest, recipe=recipe)
    (unit,) = ledger.pending([], rows_per_block=10)
    assert read_unit(ledger.uri, unit)["until"].to_pylist() == DATES
    chosen = choose(output, "until >= '9999-01-01' or until < '1700-01-01'")
    assert chosen is not None
    assert write_manifest(chosen, str(tmp_path / "new"), used=[]) == 2
    again: list[dict[str, Any]] = pq.read_table(tmp_path / "new").to_pylist()
    assert [(row["id"], row["until"]) for row in again] == [("old", DATES[0]), ("end", DATES[1])]
    assert again[1]["nested"]["end"] == DATES[1]


def test_nothing_reads_a_manifest_by_another_door() -> None:
    root = Path(__file__).parents[3]
    folders = ("tables", "manifest")
    sources = [path for name in folders for path in (root / "pipeline" / name).rglob("*.py")]
    texts = {path.name: path.read_text() for path in sources}
    doors = [name for name, text in texts.items() if re.search(r"Parquet(File|FileFormat)\(", text)]
    assert "parquet.py" in doors
    for name in doors:
        opened = len(re.findall(r"Parquet(?:File|FileFormat|ReadOptions)\(", texts[name]))
        assert texts[name].count('coerce_int96_timestamp_unit="us"') >= min(opened, 2), name
