from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import schema
from pipeline.errors import ErrorCode, RowError
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs import result_files
from pipeline.runs.result_files import (
    ResultWriter,
    Tally,
    committed_files,
    read_committed,
    read_receipt,
    tally,
)
from tests.conftest import MakeFinished


def write(run: Path, recipe: Recipe, *tables: pa.Table) -> list[Tally]:
    run.mkdir(exist_ok=True)
    writer = ResultWriter(str(run), "r1", recipe)
    return [read_receipt(writer(table)) for table in tables]


def read_back(run: Path) -> pa.Table:
    (uri,) = committed_files(str(run))
    return pq.read_table(uri, partitioning=None)


def with_columns(table: pa.Table, fields: Sequence[pa.Field]) -> pa.Table:
    for field in fields:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


@pytest.fixture
def table(make_finished: MakeFinished, not_found: RowError) -> pa.Table:
    return make_finished({"a": b"picture a", "b": not_found, "c": b"picture c"})


def test_pictures_too_large_for_one_chunk_are_written_all_the_same(
    tmp_path: Path, recipe: Recipe, table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_files, "_MOST_BYTES", 10)
    write(tmp_path, recipe, table)
    images = read_back(tmp_path)["image"].to_pylist()
    assert [image and image["bytes"] for image in images] == [b"picture a", None, b"picture c"]


def test_a_result_file_has_a_row_for_every_row(
    tmp_path: Path, recipe: Recipe, table: pa.Table
) -> None:
    write(tmp_path, recipe, table)
    rows = read_back(tmp_path).to_pylist()
    assert [row["sample_id"] for row in rows] == ["a", "b", "c"]
    assert [row["image"] and row["image"]["bytes"] for row in rows] == [
        b"picture a",
        None,
        b"picture c",
    ]
    assert [row["error"] and row["error"]["code"] for row in rows] == [None, "not_found", None]
    assert {(row["run_id"], row["recipe"], row["config_hash"]) for row in rows} == {
        ("r1", "plain", recipe.config_hash)
    }


def test_columns_come_in_the_declared_order_with_the_kept_ones_before_the_error(
    tmp_path: Path, table: pa.Table
) -> None:
    recipe = parse_recipe("name: mine\nkeep: [title, brand]\noutput: {alpha: true}", source="mine")
    extra = [pa.field("brand", pa.string()), schema.SEED, schema.ID, pa.field("title", pa.string())]
    write(tmp_path, recipe, with_columns(table, [f.with_nullable(nullable=True) for f in extra]))
    names = read_back(tmp_path).column_names
    *ordered, error = schema.RESULT_ORDER
    assert names == [n for n in ordered if n in names] + ["title", "brand", error]
    assert {"alpha", "seed", "id", "image"} <= set(names)


def test_columns_on_their_way_are_not_in_the_file(
    tmp_path: Path, recipe: Recipe, table: pa.Table
) -> None:
    write(tmp_path, recipe, table)
    assert "picture" not in read_back(tmp_path).column_names
    assert read_back(tmp_path)["alpha"].to_pylist() == [None] * 3


def test_files_of_all_recipes_have_one_type(tmp_path: Path, table: pa.Table) -> None:
    schemas = []
    for name, output in {
        "one": "{}",
        "two": "{alpha: true}",
        "three": "{image_objects: false}",
    }.items():
        recipe = parse_recipe(f"name: {name}\noutput: {output}", source=name)
        write(tmp_path / name, recipe, table)
        schemas.append(read_back(tmp_path / name).schema)
    assert schemas[0].equals(schemas[1], check_metadata=True)
    assert schemas[0].equals(schemas[2], check_metadata=True)
    assert [child.name for child in schemas[0].field("timings").type] == [
        "fetch_s", "matte_s", "prompt_s", "render_s", "store_s"
    ]  # fmt: skip


def test_the_code_of_an_error_stands_by_itself(
    tmp_path: Path, recipe: Recipe, table: pa.Table
) -> None:
    write(tmp_path, recipe, table)
    found = read_back(tmp_path)
    codes = [error and error["code"] for error in found["error"].to_pylist()]
    assert found["error_code"].to_pylist() == codes
    assert "not_found" in codes
    assert None in codes


def test_files_read_as_a_list_are_one_table(
    tmp_path: Path, recipe: Recipe, table: pa.Table
) -> None:
    for run_id in ("one", "two"):
        write(tmp_path / f"run_id={run_id}", recipe, table)
    files = sorted(map(str, tmp_path.rglob("*.parquet")))
    assert len(files) == 2
    assert pq.read_table(files).num_rows == 6
    assert len(pd.read_parquet(files)) == 6


def test_columns_explain_themselves(tmp_path: Path, recipe: Recipe, table: pa.Table) -> None:
    write(tmp_path, recipe, table)
    for field in read_back(tmp_path).schema:
        assert field.metadata[b"description"]


def test_pictures_may_live_in_objects_only(tmp_path: Path, table: pa.Table) -> None:
    recipe = parse_recipe("name: mine\noutput: {image_column: false}", source="mine")
    paths = pa.array(["images/a.jpg", None, "images/c.jpg"])
    write(tmp_path, recipe, table.append_column(schema.IMAGE_PATH, paths))
    assert read_back(tmp_path)["image"].to_pylist() == [
        {"bytes": None, "path": "images/a.jpg"},
        None,
        {"bytes": None, "path": "images/c.jpg"},
    ]


