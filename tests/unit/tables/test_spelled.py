"""Numbers that are names: what becomes of a column `id` that is no text."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.manifest import open_manifest
from pipeline.plan import Planner
from pipeline.recipe import parse_recipe
from tests.conftest import MakeManifest

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
