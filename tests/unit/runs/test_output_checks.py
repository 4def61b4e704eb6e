from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from pipeline.runs.output_checks import (
    check_apart,
    check_lease,
    check_named,
    check_writable,
    folders_as_before,
)


@pytest.mark.parametrize(
    ("output", "manifest"),
    [
        ("/data/m.parquet", "/data/m.parquet"),
        ("s3://b/catalog", "s3://b/catalog"),
        ("/data", "/data"),
        ("/data/out", "/data"),
        ("s3://b/catalog/deep/out", "s3://b/catalog"),
        ("/data/out", "/data/**/*.parquet"),
        ("/data/out", "/data/**"),
        ("/data", "/data/*/results/*.parquet"),
        ("/data", "/data/run_id=[a-z]/results/part-?.parquet"),
        ("/data", "/data/run_id=x"),
    ],
)
def test_an_output_that_the_next_manifest_would_read_is_refused(output: str, manifest: str) -> None:
    with pytest.raises(ValueError, match=f"--output {output}: (that is|lies within) the manifest"):
        check_apart(output, manifest)


@pytest.mark.parametrize(
    ("output", "manifest"),
    [
        ("/data", "/data/m.parquet"),
        ("/data/out", "/data/m.parquet"),
        ("/data", "/data/catalog"),
        ("/database", "/data"),
        ("/data/out", "/data/*.parquet"),
        ("/data", "/data/2030-[0-9][0-9]/*.parquet"),
        ("s3://b/out", "s3://b/catalog"),
        ("s3://b/data", "/data"),
    ],
)
def test_an_output_beside_the_manifest_is_fine(output: str, manifest: str) -> None:
    check_apart(output, manifest)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("", "is empty: name a folder"),
        (" ", "is empty: name a folder"),
        ("s3://", "names no bucket"),
        ("s3:///x", "names no bucket"),
        ("ftp://host/x", "nothing can be written to ftp://"),
        ("https://host/x", "nothing can be written to https://"),
        ("a\0b", "holds a NUL character"),
        ("file:///a%00b", "holds a NUL character"),
    ],
)
def test_an_output_that_is_no_place_is_refused(output: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^--output .*{said}"):
        check_named(output)


@pytest.mark.parametrize("output", ["x", "/data", "s3://b", "s3://b/", "s3://b/x", "file:///x"])
def test_an_output_that_is_a_place_is_fine(output: str) -> None:
    check_named(output)


def test_trying_to_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for output in (tmp_path / "there", tmp_path / "new" / "deep"):
        check_writable(str(output))
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


@pytest.mark.parametrize(
    ("output", "fix"),
    [
        ("file/out", "a part of that path is a file"),
        ("file", "a file, or a link that leads nowhere, is where a folder is to be"),
        ("x" * 300, ""),
        ("x/" * 3000, ""),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, output: str, fix: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=rf"--output .*: cannot be written: .+{fix}"):
        check_writable(str(tmp_path / output))
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_folders_that_hold_something_stay(tmp_path: Path) -> None:
    with folders_as_before(str(tmp_path / "a" / "b")):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "mine").write_text("x")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "mine"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(ValueError, match=r"can hold no lease: .*no locks for files \(flock\)"):
        check_lease(str(tmp_path / "out"), is_exclusive=True)
    assert list(tmp_path.rglob("*")) == []


def test_a_home_that_nobody_has_is_a_wrong_request() -> None:
    with pytest.raises(ValueError, match="no home folder is known: write the whole path"):
        check_writable("~nobody-of-that-name/out")
