from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.runs import identity
from pipeline.runs.identity import Identity, Request, identify

NOW = datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
FRESH = "20300506T070809123-plain"
REQUEST = Request(manifest="/m.parquet", where=None, limit=None, config_hash="c0ffee")
OTHER = replace(REQUEST, manifest="/n.parquet")
_REST = {
    "parent": [],
    "condition": None,
    "image_root": "/",
    "recipe": {},
    "plan": {"rows": 1, "files": []},
    "unchanged": 0,
}

Begin = Callable[..., None]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    def begin(run_id: str, request: Request = REQUEST, *, day: int = 1, done: bool) -> None:
        folder = tmp_path / f"run_id={run_id}"
        folder.mkdir()
        document = {
            "run_id": run_id,
            "created_at": datetime(2030, 5, day, tzinfo=UTC).isoformat(),
            "request": request.as_json(),
            **_REST,
        }
        folder.joinpath("run.json").write_text(json.dumps(document))
        if done:
            folder.joinpath("_SUCCESS").write_text('{"results": []}')

    return begin


def meant(output: Path, *, unchanged: bool = True, **options: Any) -> Identity:
    return identify(
        str(output),
        REQUEST,
        "plain",
        clock=lambda: NOW,
        is_unchanged=lambda _: unchanged,
        **options,
    )


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders of the runs that were read, in order."""
    folders: list[str] = []
    read_document = identity.read_document

    def noting(folder: str, name: str) -> Any:
        folders.append(folder.rpartition("run_id=")[2])
        return read_document(folder, name)

    monkeypatch.setattr(identity, "read_document", noting)
    return folders


def test_who_goes_on_with_the_newest_run_reads_no_other(
    begin: Begin, tmp_path: Path, read: list[str]
) -> None:
    for number in range(40):
        begin(f"r{number:02d}", done=number < 39)
    assert meant(tmp_path) == Identity(run_id="r39")
    assert read == ["r39"]


def test_many_runs_are_read_at_once(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(33):
        begin(f"r{number:02d}", OTHER, done=True)
    together = threading.Barrier(32)
    read_document = identity.read_document

    def waiting(folder: str, name: str) -> Any:
        if not folder.endswith("r32"):  # the newest is read by itself
            together.wait(timeout=10)  # raises where fewer are under way
        return read_document(folder, name)

    monkeypatch.setattr(identity, "read_document", waiting)
    assert meant(tmp_path) == Identity(run_id=FRESH, has_others=True)


def test_an_unfinished_run_of_the_request_is_meant_wherever_it_is(
    begin: Begin, tmp_path: Path
) -> None:
    begin("a", done=False)
    begin("b", done=False)
    for name in "cdefg":
        begin(name, OTHER, done=False)
    begin("h", done=True)
    assert meant(tmp_path) == Identity(run_id="b")
    assert meant(tmp_path, again=True) == Identity(run_id="b")


def test_of_finished_runs_the_one_that_was_started_last_is_meant_if_nothing_has_changed(
    begin: Begin, tmp_path: Path
) -> None:
    begin("a", day=3, done=True)
    begin("b", day=2, done=True)
    begin("c", OTHER, day=4, done=True)
    anew = Identity(run_id=FRESH, comes_after="a", has_others=True)
    assert meant(tmp_path) == Identity(run_id="a", is_unchanged=True)
    assert meant(tmp_path, unchanged=False) == anew
    assert meant(tmp_path, again=True) == anew


def test_folders_that_are_no_runs_are_not_read(
    begin: Begin, tmp_path: Path, read: list[str]
) -> None:
    begin("a", done=False)
    for name in ("_prompt-answers", "zz-notes"):
        tmp_path.joinpath(name).mkdir()
    assert meant(tmp_path) == Identity(run_id="a")
    assert read == ["a"]
    tmp_path.joinpath("run_id=b").mkdir()  # was killed before its plan was complete
    assert meant(tmp_path) == Identity(run_id="a")


def test_a_run_that_is_named_is_meant_without_a_look_at_others(
    begin: Begin, tmp_path: Path, read: list[str]
) -> None:
    begin("a", done=False)
    assert meant(tmp_path, run_id="mine") == Identity(run_id="mine")
    assert read == []
    with pytest.raises(ValueError, match="--run-id"):
        meant(tmp_path, run_id="../up")
