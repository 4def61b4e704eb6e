"""What a dataset says of itself: where rows come from and how they are made is not its to widen."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import jobs.running.reprocess
from jobs.running.dataset_trust import check_believed, permissions
from jobs.running.reprocess import begun_run, reprocess
from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs.earlier_runs import current
from pipeline.runs.reselect import choose
from pipeline.runs.run_config import RunConfig
from pipeline.runs.run_folder import Origin
from pipeline.runs.verify import verify
from tests.conftest import MakeManifest
from tests.unit.past import past_run

GONE = {"b": RowError(ErrorCode.NOT_FOUND, "nothing there")}
WIDER = [
    "fetch.allow_private_addresses=true",
    "fetch.allowed_hosts=[cdn.example.com]",
    "fetch.allowed_prefixes=[s3://tenant-b/]",
    "matte.network={kind: birefnet, checkpoint: "
    f"{{path: /w, manifest_sha256: {'a' * 64}, allow_remote_code: true}}}}",
]


@pytest.fixture
def manifest(make_manifest: MakeManifest) -> str:
    uris = ["1.jpg", "2.jpg"]
    return make_manifest("feed/m.parquet", id=["a", "b"], image_uri=uris, prompt=["oak", "oak"])


@pytest.fixture
def output(tmp_path: Path, manifest: str, recipe: Recipe) -> str:
    output = str(tmp_path / "dataset")
    past_run(output, "r1", manifest, GONE, recipe=recipe)
    return output


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """What would have been run."""
    found = list[RunConfig]()
    monkeypatch.setattr(
        jobs.running.reprocess, "run_and_report", lambda config, **_: found.append(config) or 0
    )
    return found


def change(output: str, **values: Any) -> None:
    """Write what a run says of itself anew, as whoever may write the dataset can."""
    path = Path(output, "run_id=r1", "run.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **values}))


def again(output: str, **options: Any) -> int:
    given: Mapping[str, Any] = {"recipe": None, "overrides": [], "run_id": None, "address": None}
    return reprocess(output, condition="error is not null", **{**given, **options})


def test_photographs_lie_where_the_manifest_does_whatever_the_dataset_says(
    output: str, manifest: str, asked: list[RunConfig]
) -> None:
    change(output, image_root=str(Path(manifest).parents[1]))
    assert again(output) == 0
    assert asked[0].origin is not None
    assert asked[0].origin.image_root == str(Path(manifest).parent)


@pytest.mark.parametrize("path", ["", "run_id=r1", "run_id=r1/run.json"])
def test_a_dataset_that_others_may_write_is_not_believed(
    output: str, manifest: str, asked: list[RunConfig], path: str
) -> None:
    place = Path(output, path)
    place.chmod(place.stat().st_mode | 0o020)
    with pytest.raises(ValueError, match="can be written by others") as refused:
        again(output)
    assert "--manifest and --recipe, or with --trust-dataset" in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="say so yourself with --manifest, or"):
        again(output, recipe="studio")
    assert not asked
    assert again(output, trusts_dataset=True) == 0
    assert again(output, recipe="studio", manifest=manifest, run_id="given") == 0
    assert [one.recipe.name for one in asked] == ["plain", "studio"]


def test_neither_is_one_of_another_user_nor_one_behind_a_link_nor_one_in_a_bucket(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def why(place: str) -> str:
        with pytest.raises(ValueError, match="--trust-dataset") as refused:
            check_believed(place, manifest=None, recipe=None, trusts_dataset=False)
        return str(refused.value)

    check_believed(output, manifest=None, recipe=None, trusts_dataset=False)
    assert "cannot be seen from here" in why("s3://bucket/dataset")
    Path(output, "run_id=r2").symlink_to(tmp_path)
    assert "is a link" in why(output)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to another user" in why(output)


def test_rows_are_taken_from_the_manifest_that_is_given(
    output: str, make_manifest: MakeManifest, asked: list[RunConfig]
) -> None:
    planted = make_manifest("planted.parquet", id=["b"], image_uri=["x/secret.jpg"], prompt=["oak"])
    own = make_manifest("own/m.parquet", id=["a", "b"], image_uri=["1.jpg"] * 2, prompt=["oak"] * 2)
    change(output, request={**read(output)["request"], "manifest": planted})
    chosen = choose(output, "error is not null", manifest=own)
    assert chosen is not None
    assert [manifest.uri for manifest in chosen.manifests.values()] == [own]
    assert chosen.image_root == str(Path(own).parent)
    assert again(output, recipe="studio", manifest=own) == 0
    assert asked[0].origin is not None
    assert asked[0].origin.image_root == str(Path(own).parent)


def read(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(output, "run_id=r1", "run.json").read_text())
    return found


@pytest.mark.parametrize("setting", WIDER)
def test_what_a_recipe_permits_has_to_be_given_again(
    output: str, asked: list[RunConfig], setting: str
) -> None:
    wider = parse_recipe("name: plain", overrides=[setting], source="test")
    (named,) = permissions(wider)
    change(output, recipe=wider.model_dump(mode="json"))
    with pytest.raises(ValueError, match=r"permits what no dataset may permit") as refused:
        again(output)
    assert f"--set {named}=" in str(refused.value)
    assert not asked
    said = str(refused.value).partition("--set ")[2].partition(", with --recipe")[0]
    assert again(output, overrides=[said.replace("'", "")]) == 0
    assert again(output, trusts_dataset=True, run_id="trusted") == 0
    assert [permissions(one.recipe) for one in asked] == [permissions(wider)] * 2


def test_a_run_that_goes_on_is_held_to_the_same(output: str, manifest: str, recipe: Recipe) -> None:
    chosen = storage.join(output, "run_id=again", "_manifest")
    options: dict[str, Any] = {"condition": "error is not null", "overrides": [], "run_id": None}
    Path(chosen).mkdir(parents=True)
    Path(chosen, "m.parquet").write_bytes(Path(manifest).read_bytes())
    origin = Origin(parent=("r1",), condition=options["condition"], image_root="/planted")
    past_run(output, "again", chosen, recipe=recipe, origin=origin, finished=False)
    begun = begun_run(output, recipe=None, **options)
    assert begun is not None
    Path(output).chmod(0o777)
    with pytest.raises(ValueError, match="can be written by others"):
        begun_run(output, recipe=None, **options)
    path = Path(output).parent / "plain.yaml"
    path.write_text("name: plain")
    given = begun_run(output, recipe=str(path), manifest=manifest, **options)
    assert given is not None
    assert given.origin is not None
    assert given.origin.image_root == str(Path(manifest).parent)


@pytest.mark.parametrize("name", ["../../secret.parquet", "/secret.parquet", "..", "a\\..\\b"])
def test_no_document_of_a_dataset_names_a_file_outside_its_run(output: str, name: str) -> None:
    success = Path(output, "run_id=r1", "_SUCCESS")
    before = success.read_bytes()
    success.write_text(json.dumps({"results": [name]}))
    with pytest.raises(ValueError, match="_SUCCESS: not as a run writes it"):
        current(output)
    success.unlink()
    Path(output, "run_id=r1", "results.json").write_text(json.dumps({"results": [name]}))
    with pytest.raises(ValueError, match=r"results\.json: not as a run writes it"):
        current(output)
    Path(output, "run_id=r1", "results.json").unlink()
    success.write_bytes(before)
    before_plan = read(output)["plan"]
    change(output, plan={**before_plan, "files": [name]})
    with pytest.raises(ValueError, match="not as a run writes it"):
        verify(storage.join(output, "run_id=r1"))
    change(output, plan=before_plan, adopted={"r1": [name]})
    with pytest.raises(ValueError, match="not as a run writes it"):
        current(output)


@pytest.mark.parametrize("extends", ["bria", "/etc/other.yaml"])
def test_the_recipe_of_a_dataset_names_no_other_to_extend(
    output: str, recipe: Recipe, asked: list[RunConfig], extends: str
) -> None:
    change(output, recipe={**recipe.model_dump(mode="json"), "extends": extends})
    with pytest.raises(ValueError, match=r"recipe of run r1: extends: only a recipe's own file"):
        again(output, trusts_dataset=True)
    assert not asked
