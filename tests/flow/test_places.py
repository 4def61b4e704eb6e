"""Places that fail a run midway: a full disk, one that may not be written, a folder deleted."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from jobs.cli import main
from tests.flow import pictures
from tests.flow.drivers import ALONE
from tests.flow.test_nightly import outcomes
from tests.flow.test_run import write_manifest

pytestmark = pytest.mark.ray

NUM_ROWS = 20
RUN_ID = "places"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A run of many small rows, below a folder `out` that is yet to be made."""
    names = [f"sku-{number}" for number in range(NUM_ROWS)]
    images = {f"{name}.png": pictures.with_alpha(shift_px=n) for n, name in enumerate(names)}
    pictures.write_all(tmp_path / "catalog", images)
    rows = [{"id": name, "image_uri": f"{name}.png", "prompt": "oak"} for name in names]
    manifest = write_manifest(tmp_path / "catalog", rows)
    return [
        *("run", "studio", "--manifest", str(manifest), "--output", str(tmp_path / "out")),
        *("--run-id", RUN_ID, "--set", "input.max_megapixels=2", *ALONE),
    ]


@contextmanager
def disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own, of this size; a test that may not mount one is skipped."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said.rstrip("\n").rpartition("\n")[2]


def num_done(run: Path) -> int:
    return len(list((run / "results").glob("*.parquet")))


def when_some_are_done(run: Path, do: object) -> threading.Thread:
    """Do something as soon as the first results of a run are there."""

    def watch() -> None:
        while not num_done(run):
            time.sleep(0.02)
        do()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_full_disk_is_one_line_and_with_more_room_the_same_command_goes_on(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "out" / f"run_id={RUN_ID}"
    with disk(tmp_path / "out", "700k"):
        assert main(command) == 1
        line = last_line(capsys)
        assert line.startswith("backlot: error: ")
        assert f"{run}/" in line
        assert "No space left on device: make room there, or name another place" in line
        done = {file: file.read_bytes() for file in (run / "results").glob("*.parquet")}
        assert 0 < len(done) < NUM_ROWS
        assert not list(run.rglob(".writing-*"))
        assert not (run / "_SUCCESS").exists()
        assert not (run / "lease.json").exists()
        remount(tmp_path / "out", "size=64m")
        assert main(command) == 0
        assert outcomes(run) == {f"sku-{n}": "ok" for n in range(NUM_ROWS)}
        assert {file: file.read_bytes() for file in done} == done
        assert main(["verify", str(run)]) == 0


def test_a_disk_with_no_room_at_all_is_refused_before_any_work(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with disk(tmp_path / "out", "64k"):
        (tmp_path / "out" / "full").write_bytes(bytes(60 * 1024))
        with (tmp_path / "out" / "full").open("ab") as file, pytest.raises(OSError, match="space"):
            file.write(bytes(64 * 1024))
        assert main(command) == 2
        assert "No space left on device" in last_line(capsys)


def test_an_output_that_becomes_read_only_is_one_line(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "out" / f"run_id={RUN_ID}"
    # The whole disk cannot be closed: the driver holds its lease open there.
    closed = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(run / "results")]
    with disk(tmp_path / "out", "64m"):
        closing = when_some_are_done(run, lambda: subprocess.run(closed, check=True))
        assert main(command) == 1
        closing.join()
        line = last_line(capsys)
        assert f"{run}/results/" in line
        assert "Read-only file system: let this account write there" in line
        subprocess.run(["umount", str(run / "results")], check=True)
        kept = num_done(run)
        assert kept > 0
        assert main(command) == 0
        assert num_done(run) > kept
        assert main(["verify", str(run)]) == 0


def test_an_output_deleted_midway_is_one_line_and_is_not_made_anew(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "out" / f"run_id={RUN_ID}"
    for folder in (run.parent, run):
        deleting = when_some_are_done(run, partial(shutil.rmtree, folder, ignore_errors=True))
        assert main(command) == 1
        deleting.join()
        line = last_line(capsys)
        assert line.startswith(f"backlot: error: {run}")
        assert "deleted or moved" in line
        assert not run.exists()
    assert main(command) == 0
    assert main(["verify", str(run)]) == 0


def test_a_report_that_cannot_be_written_is_one_line(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "out" / f"run_id={RUN_ID}"
    assert main([*command, "--limit", "2"]) == 0
    (run / "report.html").unlink()
    (run / "report.html" / "in the way").mkdir(parents=True)
    capsys.readouterr()
    assert main(["report", str(run)]) == 1
    assert last_line(capsys) == f"backlot: error: {run}/report.html: Is a directory"
