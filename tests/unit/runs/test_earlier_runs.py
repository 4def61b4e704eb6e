from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.runs import earlier_runs
from pipeline.runs.earlier_runs import current, latest, settled
from pipeline.runs.finished_fingerprints import Settled, collected, rechunked
from pipeline.runs.identity import Request
from pipeline.runs.past_runs import past_runs
from pipeline.runs.reconcile import deduplicate
from pipeline.runs.result_files import write_result
from pipeline.runs.run_folder import Origin, open_ledger
from tests.conftest import MakeManifest
from tests.unit.past import files_of, past_run

NAMES = ["a", "b", "c", "d"]
GONE = RowError(ErrorCode.NOT_FOUND, "nothing there")
BUSY = TransientError(ErrorCode.STORAGE, "no answer")


@pytest.fixture
def output(tmp_path: Path) -> str:
    return str(tmp_path / "dataset")


@pytest.fixture
def manifest(make_manifest: MakeManifest, tmp_path: Path) -> str:
    for name in NAMES:
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
    return make_manifest(id=NAMES, image_uri=[f"{n}.jpg" for n in NAMES], prompt=["sand"] * 4)


def to_do(output: str, manifest: str, recipe: Recipe) -> set[str]:
    """What a nightly run would plan now."""
    planner = Planner(recipe=recipe, manifest=open_manifest(manifest))
    left = settled(output).left_out_of(planner.tables())
    return {sample_id for table in left for sample_id in table["sample_id"].to_pylist()}


def shown(output: str) -> dict[str, str]:
    """Which run's row is current, by sample."""
    view = current(output)
    return dict(zip(view["sample_id"].to_pylist(), view["run_id"].to_pylist(), strict=True))


def with_prompt(recipe: Recipe, suffix: str) -> Recipe:
    return replace_section(recipe, prompt=recipe.prompt.model_copy(update={"suffix": suffix}))


def replace_section(recipe: Recipe, **sections: Any) -> Recipe:
    return recipe.model_copy(update=sections)


def test_with_no_history_everything_is_to_do(output: str, manifest: str, recipe: Recipe) -> None:
    assert to_do(output, manifest, recipe) == set(NAMES)
    assert current(output).num_rows == 0
    assert past_runs(output) == []


def test_pictures_and_final_failures_are_settled_and_passing_failures_are_not(
    output: str, manifest: str, recipe: Recipe
) -> None:
    past_run(output, "r1", manifest, {"b": GONE, "c": BUSY}, recipe=recipe)
    assert to_do(output, manifest, recipe) == {"c"}
    assert shown(output) == {"a": "r1", "d": "r1"}


@pytest.mark.parametrize("kind", [RowError, TransientError])
def test_what_the_storage_refused_is_to_do_whatever_was_recorded_of_it(
    output: str, manifest: str, recipe: Recipe, kind: type[RowError]
) -> None:
    denied = kind(ErrorCode.ACCESS_DENIED, "not yet allowed")
    past_run(output, "r1", manifest, {"b": GONE, "c": denied}, recipe=recipe)
    assert to_do(output, manifest, recipe) == {"c"}


def test_a_useless_file_without_a_checksum_is_looked_at_twice(
    output: str, manifest: str, recipe: Recipe
) -> None:
    def found(sha256: str) -> RowError:
        return TransientError(ErrorCode.CORRUPT_IMAGE, f"torn; its SHA-256 is {sha256}")

    past_run(output, "r1", manifest, {"b": found("1"), "c": BUSY, "d": found("2")}, recipe=recipe)
    assert to_do(output, manifest, recipe) == {"b", "c", "d"}
    again = {"a": GONE, "b": found("1"), "c": BUSY, "d": found("3")}
    past_run(output, "r2", manifest, again, recipe=recipe)
    # b is what it is; of c nothing was seen, and d is another file each time.
    assert to_do(output, manifest, recipe) == {"c", "d"}
    assert to_do(output, manifest, with_prompt(recipe, "soft light")) == set(NAMES)


def test_what_is_new_or_has_changed_is_to_do(
    output: str, manifest: str, recipe: Recipe, make_manifest: MakeManifest, tmp_path: Path
) -> None:
    past_run(output, "r1", manifest, {"b": GONE}, recipe=recipe)
    (tmp_path / "b.jpg").write_bytes(b"repaired")
    os.utime(tmp_path / "c.jpg", ns=(1, 1))
    make_manifest(
        id=[*NAMES, "e"],
        image_uri=[f"{n}.jpg" for n in [*NAMES, "e"]],
        prompt=["sand", "sand", "sand", "oak", "sand"],
    )
    assert to_do(output, manifest, recipe) == {"b", "c", "d", "e"}