def test_a_picture_that_could_not_be_stored_is_no_result(
    tmp_path: Path, recipe: Recipe, table: pa.Table
) -> None:
    failed = {"stage": "store", "code": "storage", "message": "slow down", "retryable": True}
    errors = pa.array([failed, None, None], schema.ERROR_TYPE)
    index = table.column_names.index("error")
    pictures = table["picture"].to_pylist()
    assert pictures[0] is not None
    write(tmp_path, recipe, table.set_column(index, schema.ERROR, errors))
    first = read_back(tmp_path).to_pylist()[0]
    assert first["error"]["code"] == "storage"
    assert first["image"] is None


def test_a_file_may_hold_failures_only(
    tmp_path: Path, recipe: Recipe, make_finished: MakeFinished, not_found: RowError
) -> None:
    (counted,) = write(tmp_path, recipe, make_finished({"a": not_found, "b": not_found}))
    assert counted.failed == counted.rows == 2
    back = read_back(tmp_path)
    assert back["image"].null_count == 2
    assert back.schema.field("image").type.names == ["bytes", "path"]


def test_files_of_one_run_have_one_schema(
    tmp_path: Path, recipe: Recipe, make_finished: MakeFinished, not_found: RowError
) -> None:
    tables = [make_finished({"a": b"x"}), make_finished({"b": not_found})]
    write(tmp_path, recipe, *tables)
    one, other = (pq.read_schema(uri) for uri in committed_files(str(tmp_path)))
    assert one.equals(other, check_metadata=True)


def test_hugging_face_datasets_reads_the_pictures(
    tmp_path: Path,
    recipe: Recipe,
    make_finished: MakeFinished,
    not_found: RowError,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write(tmp_path / "run", recipe, make_finished({"a": buffer.getvalue(), "b": not_found}))
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(
        "parquet",
        data_files=committed_files(str(tmp_path / "run")),
        cache_dir=str(tmp_path / "cache"),
        split="train",
    )
    assert isinstance(loaded.features["image"], datasets.Image)
    picture: Any = loaded[0]["image"]
    assert isinstance(picture, Image.Image)
    np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert loaded[1]["image"] is None


def test_what_is_written_again_is_the_same_file_and_anything_else_is_another(
    tmp_path: Path, recipe: Recipe, table: pa.Table, make_finished: MakeFinished
) -> None:
    write(tmp_path, recipe, table, table)
    assert len(committed_files(str(tmp_path))) == 1
    write(tmp_path, recipe, table.slice(0, 2))
    assert len(committed_files(str(tmp_path))) == 2
    write(tmp_path, recipe, make_finished(dict.fromkeys(["a", "b", "c"], b"other")))
    assert len(committed_files(str(tmp_path))) == 3


def test_writing_twice_gives_the_same_bytes(
    tmp_path: Path, recipe: Recipe, table: pa.Table
) -> None:
    write(tmp_path / "one", recipe, table)
    write(tmp_path / "two", recipe, table)
    (one,), (two,) = committed_files(str(tmp_path / "one")), committed_files(str(tmp_path / "two"))
    assert Path(one).name == Path(two).name
    assert Path(one).read_bytes() == Path(two).read_bytes()


def test_a_receipt_says_what_is_in_the_file(
    tmp_path: Path, recipe: Recipe, table: pa.Table
) -> None:
    (receipt,) = write(tmp_path, recipe, table)
    (committed,), torn = read_committed(str(tmp_path))
    assert receipt == committed.tally
    assert committed.sample_ids.to_pylist() == ["a", "b", "c"]
    assert torn == []


def test_a_tally_counts_codes_stages_and_seconds(table: pa.Table) -> None:
    assert tally(table) == Tally(
        rows=3,
        codes={"not_found": 1},
        stages={"fetch": 1},
        seconds={"fetch": 1.5, "render": 4.0},
    )


def test_a_tally_of_failures_has_no_seconds_for_stages_they_never_met(
    make_finished: MakeFinished, not_found: RowError
) -> None:
    assert tally(make_finished({"a": not_found})).seconds == {"fetch": 0.5}


def test_tallies_add_up() -> None:
    one = Tally(rows=3, codes={"storage": 1}, stages={"fetch": 1}, seconds={"fetch": 1.0})
    other = Tally(rows=2, codes={"storage": 1, "too_small": 1}, stages={"fetch": 1, "matte": 1})
    both = one + other
    assert (both.rows, both.failed) == (5, 3)
    assert both.codes == {"storage": 2, "too_small": 1}
    assert both.stages == {"fetch": 2, "matte": 1}
    assert both.seconds == {"fetch": 1.0}
    assert sum([one, other], Tally()) == both


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_can_be_counted(make_finished: MakeFinished, code: ErrorCode) -> None:
    assert tally(make_finished({"a": RowError(code, "m")})).codes == {str(code): 1}


@pytest.mark.parametrize("size", [0, 3, 50, 0.5, -1])
def test_a_torn_file_is_told_from_a_whole_one(
    tmp_path: Path, recipe: Recipe, table: pa.Table, size: float
) -> None:
    write(tmp_path, recipe, table)
    (uri,) = committed_files(str(tmp_path))
    whole = Path(uri).read_bytes()
    cut = size if isinstance(size, int) else int(len(whole) * size)
    (tmp_path / "results" / "part-torn.parquet").write_bytes(whole[:cut])
    committed, torn = read_committed(str(tmp_path))
    assert [file.file for file in committed] == [Path(uri).name]
    assert torn == [str(tmp_path / "results" / "part-torn.parquet")]


def test_a_run_without_results_has_none(tmp_path: Path) -> None:
    assert read_committed(str(tmp_path)) == ([], [])
