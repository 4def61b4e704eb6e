from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.recipe import Recipe
from pipeline.runs.result_files import write_result
from pipeline.runs.run_folder import Ledger
from pipeline.runs.verify import verify
from tests.conftest import MakeManifest
from tests.unit.past import files_of, past_run

GONE = RowError(ErrorCode.NOT_FOUND, "nothing there")


@pytest.fixture
def manifest(make_manifest: MakeManifest) -> str:
    names = [f"shoe-{n}" for n in range(6)]
    return make_manifest(id=names, image_uri=["x.jpg"] * 6, prompt=["sand"] * 6)


@pytest.fixture
def run(manifest: str, tmp_path: Path, recipe: Recipe) -> Ledger:
    return past_run(str(tmp_path / "out"), "r1", manifest, {"shoe-5": GONE}, recipe=recipe)


def objects(run: Ledger) -> list[Path]:
    return sorted(path for path in Path(run.uri, "images").rglob("*") if path.is_file())


def found(run: Ledger) -> dict[str, int]:
    return {finding.kind: finding.count for finding in verify(run.uri).findings}


def test_a_sound_run_has_no_findings(run: Ledger) -> None:
    verdict = verify(run.uri)
    assert verdict.findings == ()
    assert (verdict.num_planned, verdict.num_rows) == (6, 6)
    assert (verdict.num_files, verdict.num_objects) == (3, 5)


def test_objects_that_are_gone_or_cut_off_are_found(run: Ledger) -> None:
    gone, torn, *_ = objects(run)
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:-1])
    findings = {finding.kind: str(finding) for finding in verify(run.uri).findings}
    assert findings.keys() == {"missing objects", "torn objects"}
    assert gone.name in findings["missing objects"]
    size = torn.stat().st_size
    assert f"{torn.name} of {size} bytes, its row has {size + 1}" in findings["torn objects"]


def test_an_object_without_a_copy_in_its_row_must_not_be_empty(
    manifest: str, tmp_path: Path, recipe: Recipe
) -> None:
    thin = recipe.model_copy(
        update={"output": recipe.output.model_copy(update={"image_column": False})}
    )
    run = past_run(str(tmp_path / "out"), "r1", manifest, recipe=thin)
    first, second, *_ = objects(run)
    first.write_bytes(b"other")
    assert found(run) == {}
    second.write_bytes(b"")
    assert found(run) == {"torn objects": 1}


def test_files_that_are_gone_or_torn_are_found_and_their_rows_lost(run: Ledger) -> None:
    gone, torn, _ = files_of(run)
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:-30])
    assert found(run) == {"missing files": 1, "torn files": 1, "lost ids": 4}


def test_a_file_torn_in_the_middle_is_found(run: Ledger) -> None:
    file = files_of(run)[0]
    data = bytearray(file.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    file.write_bytes(bytes(data))
    assert found(run)["torn files"] == 1


def test_doubled_and_foreign_rows_are_found(run: Ledger) -> None:
    table = pq.read_table(files_of(run)[0], partitioning=None)
    write_result(run.uri, table.slice(0, 1))
    stranger = table.set_column(0, "sample_id", pa.array(["stranger"] * table.num_rows))
    write_result(run.uri, stranger.slice(1))
    run.succeed(run.committed())
    assert found(run) == {"duplicated ids": 1, "unexpected ids": 1}


def test_an_unfinished_run_says_so(manifest: str, tmp_path: Path, recipe: Recipe) -> None:
    run = past_run(str(tmp_path / "out"), "r1", manifest, recipe=recipe, finished=False)
    assert found(run) == {"unfinished": 1}
    files_of(run)[0].unlink()
    assert found(run) == {"unfinished": 1, "lost ids": 2}


def test_examples_are_few_and_the_count_is_whole(run: Ledger) -> None:
    for file in files_of(run):
        file.unlink()
    (lost,) = (f for f in verify(run.uri).findings if f.kind == "lost ids")
    assert (lost.count, lost.examples) == (6, tuple(f"shoe-{n}" for n in range(5)))
    assert str(lost) == "lost ids: 6 (shoe-0, shoe-1, shoe-2, shoe-3, shoe-4, ...)"


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run\.json there"):
        verify(str(tmp_path))