def test_photographs_that_are_not_looked_at_do_not_change(
    output: str, manifest: str, recipe: Recipe, tmp_path: Path
) -> None:
    blind = replace_section(recipe, fetch=recipe.fetch.model_copy(update={"versions": ()}))
    past_run(output, "r1", manifest, recipe=blind)
    (tmp_path / "b.jpg").write_bytes(b"another")
    assert to_do(output, manifest, blind) == set()


def test_a_recipe_that_makes_other_pictures_redoes_all_and_other_pools_nothing(
    output: str, manifest: str, recipe: Recipe
) -> None:
    past_run(output, "r1", manifest, recipe=recipe)
    pools = recipe.resources
    wider = pools.model_copy(update={"render": pools.render.model_copy(update={"num_cpus": 2})})
    assert to_do(output, manifest, replace_section(recipe, resources=wider)) == set()
    assert to_do(output, manifest, with_prompt(recipe, "soft light")) == set(NAMES)


def test_what_is_changed_back_is_made_again(output: str, manifest: str, recipe: Recipe) -> None:
    other = with_prompt(recipe, "soft light")
    past_run(output, "r1", manifest, recipe=recipe)
    past_run(output, "r2", manifest, {"d": GONE}, recipe=other)
    # The newest picture of d is still the one that the first recipe made.
    assert to_do(output, manifest, recipe) == {"a", "b", "c"}
    assert shown(output) == {"a": "r2", "b": "r2", "c": "r2", "d": "r1"}


def test_what_somebody_reprocessed_stays(output: str, manifest: str, recipe: Recipe) -> None:
    past_run(output, "r1", manifest, recipe=recipe)
    origin = Origin(parent=("r1",), condition="true", image_root=str(Path(manifest).parent))
    better = with_prompt(recipe, "soft light")
    past_run(output, "r2", manifest, recipe=better, origin=origin)
    assert to_do(output, manifest, recipe) == set()
    assert to_do(output, manifest, better) == set()
    assert set(shown(output).values()) == {"r2"}


def test_an_unfinished_run_counts_and_is_shown_once_a_finished_one_vouches_for_it(
    output: str, manifest: str, recipe: Recipe
) -> None:
    dead = past_run(output, "r1", manifest, recipe=recipe, finished=False)
    files_of(dead)[0].unlink()
    missing = to_do(output, manifest, recipe)
    assert len(missing) == 2
    assert shown(output) == {}
    past_run(output, "r2", manifest, recipe=recipe, nightly=True)
    assert shown(output) == {n: "r2" if n in missing else "r1" for n in NAMES}
    assert to_do(output, manifest, recipe) == set()


