from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from pipeline import storage
from pipeline.errors import RowError
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import ROWS_PER_FILE, Planner
from pipeline.recipe import Recipe
from pipeline.runs.documents import read_document
from pipeline.runs.identity import Identity, Request, fresh_run_id, identify, run_uri
from pipeline.runs.past_runs import newest_start
from pipeline.runs.result_files import ResultWriter, committed_files
from pipeline.runs.run_folder import Ledger, WorkUnit, open_ledger, read_unit, start_ledger
from pipeline.storage import Looker
from tests.conftest import MakeFinished, MakeManifest

NOW = datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
NAMES = [f"shoe-{n}" for n in range(10)]


def planner(make_manifest: MakeManifest, recipe: Recipe, names: list[str]) -> Planner:
    uri = make_manifest(id=names, image_uri=["x.jpg"] * len(names), prompt=["p"] * len(names))
    return Planner(recipe=recipe, manifest=open_manifest(uri))


def meant(output: str, request_: Request) -> Identity:
    """The run that a request means as long as nothing has changed."""
    return identify(output, request_, "plain", clock=lambda: NOW, is_unchanged=lambda _: True)


@pytest.fixture
def request_() -> Request:
    return Request(manifest="/m.parquet", where=None, limit=None, config_hash="c0ffee")


@pytest.fixture
def output(tmp_path: Path) -> str:
    return str(tmp_path / "dataset")


@pytest.fixture
def ledger(make_manifest: MakeManifest, recipe: Recipe, request_: Request, output: str) -> Ledger:
    uri = run_uri(output, "r1")
    plan = planner(make_manifest, recipe, NAMES)
    return start_ledger(uri, request=request_, recipe=recipe, planner=plan)


@pytest.fixture
def writer(ledger: Ledger, recipe: Recipe) -> ResultWriter:
    return ResultWriter(ledger.uri, ledger.run_id, recipe)


def pending_ids(ledger: Ledger, rows_per_block: int = 4) -> list[list[str]]:
    units = ledger.pending(ledger.committed(), rows_per_block)
    return [read_unit(ledger.uri, unit)["sample_id"].to_pylist() for unit in units]


def flat(blocks: list[list[str]]) -> list[str]:
    return list(chain.from_iterable(blocks))


def test_a_plan_is_on_storage_once_the_run_has_started(ledger: Ledger, request_: Request) -> None:
    assert (ledger.run_id, ledger.num_planned) == ("r1", 10)
    assert [name for name in ledger.plan_files if not Path(ledger.uri, name).is_file()] == []
    assert open_ledger(ledger.uri, request=request_) == ledger


def test_run_json_says_what_was_asked_for(ledger: Ledger, recipe: Recipe) -> None:
    document = read_document(ledger.uri, "run.json")
    assert document is not None
    assert document["request"]["config_hash"] == "c0ffee"
    assert Recipe.model_validate(document["recipe"]) == recipe
    assert document["plan"] == {"rows": 10, "files": list(ledger.plan_files), "withheld": 0}


def test_run_json_comes_last(
    make_manifest: MakeManifest, recipe: Recipe, request_: Request, output: str
) -> None:
    class Dying(Planner):
        """Its machine is lost after the first file of the plan."""

        def tables(self, looker: Looker | None = None) -> Iterator[pa.Table]:
            yield next(iter(super().tables(looker)))
            raise ConnectionError("machine lost")

    whole = planner(make_manifest, recipe, NAMES)
    dying = Dying(recipe=whole.recipe, manifest=whole.manifest)
    uri = run_uri(output, "r1")
    with pytest.raises(ConnectionError):
        start_ledger(uri, request=request_, recipe=recipe, planner=dying)
    assert Path(uri, "_plan").is_dir()
    assert open_ledger(uri, request=request_) is None
    again = start_ledger(uri, request=request_, recipe=recipe, planner=whole)
    assert open_ledger(uri, request=request_) == again


def test_a_plan_is_not_changed_by_a_manifest_that_changes(
    ledger: Ledger, make_manifest: MakeManifest, request_: Request
) -> None:
    make_manifest(id=["new"], image_uri=["new.jpg"], prompt=["p"])
    again = open_ledger(ledger.uri, request=request_)
    assert again is not None
    assert flat(pending_ids(again)) == NAMES


def test_a_driver_that_was_stopped_while_it_planned_finds_the_plan_of_another(
    make_manifest: MakeManifest, recipe: Recipe, request_: Request, output: str
) -> None:
    uri = run_uri(output, "r1")

    class Overtaken(Planner):
        """Stopped past its lease: another has planned the run from a newer manifest since."""

        def tables(self, looker: Looker | None = None) -> Iterator[pa.Table]:
            yield from super().tables(looker)
            newer = planner(make_manifest, recipe, ["new", *NAMES[1:]])
            others.append(start_ledger(uri, request=request_, recipe=recipe, planner=newer))

    others: list[Ledger] = []
    whole = planner(make_manifest, recipe, NAMES)
    stopped = Overtaken(recipe=whole.recipe, manifest=whole.manifest)
    assert start_ledger(uri, request=request_, recipe=recipe, planner=stopped) == others[0]
    assert open_ledger(uri, request=request_) == others[0]
    assert flat(pending_ids(others[0])) == ["new", *NAMES[1:]]


