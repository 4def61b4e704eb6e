from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from pipeline.engine.isolation import isolate
from pipeline.errors import FatalError
from pipeline.imaging.writing.encoding import OutputFormat
from pipeline.stages.store import OutputConfig, StoreMapper
from pipeline.storage.object_names import object_path

AS_THE_RECIPE = {"output_format": None}


def mapper(run: Path) -> StoreMapper:
    return StoreMapper(OutputConfig(), run_uri=str(run), format=OutputFormat.JPEG)


def test_pictures_are_stored_where_their_rows_say(tmp_path: Path) -> None:
    rows = [
        {"sample_id": f"shoe/{n}", "picture": f"picture {n}".encode(), "shot": AS_THE_RECIPE}
        for n in range(40)
    ]
    outcomes = mapper(tmp_path).map_batch(rows)
    for row, outcome in zip(rows, outcomes, strict=True):
        assert isinstance(outcome, dict)
        assert (tmp_path / outcome["image_path"]).read_bytes() == row["picture"]


def test_storing_twice_is_no_harm(tmp_path: Path) -> None:
    row = {"sample_id": "a", "picture": b"x", "shot": AS_THE_RECIPE}
    assert mapper(tmp_path).map_batch([row]) == mapper(tmp_path).map_batch([row])
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_picture_that_cannot_be_stored_costs_only_its_row(tmp_path: Path) -> None:
    blocked = tmp_path / object_path("bad", ".jpg")
    blocked.mkdir(parents=True)
    (blocked / "in the way").touch()
    rows = [
        {"sample_id": name, "picture": b"x", "shot": AS_THE_RECIPE}
        for name in ("good", "bad", "fine")
    ]
    outcomes = isolate(mapper(tmp_path).map_batch, rows)
    assert [isinstance(outcome, dict) for outcome in outcomes] == [True, False, True]


def test_a_folder_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    run = tmp_path / "out" / "run_id=1"
    run.mkdir(parents=True)
    row = {"sample_id": "a", "picture": b"x", "shot": AS_THE_RECIPE}
    storing = mapper(run)
    assert isinstance(isolate(storing.map_batch, [row])[0], dict)
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(FatalError, match=f"{run} is gone: it was deleted or moved"):
        isolate(storing.map_batch, [row])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "fix"),
    [
        (errno.ENOSPC, "make room there"),
        (errno.EDQUOT, "raise the quota"),
        (errno.EROFS, "let this account write there"),
        (errno.EACCES, "let this account write there"),
    ],
)
def test_a_place_that_takes_no_picture_stops_the_run_and_blames_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int, fix: str
) -> None:
    def failing(path: Path, _: bytes) -> int:
        raise OSError(fault, os.strerror(fault), str(path))

    monkeypatch.setattr(Path, "write_bytes", failing)
    rows = [{"sample_id": n, "picture": b"x", "shot": AS_THE_RECIPE} for n in ("a", "b")]
    said = f"{tmp_path}/images/.*: {os.strerror(fault)}: {fix}"
    with pytest.raises(FatalError, match=said):
        isolate(mapper(tmp_path).map_batch, rows)


@pytest.mark.parametrize("format_name", ["png", "webp", "avif"])
def test_a_row_may_ask_for_a_format_of_its_own(tmp_path: Path, format_name: str) -> None:
    row = {"sample_id": "a", "picture": b"x", "shot": {"output_format": format_name}}
    (outcome,) = mapper(tmp_path).map_batch([row])
    assert isinstance(outcome, dict)
    assert outcome["image_path"].endswith(f".{format_name}")
