"""A column of every Arrow type that Parquet can hold, unused and kept, through every command."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from jobs.running import run as jobs_run
from pipeline.tables import Portable
from tests.flow import pictures
from tests.flow.drivers import ALONE
from tests.hostile.arrow_types import columns

pytestmark = pytest.mark.ray

# Bytes that are no text cost their row where they are kept, which other tests are about.
KEPT = {name: column for name, column in columns().items() if name != "no utf-8"}
PLAIN = ["--set", "brief.background_color=white", *ALONE]  # nothing is drawn


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of two rows with all of the columns."""
    folder = tmp_path_factory.mktemp("types")
    pictures.write_all(folder, {"a.jpg": pictures.jpeg((80, 60)), "b.jpg": b"no picture"})
    rows = {"id": ["a", "b"], "image_uri": ["a.jpg", "b.jpg"], "prompt": ["oak"] * 2}
    pq.write_table(pa.table({**rows, **columns()}), folder / "manifest.parquet")
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def no_cluster(*_: object, **__: object) -> None:
    raise AssertionError("Ray is started for nothing")


def test_all_types_at_once_are_kept_as_they_are_through_every_command(
    catalogue: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, output = catalogue / "manifest.parquet", catalogue / "kept"
    asked = ["studio", "--manifest", str(manifest), "--output", str(output)]
    asked += [*PLAIN, "--set", f"keep={json.dumps(list(KEPT))}", "--set", "budget.max_failures=2"]
    assert main(["run", *asked, "--dry-run"]) == 0
    assert "2 rows selected" in said(capsys)
    assert not output.exists()
    assert main(["nightly", *asked, "--run-id", "one"]) == 0
    assert "2 rows: 1 with a picture, 1 failed" in said(capsys)
    assert main(["verify", str(output / "run_id=one")]) == 0

    # What a manifest's file gives back, and what of that every reader can live with.
    stored = pq.read_table(manifest).slice(0, 1)
    merged = catalogue / "merged"
    assert main(["current", str(output), "--materialise", str(merged)]) == 0
    found = pq.read_table(merged)
    for name in KEPT:
        assert found[name].type == kept_type(stored[name].type), name
        assert are_equal(found[name], stored[name].cast(found[name].type, safe=False)), name

    (catalogue / "b.jpg").write_bytes(pictures.jpeg((80, 60)))
    capsys.readouterr()
    again = ["reprocess", str(output), "--where", "error_code IS NOT NULL", "--run-id", "two"]
    assert main(again) == 0
    assert "1 rows: 1 with a picture, 0 failed" in said(capsys)
    assert main(["current", str(output), "--materialise", str(catalogue / "both")]) == 0
    both = pq.read_table(catalogue / "both")
    assert sorted(both["sample_id"].to_pylist()) == ["a", "b"]
    assert both.schema.field("float16") == found.schema.field("float16")

    monkeypatch.setattr(jobs_run, "run_cluster", no_cluster)
    capsys.readouterr()
    assert main(["nightly", *asked]) == 0
    assert "nothing to do: 2 rows are unchanged since earlier runs" in said(capsys)


def kept_type(type_: pa.DataType) -> pa.DataType:
    """Of a type in a manifest's file, what every reader can live with."""
    laid_out = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return Portable().of(laid_out.get(type_, type_))


def are_equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    # As text as well: not-a-number is not equal to itself.
    return one.equals(other) or repr(one.to_pylist()) == repr(other.to_pylist())


def test_columns_that_nobody_uses_are_no_matter(
    catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, output = catalogue / "manifest.parquet", catalogue / "unused"
    asked = ["studio", "--manifest", str(manifest), "--output", str(output), *PLAIN]
    asked += ["--set", "budget.max_failures=2", "--where", "id = 'a'"]
    assert main(["run", *asked, "--dry-run"]) == 0
    assert "1 rows selected" in said(capsys)
    assert main(["run", *asked, "--run-id", "one"]) == 0
    assert "1 rows: 1 with a picture, 0 failed" in said(capsys)
    (file,) = output.glob("run_id=one/results/*.parquet")
    assert not set(pq.read_schema(file).names) & set(columns())
    assert main(["reprocess", str(output), "--where", "width > 0", "--run-id", "two"]) == 0
    assert "1 rows: 1 with a picture, 0 failed" in said(capsys)
