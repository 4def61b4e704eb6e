"""A dataset's README.md, by which `datasets` takes the table and not the files of pictures."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.recipe import Recipe
from pipeline.runs.earlier_runs import current
from pipeline.runs.merged_view import materialise
from pipeline.runs.verify import verify
from tests.conftest import MakeManifest
from tests.unit.past import past_run

NAMES = [f"shoe-{n}" for n in range(5)]


@pytest.fixture
def output(tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe) -> Path:
    """Two runs of five pictures, less one, each in three files; their ids name splits to some."""
    buffer = io.BytesIO()
    Image.new("RGB", (7, 5)).save(buffer, "PNG")
    manifest = make_manifest(id=NAMES, image_uri=["x.jpg"] * 5, prompt=["sand"] * 5)
    outcomes: dict[str, Any] = dict.fromkeys(NAMES, buffer.getvalue())
    past_run(str(tmp_path / "dataset"), "nightly-test", manifest, outcomes, recipe=recipe)
    outcomes["shoe-3"] = RowError(ErrorCode.NOT_FOUND, "nothing there")
    past_run(str(tmp_path / "dataset"), "tuesday", manifest, outcomes, recipe=recipe)
    return tmp_path / "dataset"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`load_dataset`, with its caches in a folder of the test's."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()

    def load(folder: Path, **named: Any) -> list[dict[str, Any]]:
        found = datasets.load_dataset(
            str(folder), split="train", cache_dir=str(tmp_path / "cache"), **named
        )
        return list(found)

    return load


def test_datasets_takes_a_dataset_or_a_run_for_its_rows_though_there_are_more_pictures(
    output: Path, load: Any, tmp_path: Path
) -> None:
    results, images = list(output.rglob("*.parquet")), list(output.rglob("images/*/*"))
    assert len(images) > len(results)
    for named in ({}, {"streaming": True}):
        rows = load(output, **named)
        assert sorted(row["sample_id"] for row in rows) == sorted(NAMES * 2)
        sizes = [row["image"] and row["image"].size for row in rows]
        assert sizes.count((7, 5)) == 9
        assert [row["error_code"] for row in rows if row["image"] is None] == ["not_found"]
    for run in ("nightly-test", "tuesday"):
        assert {row["run_id"] for row in load(output / f"run_id={run}")} == {run}
        chosen = load(output, data_files=f"run_id={run}/results/*.parquet")
        assert [row["run_id"] for row in chosen] == [run] * 5
    materialise(current(str(output)), str(tmp_path / "merged"))
    assert sorted(row["sample_id"] for row in load(tmp_path / "merged")) == NAMES


def test_a_card_is_written_once_and_left_to_its_owner(
    output: Path, make_manifest: MakeManifest, recipe: Recipe
) -> None:
    card = output / "README.md"
    assert "configs:" in card.read_text()
    card.write_text("# Our chairs")
    manifest = make_manifest(id=["a"], image_uri=["x.jpg"], prompt=["sand"])
    past_run(str(output), "later", manifest, recipe=recipe)
    assert card.read_text() == "# Our chairs"
    assert "configs:" in (output / "run_id=later" / "README.md").read_text()


def test_nothing_that_counts_a_run_counts_its_card(output: Path) -> None:
    assert verify(str(output / "run_id=tuesday")).findings == ()
    assert current(str(output)).num_rows == 5


def test_who_may_not_write_beside_the_runs_is_told_what_that_means(
    tmp_path: Path,
    make_manifest: MakeManifest,
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write, output = storage.write, str(tmp_path / "dataset")

    def allowed(uri: str, data: bytes, **named: Any) -> int:
        if "/run_id=" not in uri:
            raise PermissionError("s3://shop/README.md: access denied")
        return write(uri, data, **named)

    monkeypatch.setattr(storage, "write", allowed)
    manifest = make_manifest(id=["a"], image_uri=["x.jpg"], prompt=["sand"])
    with caplog.at_level(logging.WARNING):
        past_run(output, "r1", manifest, recipe=recipe)
    assert current(output).num_rows == 1
    (said,) = [record.getMessage() for record in caplog.records]
    assert "README.md is left out, so load_dataset(" in said
    assert "access denied" in said
