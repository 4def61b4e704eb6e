"""The same command again: what it goes on with, what it makes, and what it says of that."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.running.summary import print_idle, print_summary
from pipeline import flow, storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.recipe import Recipe
from pipeline.runs import driver, run_config
from pipeline.runs.documents import read_document
from pipeline.runs.earlier_runs import current
from pipeline.runs.identity import Request, identify, nightly_run_id, run_uri
from pipeline.runs.report import Report
from pipeline.runs.result_files import committed_files
from pipeline.runs.run_config import RunConfig, find_run, prepare
from tests.conftest import MakeManifest
from tests.unit.past import as_finished

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)
FIRST = "nightly-20300506-plain-"
Drive = Callable[..., Report]


@pytest.fixture
def config(make_manifest: MakeManifest, recipe: Recipe, tmp_path: Path) -> RunConfig:
    return RunConfig(
        recipe=recipe,
        manifest=rows(make_manifest, a="oak", b="oak", c="oak"),
        output=str(tmp_path / "out"),
        only_changed=True,
    )


def rows(make_manifest: MakeManifest, **prompts: str) -> str:
    names = list(prompts)
    return make_manifest(
        id=names, image_uri=[f"{name}.jpg" for name in names], prompt=list(prompts.values())
    )


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """The real flow of a run, with a loop in place of Ray."""
    outcomes: Mapping[str, bytes | RowError] = {}
    most = 10**6

    def execute(units: Any, read: Any, _: Any, write: Any, **__: Any) -> Iterator[str]:
        for unit in units:
            table = read(unit).slice(0, most)
            yield write(as_finished(table, write.run_uri, outcomes))
            if most < 10**6:
                raise KeyboardInterrupt

    monkeypatch.setattr(driver, "execute", execute)
    monkeypatch.setattr(driver, "check_capacity", lambda _: None)
    monkeypatch.setattr(driver, "block_rows", lambda _: 64)

    def run(
        config: RunConfig,
        *,
        at: datetime = NOON,
        fails: Mapping[str, bytes | RowError] | None = None,
        stops_after: int = 10**6,
    ) -> Report:
        nonlocal outcomes, most
        outcomes, most = fails or {}, stops_after
        with monkeypatch.context() as patch:
            patch.setattr(run_config, "now", lambda: at)
            return flow.run(config, on_progress=lambda *_: None)

    return run


def made(config: RunConfig, report: Report) -> list[str]:
    """The samples in a run, by its result files."""
    files = [Path(file) for file in committed_files(report.run_uri)]
    return sorted(
        id_ for file in files for id_ in pq.ParquetFile(file).read(["id"])["id"].to_pylist()
    )


def folders(config: RunConfig) -> list[str]:
    return sorted(
        path.name.removeprefix("run_id=") for path in Path(config.output).glob("run_id=*")
    )


def files_below(config: RunConfig) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in Path(config.output).rglob("*") if path.is_file()
    }


def printed(report: Report, capsys: pytest.CaptureFixture[str]) -> str:
    if report.outcome == "idle":
        print_idle(report)
    else:
        print_summary(report, "sheet", has_files=False)
    return capsys.readouterr().out.replace("\n", " ")


def test_a_second_night_of_the_day_makes_what_changed_since_the_first(
    config: RunConfig, drive: Drive, make_manifest: MakeManifest
) -> None:
    first = drive(config)
    assert first.run_id.startswith(FIRST)
    assert made(config, first) == ["a", "b", "c"]
    rows(make_manifest, a="oak", b="marble", c="oak", d="sand")
    second = drive(config, at=NOON + timedelta(hours=1))
    assert second.run_id == f"{first.run_id}-002"
    assert made(config, second) == ["b", "d"]
    assert (second.outcome, second.num_unchanged) == ("made", 2)
    Path(config.manifest).parent.joinpath("a.jpg").write_bytes(b"another photograph")
    third = drive(config, at=NOON + timedelta(hours=2))
    assert third.run_id == f"{first.run_id}-003"
    assert made(config, third) == ["a"]
    assert folders(config) == [first.run_id, second.run_id, third.run_id]
    view = current(config.output).to_pylist()
    assert {row["sample_id"]: row["run_id"][-3:] for row in view} == {
        "a": "003",
        "b": "002",
        "c": first.run_id[-3:],
        "d": "002",
    }


def test_a_night_after_an_idle_one_sees_what_has_changed_since(
    config: RunConfig, drive: Drive, make_manifest: MakeManifest
) -> None:
    drive(config, at=NOON - timedelta(days=1))
    idle = drive(config)
    # The first of its day is kept: whoever watches finds a report for each.
    assert (idle.run_id[:17], idle.num_planned, idle.num_unchanged) == (FIRST[:17], 0, 3)
    rows(make_manifest, a="oak", b="oak", c="marble")
    second = drive(config)
    assert (made(config, second), second.run_id) == (["c"], f"{idle.run_id}-002")


def test_a_second_night_with_no_change_looks_and_leaves_nothing_behind(
    config: RunConfig, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    first = drive(config)
    before = files_below(config)
    second = drive(config)
    assert files_below(config) == before
    assert folders(config) == [first.run_id]
    assert (second.outcome, second.exit_code) == ("idle", 0)
    said = printed(second, capsys)
    assert "nothing to do: all 3 rows were looked at, and none has changed" in said
    assert first.run_uri in said


def test_what_failed_for_a_while_is_taken_up_the_same_day(config: RunConfig, drive: Drive) -> None:
    busy = TransientError(ErrorCode.STORAGE, "busy")
    gone = RowError(ErrorCode.NOT_FOUND, "gone")
    drive(config, fails={"a": busy, "b": gone})
    assert made(config, drive(config)) == ["a"]
    assert drive(config).outcome == "idle"


def test_an_unfinished_night_goes_on_and_is_followed_by_a_new_one(
    config: RunConfig,
    drive: Drive,
    make_manifest: MakeManifest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(KeyboardInterrupt):
        drive(config, stops_after=1)
    rows(make_manifest, a="oak", b="oak", c="oak", d="sand")
    on = drive(config)
    assert made(config, on) == ["a", "b", "c"]
    assert "goes on as it was planned; what has changed since then" in caplog.text
    after = drive(config)
    assert (made(config, after), after.run_id) == (["d"], f"{on.run_id}-002")


def test_one_that_was_killed_while_it_planned_leaves_its_name_to_the_next(
    config: RunConfig, drive: Drive, make_manifest: MakeManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = drive(config)
    rows(make_manifest, a="oak", b="marble", c="oak")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "create", killed)  # the plan is there, and no run.json
        with pytest.raises(KeyboardInterrupt):
            drive(config)
    assert (Path(config.output) / f"run_id={first.run_id}-002").is_dir()
    again = drive(config)
    assert (made(config, again), again.run_id) == (["b"], f"{first.run_id}-002")


def test_two_nights_at_once_mean_the_same_run(
    config: RunConfig, drive: Drive, make_manifest: MakeManifest
) -> None:
    first = drive(config)
    rows(make_manifest, a="oak", b="marble", c="oak")
    with (
        storage.Lease.acquire(f"{first.run_uri}-002", owner="another", ttl_s=60.0),
        pytest.raises(ValueError, match=r"-002: another .* is working on this run"),
    ):
        drive(config)
    assert made(config, drive(config)) == ["b"]


def test_after_midnight_another_day_begins(config: RunConfig, drive: Drive) -> None:
    with pytest.raises(KeyboardInterrupt):
        drive(config, at=datetime(2030, 5, 6, 23, 59, 59, tzinfo=UTC), stops_after=1)
    (late,) = folders(config)
    early = drive(config, at=datetime(2030, 5, 7, 0, 0, 1, tzinfo=UTC))
    assert (late[:16], early.run_id[:16]) == ("nightly-20300506", "nightly-20300507")
    # What the unfinished one has made is not made twice, and readers see it.
    assert made(config, early) == ["b", "c"]
    assert sorted(current(config.output)["sample_id"].to_pylist()) == ["a", "b", "c"]


def test_an_empty_night_that_vouches_for_files_of_others_is_kept(
    config: RunConfig, drive: Drive
) -> None:
    first = drive(config)
    with pytest.raises(KeyboardInterrupt):
        drive(replace(config, only_changed=False, again=True), stops_after=3)
    # As if the first had never been: all rows are in the files of a run that is not finished.
    for file in committed_files(first.run_uri):
        storage.remove(file)
    storage.write(f"{first.run_uri}/_SUCCESS", b'{"results": []}')
    second = drive(config)
    assert (second.num_planned, second.outcome) == (0, "made")
    assert len(current(config.output)) == 3
    assert drive(config).outcome == "idle"


def test_a_finished_run_that_is_named_says_that_it_did_not_look(
    config: RunConfig,
    drive: Drive,
    make_manifest: MakeManifest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = replace(config, run_id="mine")
    drive(named)
    rows(make_manifest, a="oak", b="marble", c="oak")
    before = files_below(config)
    again = drive(named)
    assert (again.outcome, again.exit_code) == ("finished", 0)
    said = printed(again, capsys)
    assert "nothing to do: run mine is finished, and what it was made from was not looked" in said
    assert "leave out --run-id or choose a new one" in said
    assert "unchanged" not in said
    assert "images/s" not in said
    assert files_below(config) == before


def test_names_of_a_day_sort_as_its_runs_began(tmp_path: Path) -> None:
    asked = Request(
        manifest="/m.parquet", where=None, limit=None, config_hash="c0ffee", only_changed=True
    )
    day = nightly_run_id(asked, "plain", NOON)
    assert re.fullmatch("nightly-20300506-plain-[0-9a-f]{6}", day)
    yesterday = day.replace("20300506", "20300505")
    beside = [f"{day}-x", f"{day}-02", f"{day}-002-b", f"{yesterday}-009"]

    def tonight() -> tuple[str, str | None]:
        meant = identify(
            str(tmp_path), asked, "plain", clock=lambda: NOON, is_unchanged=lambda _: True
        )
        return meant.run_id, meant.comes_after

    for name in beside:
        tmp_path.joinpath(f"run_id={name}").mkdir()
    names = []
    for _ in range(12):
        name, before = tonight()
        assert before == (names[-1] if names else None)
        assert tonight()[0] == name
        folder = tmp_path / f"run_id={name}"
        folder.mkdir()
        assert tonight() == (name, before)
        folder.joinpath("_SUCCESS").write_text('{"results": []}')
        names.append(name)
    assert names == sorted(names) == [day, *(f"{day}-{n:03d}" for n in range(2, 13))]
    run_uri(str(tmp_path), f"nightly-20300506-{'r' * 64}-5f0c1d-002")  # is a name


# --- run ---------------------------------------------------------------------------------------


@pytest.fixture
def whole(config: RunConfig) -> RunConfig:
    return replace(config, only_changed=False)


def test_a_finished_run_is_not_made_again_as_long_as_nothing_has_changed(
    whole: RunConfig, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = TransientError(ErrorCode.STORAGE, "busy")
    first = drive(whole, fails={"b": busy})
    before = files_below(whole)
    again = drive(whole, at=NOON + timedelta(days=3))
    assert again.run_id == first.run_id
    assert (again.outcome, again.exit_code) == ("unchanged", first.exit_code)
    assert files_below(whole) == before
    said = printed(again, capsys)
    assert f"nothing to do: run {first.run_id} is finished, and nothing" in said
    assert "--again makes all rows anew" in said
    assert "3 rows: 2 with a picture, 1 failed" in said


@pytest.mark.parametrize("change", ["prompt", "photograph", "row", "again"])
def test_a_finished_run_is_made_anew_once_something_has_changed_and_says_so(
    whole: RunConfig,
    drive: Drive,
    make_manifest: MakeManifest,
    change: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = drive(whole)
    caplog.set_level(logging.INFO)
    match change:
        case "prompt":
            rows(make_manifest, a="oak", b="marble", c="oak")
        case "photograph":
            Path(whole.manifest).parent.joinpath("a.jpg").write_bytes(b"another photograph")
        case "row":
            rows(make_manifest, a="oak", b="oak", c="oak", d="oak")
    second = drive(replace(whole, again=change == "again"), at=NOON + timedelta(hours=1))
    assert second.run_id != first.run_id
    assert set(made(whole, second)) >= {"a", "b", "c"}
    (line,) = [r.getMessage() for r in caplog.records if r.name == "pipeline.runs.run_config"]
    assert f"run {first.run_id} of the same request is finished: all" in line
    assert f"rows are made again, as run {second.run_id}" in line
    assert "backlot nightly" in line


def test_a_run_beside_others_says_how_to_read_them(
    whole: RunConfig, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    drive(replace(whole, only_changed=True))
    assert "other runs" not in caplog.text
    drive(whole)
    assert f"there are other runs under {whole.output}: 'backlot current' shows" in caplog.text


def test_what_was_changed_and_changed_back_is_made_again(
    whole: RunConfig, drive: Drive, make_manifest: MakeManifest
) -> None:
    first = drive(whole)
    rows(make_manifest, a="oak", b="marble", c="oak")
    drive(replace(whole, only_changed=True))
    rows(make_manifest, a="oak", b="oak", c="oak")
    # The first run made these very rows, and readers see the marble.
    second = drive(whole, at=NOON + timedelta(hours=1))
    assert second.run_id != first.run_id
    assert {*current(whole.output)["run_id"].to_pylist()} == {second.run_id}


def test_a_row_that_is_gone_makes_nothing_anew(
    whole: RunConfig, drive: Drive, make_manifest: MakeManifest
) -> None:
    first = drive(whole)
    rows(make_manifest, a="oak", c="oak")
    assert drive(whole).run_id == first.run_id


def test_again_goes_on_with_its_own_unfinished_run(whole: RunConfig, drive: Drive) -> None:
    drive(whole)
    anew = replace(whole, again=True)
    with pytest.raises(KeyboardInterrupt):
        drive(anew, at=NOON + timedelta(hours=1), stops_after=1)
    on = drive(anew, at=NOON + timedelta(hours=2))
    assert on.run_id.startswith("20300506T13")
    assert made(whole, on) == ["a", "b", "c"]
    assert len(folders(whole)) == 2


def test_a_run_over_its_budget_is_over_it_the_second_time_too(
    whole: RunConfig, drive: Drive
) -> None:
    strict = replace(whole, recipe=whole.recipe.model_copy(update={"name": "strict"}))
    gone = {name: RowError(ErrorCode.NOT_FOUND, "gone") for name in "abc"}
    first = drive(strict, fails=gone)
    again = drive(strict)
    assert (first.exit_code, again.exit_code) == (3, 3)
    assert again.run_id == first.run_id


def test_the_report_of_a_finished_run_keeps_its_times(whole: RunConfig, drive: Drive) -> None:
    first = drive(whole)
    drive(whole)
    told = read_document(first.run_uri, "report.json")
    assert told is not None
    assert told == json.loads(json.dumps(first.as_dict()))


def test_a_dry_run_means_the_same_run(whole: RunConfig, drive: Drive) -> None:
    first = drive(whole)
    planner, asked = prepare(whole)
    found = find_run(whole, asked, planner)
    assert (found.uri, found.outcome) == (first.run_uri, "unchanged")
    anew = find_run(replace(whole, again=True), asked, planner)
    assert (anew.ledger, anew.before) == (None, first.run_uri)


def test_a_night_says_how_many_rows_lack_a_column_that_is_kept_since(
    config: RunConfig,
    drive: Drive,
    make_manifest: MakeManifest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drive(config)
    columns: dict[str, list[str]] = {"image_uri": ["1.jpg"] * 4, "brand": ["x"] * 4}
    ids = ["a", "b", "c", "d"]
    make_manifest(id=ids, prompt=["oak"] * 4, **{**columns, "image_uri": [f"{i}.jpg" for i in ids]})
    keeping = replace(config, recipe=config.recipe.model_copy(update={"keep": ("brand",)}))
    night = drive(keeping)
    assert made(config, night) == ["d"]
    assert dict(night.lacking) == night.as_dict()["lacking"] == {"brand": 3}
    document = read_document(night.run_uri, "report.json")
    assert document is not None
    assert document["lacking"] == {"brand": 3}
    wanted = "3 unchanged rows have no column 'brand', which was not in keep when they were made: "
    assert f"{wanted}'backlot run --again'" in printed(night, capsys)
    idle = drive(keeping)
    assert idle.outcome == "idle"
    assert wanted in printed(idle, capsys)
    # What is said to bring it does.
    drive(replace(keeping, only_changed=False, again=True))
    after = drive(keeping)
    assert (after.outcome, dict(after.lacking)) == ("idle", {})
    assert "keep" not in printed(after, capsys)
    # Taken out of keep, nothing is missing that anybody asks for.
    assert dict(drive(config).lacking) == {}