def test_rows_that_a_night_vouches_for_are_shown_while_their_run_is_tidied(
    output: str, manifest: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = past_run(output, "r1", manifest, recipe=recipe, finished=False)
    table = pq.read_table(files_of(dead)[0], partitioning=None)
    write_result(dead.uri, table.slice(0, 1))
    past_run(output, "r2", manifest, recipe=recipe, nightly=True)
    views: list[set[str]] = []

    def looked_at(verb: Any, *args: Any, **options: Any) -> Any:
        answer = verb(*args, **options)
        views.append(set(shown(output)))
        return answer

    for verb in (storage.write, storage.create, storage.remove):
        monkeypatch.setattr(storage, verb.__name__, partial(looked_at, verb))
    assert deduplicate(dead.uri, dead.committed()) == 1
    assert len(views) > 1
    assert all(view == set(NAMES) for view in views)


def test_a_reader_that_is_overtaken_by_a_run_that_tidies_up_looks_again(
    output: str, manifest: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = past_run(output, "r1", manifest, recipe=recipe, finished=False)
    table = pa.concat_tables(pq.read_table(f, partitioning=None) for f in files_of(dead))
    write_result(dead.uri, table)
    past_run(output, "r2", manifest, recipe=recipe, nightly=True)
    overtaken = [lambda: deduplicate(dead.uri, dead.committed())]
    read = earlier_runs.read_columns

    def late(*args: Any) -> Any:
        if overtaken:
            overtaken.pop()()
        return read(*args)

    monkeypatch.setattr(earlier_runs, "read_columns", late)
    assert set(shown(output)) == set(NAMES)
    assert not overtaken


def test_a_storage_that_does_not_answer_is_no_wrong_request(
    output: str, manifest: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    past_run(output, "r1", manifest, recipe=recipe)

    def silent(*_: Any) -> Any:
        raise BUSY

    monkeypatch.setattr(earlier_runs, "read_columns", silent)
    with pytest.raises(TransientError, match="no answer"):
        current(output)


def test_torn_files_and_foreign_folders_say_nothing(
    output: str, manifest: str, recipe: Recipe
) -> None:
    dead = past_run(output, "r1", manifest, recipe=recipe, finished=False)
    torn = files_of(dead)[0]
    torn.write_bytes(torn.read_bytes()[:-10])
    Path(output, "notes").mkdir()
    assert len(to_do(output, manifest, recipe)) == 2


def test_files_that_a_finished_run_does_not_list_are_not_read(
    output: str, manifest: str, recipe: Recipe
) -> None:
    run = past_run(output, "r1", manifest, recipe=recipe)
    stray = past_run(output, "r2", manifest, recipe=with_prompt(recipe, "x"), finished=False)
    for file in files_of(stray):
        file.rename(Path(run.uri, "results", f"orphan-{file.name}"))
    assert current(output).num_rows == 4
    assert set(shown(output).values()) == {"r1"}
    assert to_do(output, manifest, recipe) == set()


def test_a_listed_file_that_is_gone_is_an_error_for_readers(
    output: str, manifest: str, recipe: Recipe
) -> None:
    run = past_run(output, "r1", manifest, recipe=recipe)
    files_of(run)[0].unlink()
    with pytest.raises(ValueError, match="a finished run lists this file"):
        current(output)
    assert len(to_do(output, manifest, recipe)) == 2


def test_the_newest_picture_of_each_sample_is_current(
    output: str, manifest: str, recipe: Recipe
) -> None:
    past_run(output, "r2", manifest, recipe=recipe)
    past_run(output, "r1", manifest, {"a": GONE}, recipe=recipe)
    assert shown(output) == {"a": "r2", "b": "r1", "c": "r1", "d": "r1"}
    newest = latest(output)
    assert set(newest["run_id"].to_pylist()) == {"r1"}
    for row in current(output).to_pylist():
        table = pq.read_table(row["file"], partitioning=None)
        assert table["sample_id"][row["row"]].as_py() == row["sample_id"]
        assert table["image"][row["row"]]["bytes"].as_py().endswith(row["run_id"].encode())


def test_two_samples_may_ask_for_one_picture(
    output: str, recipe: Recipe, make_manifest: MakeManifest
) -> None:
    one = make_manifest(id=["a"], image_uri=["x.jpg"], prompt=["sand"], seed=[1])
    past_run(output, "r1", one, recipe=recipe)
    both = make_manifest(id=["a", "b"], image_uri=["x.jpg"] * 2, prompt=["sand"] * 2, seed=[1, 1])
    assert to_do(output, both, recipe) == {"b"}


def test_an_empty_night_is_a_finished_run_of_its_own(
    output: str, manifest: str, recipe: Recipe
) -> None:
    past_run(output, "r1", manifest, recipe=recipe)
    night = past_run(output, "r2", manifest, recipe=recipe, nightly=True)
    assert (night.num_planned, night.num_unchanged, night.plan_files) == (0, 4, ())
    assert night.pending([], 64) == []
    assert night.discrepancies(night.committed()) == {}
    assert [run.listed is not None for run in past_runs(output)] == [True, True]
    assert set(shown(output).values()) == {"r1"}


def test_a_night_whose_condition_selects_nothing_is_refused(
    output: str, recipe: Recipe, make_manifest: MakeManifest
) -> None:
    empty = make_manifest(id=pa.array([], "string"), image_uri=pa.array([], "string"),
                          prompt=pa.array([], "string"))  # fmt: skip
    with pytest.raises(ValueError, match="selects no row"):
        past_run(output, "r1", empty, recipe=recipe, nightly=True)


def test_membership_of_fingerprints() -> None:
    rng = np.random.default_rng(7)
    names = [rng.bytes(16).hex() for _ in range(1000)]
    inside, outside = names[:600], names[600:]
    found = Settled(fingerprints=collected([pa.array(inside[:9]), pa.array(inside[9:])], most=1000))
    assert found.holds(pa.table({"fingerprint": inside})).all()
    assert not found.holds(pa.table({"fingerprint": outside})).any()
    extremes = pa.table({"fingerprint": ["0" * 32, "f" * 32]})
    assert not found.holds(extremes).any()
    nothing = Settled(fingerprints=collected([], most=0))
    assert not nothing.holds(extremes).any()


@pytest.mark.parametrize("sizes", [(), (0,), (3,), (1, 2, 0, 9, 4), (8, 8), (20,)])
def test_rechunking_keeps_rows_and_order(sizes: tuple[int, ...]) -> None:
    numbers = iter(range(100))
    tables = [pa.table({"n": pa.array([next(numbers) for _ in range(s)], "int64")}) for s in sizes]
    chunks = [table["n"].to_pylist() for table in rechunked(tables, 4)]
    assert [n for chunk in chunks for n in chunk] == list(range(sum(sizes)))
    assert all(len(chunk) == 4 for chunk in chunks[:-1])
    assert all(chunks)


def test_an_opened_run_knows_what_it_left_out(output: str, manifest: str, recipe: Recipe) -> None:
    past_run(output, "r1", manifest, recipe=recipe)
    night = past_run(output, "r2", manifest, recipe=recipe, nightly=True)
    request = Request(**past_runs(output)[-1].document["request"])
    opened = open_ledger(night.uri, request=request)
    assert opened == night
    assert night.num_unchanged == 4