def test_a_run_is_newer_than_those_that_were_there_whatever_its_clock_says(
    make_manifest: MakeManifest, recipe: Recipe, request_: Request, output: str
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for run_id, after in (("r1", tomorrow), ("r2", None)):
        plan = planner(make_manifest, recipe, NAMES)
        uri = run_uri(output, run_id)
        start_ledger(uri, request=request_, recipe=recipe, planner=plan, after=after)
    ahead, now = newest_start(output), read_document(uri, "run.json")
    assert ahead is not None
    assert now is not None
    assert tomorrow < ahead < tomorrow + timedelta(seconds=1)
    assert datetime.fromisoformat(now["created_at"]) < tomorrow


def test_an_empty_plan_is_refused_and_leaves_no_run(
    make_manifest: MakeManifest, recipe: Recipe, request_: Request, output: str
) -> None:
    whole = planner(make_manifest, recipe, NAMES)
    empty = replace(whole, manifest=open_manifest(whole.manifest.uri, where="false"))
    with pytest.raises(ValueError, match="selects no row: check --where and --limit"):
        start_ledger(run_uri(output, "r1"), request=request_, recipe=recipe, planner=empty)
    assert not Path(output).exists()


@pytest.mark.parametrize(
    "change", [{"manifest": "/n.parquet"}, {"where": "x"}, {"limit": 3}, {"config_hash": "d0d0"}]
)
def test_another_request_is_another_run(
    ledger: Ledger, request_: Request, output: str, change: dict[str, str]
) -> None:
    other = replace(request_, **change)
    assert meant(output, other).run_id != "r1"
    (name,) = change
    with pytest.raises(ValueError, match=f"--run-id r1: started with another {name}; choose a new"):
        open_ledger(ledger.uri, request=other)


def test_ids_sort_by_the_time_their_run_began_wherever_it_did() -> None:
    tokyo = timezone(timedelta(hours=9))
    moments = [NOW, NOW + timedelta(milliseconds=1), (NOW + timedelta(hours=1)).astimezone(tokyo)]
    ids = [fresh_run_id("plain", moment) for moment in moments]
    assert ids == sorted(set(ids))
    assert ids[0] == "20300506T070809123-plain"


def test_strange_folders_beside_the_runs_are_passed_over(
    ledger: Ledger, request_: Request, output: str
) -> None:
    Path(output, "zz-notes").mkdir()
    Path(output, "readme.txt").write_text("mine")
    assert meant(output, request_) == Identity(run_id="r1")
    storage.write(f"{ledger.uri}/_SUCCESS", b'{"results": []}')
    assert meant(output, request_) == Identity(run_id="r1", is_unchanged=True)


@pytest.mark.parametrize("run_id", ["../up", "a/b", "", ".", "..", "-x", "a b", "a\n"])
def test_a_run_id_cannot_lead_out_of_the_output(output: str, run_id: str) -> None:
    with pytest.raises(ValueError, match="--run-id"):
        run_uri(output, run_id)


@pytest.mark.parametrize(
    "run_id",
    [
        "0007",
        "7",
        "1e5",
        "1.5",
        "12d",
        "0x10",
        "0XFF",
        "0b1",
        "2026-11-28",
        "2026-11",
        "1_000",
        "NaN",
        "null",
        "epoch",
    ],
)
def test_a_run_id_is_no_number_and_no_date(output: str, run_id: str) -> None:
    with pytest.raises(ValueError, match=f"put a word before it, such as run-{run_id}"):
        run_uri(output, run_id)
    assert run_uri(output, f"run-{run_id}")


def test_a_run_lives_in_a_partition_of_the_dataset(output: str) -> None:
    assert run_uri(output + "/", "night-1.2_b") == f"{output}/run_id=night-1.2_b"


def test_at_the_start_everything_is_pending(ledger: Ledger) -> None:
    assert pending_ids(ledger, 4) == [NAMES[:4], NAMES[4:8], NAMES[8:]]


@pytest.mark.parametrize("rows_per_block", [1, 3, 10, 64])
def test_units_hold_at_most_so_many_rows(ledger: Ledger, rows_per_block: int) -> None:
    blocks = pending_ids(ledger, rows_per_block)
    assert max(map(len, blocks)) <= rows_per_block
    assert flat(blocks) == NAMES


def test_pending_is_the_plan_minus_the_results(
    ledger: Ledger, writer: ResultWriter, make_finished: MakeFinished, not_found: RowError
) -> None:
    writer(make_finished({"shoe-3": b"x", "shoe-0": not_found}))
    writer(make_finished({"shoe-7": b"x"}))
    left = [name for name in NAMES if name not in ("shoe-0", "shoe-3", "shoe-7")]
    assert pending_ids(ledger, 4) == [left[:4], left[4:]]


def test_when_all_is_done_nothing_is_pending(
    ledger: Ledger, writer: ResultWriter, make_finished: MakeFinished
) -> None:
    writer(make_finished(dict.fromkeys(NAMES, b"x")))
    assert pending_ids(ledger) == []
    assert ledger.discrepancies(ledger.committed()) == {}


def test_pending_rows_are_found_across_files_and_row_groups(
    make_manifest: MakeManifest,
    make_finished: MakeFinished,
    recipe: Recipe,
    request_: Request,
    output: str,
) -> None:
    names = [f"{n:05d}" for n in range(ROWS_PER_FILE + 700)]
    ledger = start_ledger(
        run_uri(output, "long"),
        request=request_,
        recipe=recipe,
        planner=planner(make_manifest, recipe, names),
    )
    assert len(ledger.plan_files) == 2
    assert flat(pending_ids(ledger, 1000)) == names
    done = names[100:4000] + names[-3:]
    ResultWriter(ledger.uri, ledger.run_id, recipe)(make_finished(dict.fromkeys(done, b"x")))
    assert flat(pending_ids(ledger, 1000)) == names[:100] + names[4000:-3]


def test_a_unit_is_read_in_the_plans_order(ledger: Ledger) -> None:
    unit = WorkUnit(plan_file=ledger.plan_files[0], rows=(2, 5, 9))
    table = read_unit(ledger.uri, unit)
    assert table["sample_id"].to_pylist() == ["shoe-2", "shoe-5", "shoe-9"]
    assert {"image_uri", "prompt", "seed", "fingerprint", "error"} <= set(table.column_names)


def test_lost_doubled_and_unexpected_rows_are_told(
    ledger: Ledger, writer: ResultWriter, make_finished: MakeFinished
) -> None:
    writer(make_finished(dict.fromkeys(NAMES[:9], b"x")))
    writer(make_finished({"shoe-1": b"x", "stranger": b"x"}))
    found = ledger.discrepancies(ledger.committed())
    assert found == {"lost": ["shoe-9"], "duplicated": ["shoe-1"], "unexpected": ["stranger"]}


def test_before_any_result_every_row_is_lost(ledger: Ledger) -> None:
    found = ledger.discrepancies([])
    assert sorted(found) == ["lost"]
    assert sorted(found["lost"]) == NAMES


def test_only_a_few_of_many_lost_rows_are_listed(
    make_manifest: MakeManifest, recipe: Recipe, request_: Request, output: str
) -> None:
    many = planner(make_manifest, recipe, [str(n) for n in range(100)])
    ledger = start_ledger(run_uri(output, "r"), request=request_, recipe=recipe, planner=many)
    assert len(ledger.discrepancies([])["lost"]) == 20


def test_a_torn_result_file_is_removed_and_its_rows_done_again(
    ledger: Ledger, writer: ResultWriter, make_finished: MakeFinished
) -> None:
    writer(make_finished({"shoe-0": b"x"}))
    (torn,) = committed_files(ledger.uri)
    Path(torn).write_bytes(Path(torn).read_bytes()[:-30])
    writer(make_finished({"shoe-1": b"x"}))
    assert [file.sample_ids.to_pylist() for file in ledger.committed()] == [["shoe-1"]]
    assert not Path(torn).exists()
    assert flat(pending_ids(ledger)) == [name for name in NAMES if name != "shoe-1"]


def test_half_an_answer_of_the_storage_makes_no_file_torn(
    ledger: Ledger,
    writer: ResultWriter,
    make_finished: MakeFinished,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    writer(make_finished({"shoe-0": b"x"}))
    (whole,) = committed_files(ledger.uri)
    half = tmp_path / "half"
    half.write_bytes(Path(whole).read_bytes()[:-30])
    monkeypatch.setattr(storage, "arrow_filesystem", lambda _: (pafs.LocalFileSystem(), str(half)))
    assert [file.sample_ids.to_pylist() for file in ledger.committed()] == [["shoe-0"]]
    assert Path(whole).exists()


def test_a_file_that_is_gone_since_it_was_listed_is_passed_over(
    ledger: Ledger,
    writer: ResultWriter,
    make_finished: MakeFinished,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer(make_finished({"shoe-0": b"x"}))
    writer(make_finished({"shoe-1": b"x"}))
    names = committed_files(ledger.uri)
    monkeypatch.setattr(storage, "list_files", lambda *_, **__: [*names, f"{names[0]}.gone"])
    assert len(ledger.committed()) == 2


def test_a_finished_run_names_its_result_files(
    ledger: Ledger, writer: ResultWriter, make_finished: MakeFinished
) -> None:
    writer(make_finished(dict.fromkeys(NAMES, b"x")))
    committed = ledger.committed()
    ledger.succeed(committed)
    document = json.loads(Path(ledger.uri, "_SUCCESS").read_text())
    assert document == {"results": [Path(uri).name for uri in committed_files(ledger.uri)]}


def test_a_document_that_is_not_there_is_none(ledger: Ledger) -> None:
    assert read_document(ledger.uri, "_SUCCESS") is None
    ledger.write_json("_SUCCESS", {"results": ["größe"]})
    assert read_document(ledger.uri, "_SUCCESS") == {"results": ["größe"]}
