from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.recipe import Recipe
from pipeline.runs import merged_view
from pipeline.runs.earlier_runs import current
from pipeline.runs.merged_view import materialise
from pipeline.tables import writing
from pipeline.tables.writing import common_schema, conformed
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


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_GROUP_BYTES", 1)
    monkeypatch.setattr(writing, "_FILE_BYTES", 1)


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


@pytest.mark.usefixtures("small_files")
def test_many_rows_make_many_files(output: str, tmp_path: Path) -> None:
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


def test_a_view_without_rows_is_an_empty_dataset_and_in_nobodys_way(
    output: str, tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe
) -> None:
    target, dead = tmp_path / "merged", str(tmp_path / "dead")
    none = make_manifest("none.parquet", id=["a"], image_uri=["x.jpg"], prompt=["a"])
    past_run(dead, "r1", none, {"a": GONE}, recipe=recipe)
    past_run(dead, "r2", none, recipe=recipe, nightly=True)  # of no rows
    past_run(dead, "r3", none, recipe=recipe, finished=False)
    for empty in (str(tmp_path / "none"), dead, dead):
        assert materialise(current(empty), str(target)) == []
        assert [path.name for path in target.iterdir()] == ["_SUCCESS"]
        assert json.loads((target / "_SUCCESS").read_text()) == {"results": []}
    names = materialise(current(output), str(target))
    assert {path.name for path in target.iterdir()} == {*names, "_SUCCESS"}
    assert pq.read_table(target).num_rows == 5
    for view in (current(dead), current(output)):
        with pytest.raises(ValueError, match="a merged view is there already, and is not replaced"):
            materialise(view, str(target))
    assert pq.read_table(target).num_rows == 5


def test_nothing_is_written_over_an_empty_view_beside_which_something_is(
    output: str, tmp_path: Path
) -> None:
    target = tmp_path / "merged"
    materialise(current(str(tmp_path / "none")), str(target))
    (target / "mine.parquet").write_text("mine")
    with pytest.raises(ValueError, match="name a new folder"):
        materialise(current(output), str(target))
    assert (target / "mine.parquet").read_text() == "mine"


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def killed_after(changes: int) -> Iterator[None]:
    """Let so many changes of the storage happen, and none after them."""
    left = iter(range(changes))

    def until_then(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*given: Any, **named: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return change(*given, **named)

        return changed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "write", until_then(storage.write))
        patch.setattr(storage, "remove", until_then(storage.remove))
        with pytest.raises(Killed):
            yield


@pytest.mark.usefixtures("small_files")
def test_what_a_killed_call_left_the_next_one_takes_away(output: str, tmp_path: Path) -> None:
    changes, finished = 0, False
    while not finished:  # killed at each moment at which there is something else
        changes += 1
        target = tmp_path / f"merged-{changes}"
        with killed_after(changes):
            materialise(current(output), str(target))
        finished = (target / "_SUCCESS").exists()
        if not finished:
            with killed_after(1):
                materialise(current(output), str(target))  # killed while it takes away, or begins
            materialise(current(output), str(target))
            assert not (target / "_UNFINISHED").exists()
        names = json.loads((target / "_SUCCESS").read_text())["results"]
        assert {path.name for path in target.glob("*.parquet")} == set(names)
        assert pq.read_table(target).num_rows == 5
        with pytest.raises(ValueError, match="a merged view is there already, and is not replaced"):
            materialise(current(output), str(target))
    assert changes > 4


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("stops", [KeyboardInterrupt, OSError("no space left"), ValueError("no")])
def test_a_call_that_fails_leaves_no_file(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: Any
) -> None:
    fits, tables = merged_view.conformed, iter(range(2))

    def stop(*given: Any) -> pa.Table:
        if next(tables, None) is None:
            raise stops
        return fits(*given)

    monkeypatch.setattr(merged_view, "conformed", stop)
    with pytest.raises((KeyboardInterrupt, OSError, ValueError)):
        materialise(current(output), str(tmp_path / "merged"))
    monkeypatch.undo()
    assert list((tmp_path / "merged").iterdir()) == []
    assert materialise(current(output), str(tmp_path / "merged"))


@pytest.mark.usefixtures("small_files")
def test_of_two_calls_at_once_the_later_one_prevails(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits, target, other = merged_view.conformed, tmp_path / "merged", list[str]()

    def meanwhile(*given: Any) -> pa.Table:
        monkeypatch.setattr(merged_view, "conformed", fits)
        other.extend(materialise(current(output), str(target)))
        return fits(*given)

    monkeypatch.setattr(merged_view, "conformed", meanwhile)
    with pytest.raises(ValueError, match="another call has begun there meanwhile"):
        materialise(current(output), str(target))
    assert {path.name for path in target.iterdir()} == {*other, "_SUCCESS"}
    assert pq.read_table(target).num_rows == 5


def test_files_of_others_beside_what_a_killed_call_left_are_kept(
    output: str, tmp_path: Path
) -> None:
    for name in ("part-0.parquet", "part-00000.csv", "mine.txt", "mine/a.txt"):
        target = tmp_path / f"merged-{len(list(tmp_path.iterdir()))}"
        (target / name).parent.mkdir(parents=True)
        (target / name).write_text("mine")
        (target / "_UNFINISHED").write_text("")
        with pytest.raises(ValueError, match="something is there already"):
            materialise(current(output), str(target))
        assert (target / name).read_text() == "mine"


def test_a_value_that_no_common_type_holds_is_told_by_column(output: str, tmp_path: Path) -> None:
    for file in Path(output).rglob("results/*.parquet"):
        table = pq.read_table(file, partitioning=None)
        seeds = pa.array([2**53 + 1] * table.num_rows)
        if "run_id=r1" in str(file):
            seeds = seeds.cast("double", safe=False)
        pq.write_table(table.set_column(table.column_names.index("seed"), "seed", seeds), file)
    with pytest.raises(ValueError, match="column 'seed' is int64 in one run and fits double"):
        materialise(current(output), str(tmp_path / "merged"))
    assert not list((tmp_path / "merged").glob("*"))


def test_fitting_widens_and_fills_with_nulls() -> None:
    small = pa.table(
        {"n": pa.array([1], "int32"), "t": pa.array([{"a": 1.0}], pa.struct({"a": "float32"}))}
    )
    other = pa.schema({"n": "int64", "t": pa.struct({"b": "float32"}), "x": "string"})
    both = common_schema([small.schema, other], "these")
    assert conformed(small, both).to_pylist() == [{"n": 1, "t": {"a": 1.0, "b": None}, "x": None}]


def test_files_of_a_run_are_left_as_they_are(output: str, tmp_path: Path, recipe: Recipe) -> None:
    before = {p: p.read_bytes() for p in Path(output).rglob("*") if p.is_file()}
    materialise(current(output), str(tmp_path / "merged"))
    assert {p: p.read_bytes() for p in Path(output).rglob("*") if p.is_file()} == before
