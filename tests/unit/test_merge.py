from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import merge
from pipeline.errors import ErrorCode, RowError
from pipeline.history import current
from pipeline.merge import fitted, materialise, unified
from pipeline.recipe import Recipe
from tests.conftest import MakeManifest
from tests.unit.past import past_run

GONE = RowError(ErrorCode.NOT_FOUND, "nothing there")


@pytest.fixture
def output(tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe) -> str:
    """Two runs; the second keeps a column more, and failed at one row."""
    output = str(tmp_path / "dataset")
    names = [f"shoe-{n}" for n in range(5)]
    manifest = make_manifest(
        id=names, image_uri=["x.jpg"] * 5, prompt=["sand"] * 5, brand=list("ABCDE")
    )
    past_run(output, "r1", manifest, recipe=recipe)
    branded = recipe.model_copy(update={"keep": ("brand",)})
    past_run(output, "r2", manifest, {"shoe-3": GONE}, recipe=branded)
    return output


def test_the_merged_dataset_has_every_sample_once_under_one_schema(
    output: str, tmp_path: Path
) -> None:
    target = tmp_path / "merged"
    names = materialise(current(output), str(target))
    assert json.loads((target / "_SUCCESS").read_text()) == {"results": names}
    rows = [row for name in names for row in pq.read_table(target / name).to_pylist()]
    by_id = {row["sample_id"]: row for row in rows}
    assert len(rows) == len(by_id) == 5
    assert by_id["shoe-3"]["run_id"] == "r1"
    assert by_id["shoe-3"]["brand"] is None
    assert by_id["shoe-0"]["brand"] == "A"
    for row in rows:
        stored = Path(row["run_uri"], row["image_path"]).read_bytes()
        assert stored == row["image"]["bytes"]
        assert stored.endswith(row["run_id"].encode())


def test_many_rows_make_many_files(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "_GROUP_BYTES", 1)
    monkeypatch.setattr(merge, "_FILE_BYTES", 1)
    names = materialise(current(output), str(tmp_path / "merged"))
    assert len(names) > 1
    assert sum(pq.read_metadata(tmp_path / "merged" / name).num_rows for name in names) == 5


def test_a_place_that_is_taken_is_refused(output: str, tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    (target / "precious.txt").write_text("mine")
    for place in (target, target / "precious.txt"):
        with pytest.raises(ValueError, match="something is there already"):
            materialise(current(output), str(place))
    assert [path.name for path in target.iterdir()] == ["precious.txt"]


def test_columns_of_two_types_are_refused_by_name(output: str, tmp_path: Path) -> None:
    file = next(Path(output).glob("run_id=r2/results/*.parquet"))
    table = pq.read_table(file, partitioning=None)
    position = table.column_names.index("seed")
    pq.write_table(table.set_column(position, "seed", table["seed"].cast(pa.string())), file)
    with pytest.raises(ValueError, match=r"columns of these runs do not fit.*seed.*int64.*string"):
        materialise(current(output), str(tmp_path / "merged"))
    assert not (tmp_path / "merged").exists()


def test_an_empty_view_is_an_empty_dataset(tmp_path: Path) -> None:
    assert materialise(current(str(tmp_path / "none")), str(tmp_path / "merged")) == []
    assert json.loads((tmp_path / "merged" / "_SUCCESS").read_text()) == {"results": []}


def test_fitting_widens_and_fills_with_nulls() -> None:
    small = pa.table(
        {"n": pa.array([1], "int32"), "t": pa.array([{"a": 1.0}], pa.struct({"a": "float32"}))}
    )
    other = pa.schema({"n": "int64", "t": pa.struct({"b": "float32"}), "x": "string"})
    both = unified([small.schema, other], "these")
    assert fitted(small, both).to_pylist() == [{"n": 1, "t": {"a": 1.0, "b": None}, "x": None}]


def test_files_of_a_run_are_left_as_they_are(output: str, tmp_path: Path, recipe: Recipe) -> None:
    before = {p: p.read_bytes() for p in Path(output).rglob("*") if p.is_file()}
    materialise(current(output), str(tmp_path / "merged"))
    assert {p: p.read_bytes() for p in Path(output).rglob("*") if p.is_file()} == before
