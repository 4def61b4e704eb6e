from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FatalError, isolate
from pipeline.imaging.codec import OutputFormat
from pipeline.stages.store import OutputConfig, StoreMapper, object_path

AS_THE_RECIPE = {"output_format": None}
# What Arrow can hold: text without lone surrogates.
IDS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    "sample_id",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/../../b",
        "..\\..\\windows",
        "nul\0byte",
        "new\nline",
        "-rf",
        "?x=1#y",
        "%2e%2e%2f",
        "夕焼け",
        "x" * 10_000,
    ],
)
def test_hostile_ids_stay_below_images(sample_id: str) -> None:
    path = object_path(sample_id, ".jpg")
    assert re.fullmatch(r"images/[0-9a-f]{2}/[A-Za-z0-9_][A-Za-z0-9_.-]*\.jpg", path)
    assert ".." not in path


@given(IDS)
def test_any_id_becomes_a_key_that_every_storage_takes(sample_id: str) -> None:
    path = PurePosixPath(object_path(sample_id, ".webp"))
    assert path.parts[0] == "images"
    assert len(path.parts) == 3
    assert len(path.name) <= 120
    assert path.name.isascii()
    assert not re.search(r"[^A-Za-z0-9_.-]", path.name)


@given(st.sets(IDS, min_size=2, max_size=20))
def test_two_ids_never_share_a_key_even_where_case_does_not_count(sample_ids: set[str]) -> None:
    keys = {object_path(sample_id, ".jpg").lower() for sample_id in sample_ids}
    assert len(keys) == len(sample_ids)


@pytest.mark.parametrize(
    "sample_ids",
    [
        ("red shoe", "red/shoe", "red-shoe", "red?shoe"),
        ("Shoe", "shoe", "SHOE"),
        ("x" * 100, "x" * 101),
        ("é", "e\u0301"),
        ("夕", "焼"),
        ("a", "a ", " a", "a\u200b"),
    ],
)
def test_ids_that_look_alike_keep_apart(sample_ids: tuple[str, ...]) -> None:
    keys = {object_path(sample_id, ".jpg").lower() for sample_id in sample_ids}
    assert len(keys) == len(sample_ids)


def test_a_key_is_the_same_every_time_and_can_be_read() -> None:
    assert object_path("shoes/red 42", ".jpg") == object_path("shoes/red 42", ".jpg")
    assert "shoes-red-42" in object_path("shoes/red 42", ".jpg")


def test_keys_spread_over_many_prefixes() -> None:
    prefixes = {object_path(f"shoe-{n}", ".jpg").split("/")[1] for n in range(2000)}
    assert len(prefixes) == 256


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
