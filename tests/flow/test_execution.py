from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import ray

from pipeline import schema
from pipeline.engine.on_ray.execution import execute
from pipeline.engine.on_ray.worker_registry import RemoteRescues, start_registry
from pipeline.engine.rescued_rows import Rescued
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import ErrorCode, FatalError, Outcome, Row, RowError

pytestmark = pytest.mark.ray

SMALL = Resources(num_cpus=0.5, max_actors=2)
DOUBLE = pa.schema([("double", pa.int64())])


class Doubler:
    """Doubles; some numbers have other effects."""

    def __init__(self, config: dict[int, str]) -> None:
        self._effects = config

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        return [self._double(row["number"]) for row in rows]

    def _double(self, number: int) -> Outcome:
        match self._effects.get(number):
            case "die":
                os._exit(1)
            case "refuse":
                return RowError(ErrorCode.BAD_REQUEST, "no")
            case "bug":
                raise ZeroDivisionError
            case "fatal":
                raise FatalError("weights are missing at /nowhere")
        return {"double": 2 * number}


class Again:
    """Doubles what the stage before it doubled."""

    def __init__(self, config: None) -> None:
        pass

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        return [{"quadruple": 2 * row["double"]} for row in rows]


class NoMapper:
    def __init__(self, config: object) -> None:
        raise FatalError("weights are missing at /nowhere")


def read(numbers: Sequence[int]) -> pa.Table:
    count = len(numbers)
    return pa.table(
        {
            "sample_id": [str(number) for number in numbers],
            "number": pa.array(numbers, pa.int64()),
            "error": pa.nulls(count, schema.ERROR_TYPE),
        }
    )


def write(folder: Path, table: pa.Table) -> str:
    codes = [error and error["code"] for error in table["error"].to_pylist()]
    lines = [
        f"{id_} {double} {code}"
        for id_, double, code in zip(
            table["sample_id"].to_pylist(), table["double"].to_pylist(), codes, strict=True
        )
    ]
    (folder / table["sample_id"][0].as_py()).write_text("\n".join(lines))
    return "receipt"


def write_again(folder: Path, table: pa.Table) -> str:
    rows = table.select(["sample_id", "double", "quadruple"]).to_pylist()
    lines = [" ".join(str(value) for value in row.values()) for row in rows]
    (folder / rows[0]["sample_id"]).write_text("\n".join(lines))
    return "receipt"


def run(
    tmp_path: Path,
    effects: dict[int, str],
    mapper=Doubler,
    *,
    max_strikes: int = 2,
    max_row_seconds: float = 600,
) -> dict[int, str]:
    stage = Stage(
        name="double",
        mapper=mapper,
        config=effects,
        reads=("number",),
        adds=DOUBLE,
        batch_size=4,
        resources=SMALL,
    )
    units = [range(first, first + 8) for first in range(0, 32, 8)]
    receipts = execute(
        units,
        read,
        [stage],
        partial(write, tmp_path),
        columns=["sample_id", "number", "error"],
        most_rows=8,
        max_strikes=max_strikes,
        max_row_seconds=max_row_seconds,
    )
    assert len(list(receipts)) == len(units)
    lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    found = {int(line.split()[0]): line.partition(" ")[2] for line in lines}
    assert len(found) == len(lines)
    return found


def test_one_out_per_in_whatever_becomes_of_the_neighbours(tmp_path):
    found = run(tmp_path, {3: "refuse", 9: "bug", 17: "die"})
    expected = {number: f"{2 * number} None" for number in range(32)}
    expected |= {3: "None bad_request", 9: "None unexpected", 17: "None killed_worker"}
    assert found == expected


@pytest.mark.parametrize(("effects", "mapper"), [({5: "fatal"}, Doubler), ({}, NoMapper)])
def test_what_no_row_survives_stops_the_run_and_says_why(tmp_path, effects, mapper):
    with pytest.raises(FatalError, match="weights are missing at /nowhere"):
        run(tmp_path, effects, mapper)


def test_rows_go_from_pool_to_pool_and_each_unit_is_written_whole(tmp_path):
    first = Stage(
        name="double",
        mapper=Doubler,
        config={3: "refuse", 5: "die"},
        reads=("number",),
        adds=DOUBLE,
        batch_size=4,
        resources=SMALL,
    )
    second = Stage(
        name="again",
        mapper=Again,
        config=None,
        reads=("double",),
        adds=pa.schema([("quadruple", pa.int64())]),
        batch_size=3,
        resources=SMALL,
    )
    units = [[0, 1, 2], [3, 4, 5, 6], [7]]
    receipts = execute(
        units,
        read,
        [first, second],
        partial(write_again, tmp_path),
        columns=["sample_id", "number", "error"],
        most_rows=4,
        max_strikes=2,
        max_row_seconds=600,
    )
    assert len(list(receipts)) == len(units)
    assert {file.name: file.read_text().split("\n") for file in tmp_path.iterdir()} == {
        "0": ["0 0 0", "1 2 4", "2 4 8"],
        "3": ["3 None None", "4 8 16", "5 None None", "6 12 24"],
        "7": ["7 14 28"],
    }


def test_a_registry_that_is_lost_is_a_connection_that_failed():
    registry = start_registry()
    ray.get(registry.open_rows.remote())
    ray.kill(registry)
    with pytest.raises(ConnectionError):
        RemoteRescues(registry).rescue(Rescued(receipt="1", ids=frozenset({"a"})))
