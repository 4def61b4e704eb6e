"""Numbers that are names: what becomes of a column `id` that is no text."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.planning.used_columns import used_columns
from pipeline.recipe import parse_recipe
from pipeline.runs.reselect import choose, write_manifest
from pipeline.runs.verify import verify
from tests.conftest import MakeManifest
from tests.unit.past import past_run

INTEGERS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]


def ids(uri: str, **how: Any) -> list[str]:
    recipe = parse_recipe("name: mine", source="mine")
    planner = Planner(recipe=recipe, manifest=open_manifest(uri, **how))
    planner.check()
    found: list[str] = pa.concat_tables(list(planner.tables()))["id"].to_pylist()
    return found


def manifest(make_manifest: MakeManifest, values: pa.Array) -> str:
    return make_manifest(id=values, image_uri=["1.jpg"] * len(values), prompt=["oak"] * len(values))


@pytest.mark.parametrize("type_", INTEGERS, ids=str)
def test_whole_numbers_are_ids_to_the_last_digit(
    make_manifest: MakeManifest, type_: pa.DataType
) -> None:
    largest = int(np.iinfo(type_.to_pandas_dtype()).max)
    uri = manifest(make_manifest, pa.array([largest, 7, largest - 1], type_))
    assert ids(uri) == [str(largest), "7", str(largest - 1)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3.0, 12.0]),
        pa.array([3.0, 12.0], pa.float32()),
        pa.array(np.array([3, 12], np.float16)),
        pa.array([Decimal("3.0"), Decimal("12.0")], pa.decimal128(5, 1)),
        pa.array([3, 12]).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
def test_whole_numbers_in_other_clothes_are_ids(
    make_manifest: MakeManifest, values: pa.Array
) -> None:
    assert ids(manifest(make_manifest, values)) == ["3", "12"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (pa.array([3.5, 12.0]), "was truncated"),
        (pa.array([2.0**53 + 2, 12.0]), "9007199254740994 stands for several"),
        (pa.array([2.0**24 + 2], pa.float32()), "16777218 stands for several"),
        (pa.array(np.array([2050], np.float16)), "2050 stands for several"),
        (pa.array([Decimal("3.5")], pa.decimal128(5, 1)), "Rescaling"),
        (pa.array([float("inf")]), "inf stands for several"),
    ],
)
def test_numbers_that_are_no_names_are_refused(
    make_manifest: MakeManifest, values: pa.Array, why: str
) -> None:
    uri = manifest(make_manifest, values)
    with pytest.raises(ValueError, match=r"column 'id' is .+, and not all .* whole") as refused:
        ids(uri)
    assert why in str(refused.value)
    assert uri in str(refused.value)


def test_a_number_that_is_missing_or_there_twice_is_refused(make_manifest: MakeManifest) -> None:
    with pytest.raises(ValueError, match="is null in 1 rows"):
        ids(manifest(make_manifest, pa.array([1.0, float("nan")])))
    with pytest.raises(ValueError, match="has '7' 2 times"):
        ids(manifest(make_manifest, pa.array([7, 1, 7])))


def test_a_condition_compares_them_as_numbers_and_as_text(make_manifest: MakeManifest) -> None:
    uri = manifest(make_manifest, pa.array([2, 10, 300]))
    assert ids(uri, where="id > 5") == ["10", "300"]
    assert ids(uri, where="id IN ('2', '300')") == ["2", "300"]
    assert ids(uri, where="CAST(id AS VARCHAR) LIKE '1%'") == ["10"]


def test_whole_numbers_of_json_lines_are_ids(tmp_path: Path) -> None:
    lines = [{"id": number, "image_uri": "1.jpg", "prompt": "oak"} for number in (2**53 + 1, 7)]
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert ids(str(path)) == ["9007199254740993", "7"]


UUIDS = [uuid.UUID(int=0), uuid.UUID("B3F2C4D6-4758-4522-8FF6-AA3A27B351DE"), uuid.UUID(int=7)]


def of_uuids(path: Path, made_with: str) -> str:
    """A manifest with ids, and a column `k`, that are UUIDs; of three rows."""
    if made_with == "pandas":
        rows = {"id": UUIDS, "image_uri": "1.jpg", "prompt": "oak", "k": UUIDS}
        pd.DataFrame(rows).to_parquet(path)
    elif made_with == "pyarrow":
        values = pa.array([one.bytes for one in UUIDS], pa.uuid())
        table = {"id": values, "image_uri": ["1.jpg"] * 3, "prompt": ["oak"] * 3, "k": values}
        pq.write_table(pa.table(table), path)
    else:  # which notes nothing for Arrow beside Parquet's own type
        listed = ", ".join(f"('{one}'::uuid)" for one in UUIDS)
        duckdb.sql(
            f"COPY (SELECT x AS id, '1.jpg' AS image_uri, 'oak' AS prompt, x AS k "
            f"FROM (VALUES {listed}) t(x)) TO '{path}' (FORMAT parquet)"
        )
    return str(path)


@pytest.mark.parametrize("made_with", ["pandas", "pyarrow", "DuckDB"])
def test_uuids_are_ids_in_small_letters_and_stay_what_they_are_elsewhere(
    tmp_path: Path, made_with: str
) -> None:
    uri, names = of_uuids(tmp_path / "m.parquet", made_with), [str(one) for one in UUIDS]
    assert ids(uri) == names
    assert ids(uri, where=f"id = '{names[1]}'") == names[1:2]
    assert ids(uri, where=f"k = '{names[2]}'") == names[2:]
    recipe = parse_recipe("{name: mine, keep: [k], prompt: {template: '{k}'}}", source="mine")
    planner = Planner(recipe=recipe, manifest=open_manifest(uri))
    planner.check()
    (plan,) = planner.tables()
    assert plan["k"].type == pa.uuid()
    assert plan["k"].to_pylist() == UUIDS


def test_uuids_of_two_tools_are_one_column(tmp_path: Path) -> None:
    for name in ("pandas", "pyarrow", "DuckDB"):
        of_uuids(tmp_path / f"{name}.parquet", name)
    manifest = open_manifest(str(tmp_path))
    names = [str(one) for one in UUIDS]
    assert [id_ for batch, _ in manifest.batches(["id"]) for id_ in batch["id"].to_pylist()] == (
        names * 3
    )


def test_uuids_go_through_nights_and_come_back(tmp_path: Path) -> None:
    uri, output = of_uuids(tmp_path / "m.parquet", "DuckDB"), str(tmp_path / "out")
    recipe = parse_recipe("{name: mine, keep: [k]}", source="mine")
    lost = RowError(ErrorCode.NOT_FOUND, "nothing there")
    names = [str(one) for one in UUIDS]
    first = past_run(output, "r1", uri, {names[1]: lost}, recipe=recipe)
    verdict = verify(first.uri)
    assert (verdict.num_planned, verdict.num_rows, verdict.findings) == (3, 3, ())
    night = past_run(output, "r2", uri, recipe=recipe, nightly=True)
    assert (night.num_planned, night.num_unchanged) == (0, 3)
    chosen = choose(output, f"error is not null and k = '{names[1]}'")
    assert chosen is not None
    assert write_manifest(chosen, str(tmp_path / "again"), used=used_columns(recipe)) == 1
    assert ids(str(tmp_path / "again")) == names[1:2]


def test_an_id_that_is_absent_is_told(make_manifest: MakeManifest) -> None:
    values = pa.array([UUIDS[1].bytes, None], pa.uuid())
    with pytest.raises(ValueError, match="'id' is null in 1 rows"):
        ids(manifest(make_manifest, values))


def test_sixteen_bytes_that_nobody_calls_a_uuid_are_no_id(make_manifest: MakeManifest) -> None:
    values = pa.array([one.bytes for one in UUIDS], pa.binary(16))
    with pytest.raises(ValueError, match=r"'id' must be string, is fixed_size_binary\[16\]: write"):
        open_manifest(manifest(make_manifest, values))
