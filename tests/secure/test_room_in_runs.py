"""Rows that are put off for want of room, in actors of Ray: each comes out once, killers too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.engine.on_ray.execution import execute
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import Outcome, Postponed, Row
from tests.flow.test_execution import read

pytestmark = pytest.mark.secure

SIZE = 10_000
ROOM = 3
KILLER = 5


class Reader:
    """Brings a file for each row, for as many rows as there is room for."""

    def __init__(self, _: None) -> None:
        """It opens nothing."""

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        if any(row["number"] == KILLER for row in rows[:ROOM]):
            os._exit(1)
        read = [{"file": bytes([row["number"]]) * SIZE} for row in rows[:ROOM]]
        return [*read, *(Postponed() for _ in rows[ROOM:])]


class Measurer:
    """Says how much came with each row."""

    def __init__(self, _: None) -> None:
        """It opens nothing."""

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        return [{"size": len(row["file"]), "first": row["file"][0]} for row in rows]


def write(folder: Path, table: pa.Table) -> str:
    rows = table.select(["sample_id", "size", "first", "error"]).to_pylist()
    lines = [
        f"{row['sample_id']} {row['size']} {row['first']} {row['error'] and row['error']['code']}\n"
        for row in rows
    ]
    with (folder / "written").open("a") as file:
        file.write("".join(lines))
    return "receipt"


@pytest.mark.parametrize("pool", ["together", None])
def test_rows_that_are_put_off_come_out_once(
    tmp_path: Path, local_ray: None, pool: str | None
) -> None:
    resources = Resources(num_cpus=0.5, max_actors=2, pool=pool)
    reader = Stage(
        name="reader",
        mapper=Reader,
        config=None,
        reads=("number",),
        adds=pa.schema([("file", pa.binary())]),
        batch_size=8,
        part_bytes=ROOM * SIZE,
        resources=resources,
    )
    measurer = Stage(
        name="measurer",
        mapper=Measurer,
        config=None,
        reads=("file",),
        adds=pa.schema([("size", pa.int64()), ("first", pa.int64())]),
        drops=("file",),
        batch_size=8,
        resources=resources,
    )
    units = [range(first, first + 8) for first in range(0, 32, 8)]
    receipts = execute(
        units,
        read,
        [reader, measurer],
        partial(write, tmp_path),
        columns=["sample_id", "number", "error"],
        most_rows=8,
        max_strikes=2,
        max_row_seconds=600,
    )
    assert set(receipts) == {"receipt"}
    lines = (tmp_path / "written").read_text().splitlines()
    expected = {f"{number} {SIZE} {number} None" for number in range(32) if number != KILLER}
    assert sorted(lines) == sorted({*expected, f"{KILLER} None None killed_worker"})
