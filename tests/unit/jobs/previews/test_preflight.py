from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.previews.preflight import (
    Check,
    Findings,
    Probe,
    _planned,
    access,
    failures,
    gpu_memory,
    preflight,
    problem_with_weights,
    try_out,
    weights,
)
from jobs.recipes import load_recipe
from pipeline import storage
from pipeline.manifest.reader import open_manifest
from pipeline.models.generation.diffusion.diffusion_config import SdxlInpaintConfig
from pipeline.models.weights import Checkpoint
from pipeline.planning.planner import Planner
from pipeline.runs.run_config import RunConfig
from tests.flow import pictures
from tests.small_s3 import DEAF, SWIFT, Manners, SmallS3
from tests.unit.jobs.forecasting.test_forecast import HEAVY, LIGHT, stage
from tests.unit.storage.conftest import pointing


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    pictures.write_all(tmp_path / "catalogue", {"a.jpg": pictures.jpeg()})
    return Probe(
        recipe=load_recipe("studio"),
        manifest_root=str(tmp_path / "catalogue"),
        output=str(tmp_path / "out"),
        uris=(str(tmp_path / "catalogue/a.jpg"), str(tmp_path / "catalogue/b.jpg")),
    )


def test_a_node_tries_what_its_stages_will_need(probe, tmp_path):
    found = try_out(LIGHT, probe)
    assert len(found.unreadable) == 1
    assert "b.jpg" in found.unreadable[0]
    assert found.unwritable is None
    assert found.weights == {}
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    assert (
        "cannot be written" in try_out(LIGHT, replace(probe, output=f"{tmp_path}/file")).unwritable
    )


def test_nodes_that_see_nothing_are_named(probe):
    found = try_out(LIGHT, probe)
    blind = replace(found, node=HEAVY, unreadable=("not_found: x", "not_found: y"))
    photographs, writing = access([found, blind], probe)
    assert not photographs.ok
    assert photographs.said == "10.0.0.2 (heavy): not_found: x"
    assert writing.ok
    assert "1 reads failed" in next(access([found], probe)).said


def test_weights_are_looked_for_wherever_a_recipe_names_them(tmp_path):
    recipe = load_recipe("studio", overrides=[f"matte.network.weights={tmp_path}/none.onnx"])
    assert "none.onnx: expected a file, found nothing" in problem_with_weights(recipe.matte)
    file = tmp_path / "net.onnx"
    file.write_bytes(b"net")
    overrides = [f"matte.network.weights={file}", f"matte.network.weights_sha256={'a' * 64}"]
    recipe = load_recipe("studio", overrides=overrides)
    assert "expected sha256" in problem_with_weights(recipe.matte)
    assert problem_with_weights(load_recipe("studio").matte) is None
    nested = SdxlInpaintConfig(checkpoint=Checkpoint(path=tmp_path / "sdxl"))
    assert "sdxl: expected a directory, found nothing" in problem_with_weights(nested)


def findings(**more) -> Findings:
    values = {"node": LIGHT, "unreadable": (), "unwritable": None, "weights": {}, "key": None}
    return Findings(**{**values, "gpu_memory_mb": (24_000,), **more})


def test_only_nodes_that_get_actors_need_the_weights():
    missing = {"render": "weights /w: expected a directory, found nothing"}
    found = [findings(weights=missing), findings(node=HEAVY)]
    assert weights([stage("render", node_group="heavy")], found).ok
    check = weights([stage("render")], found)
    assert not check.ok
    assert check.said.startswith("10.0.0.1 (light): stage render: weights /w")


@pytest.mark.parametrize(
    ("pool", "ok"),
    [
        ({"num_gpus": 0.5, "gpu_memory_mb": 12_000}, True),
        ({"num_gpus": 0.33, "gpu_memory_mb": 12_000}, False),
        ({"num_gpus": 1, "gpu_memory_mb": 40_000}, False),
        ({"num_gpus": 1}, True),
    ],
)
def test_actors_that_share_a_device_share_its_memory(pool, ok):
    assert gpu_memory([stage("render", **pool)], [findings()]).ok is ok


def test_failures_that_are_known_before_are_held_against_the_budget():
    recipe = load_recipe("studio")
    bad = {"id": "x", "error": {"message": "seed -7 is negative"}}
    good = {"id": "y", "error": None}
    assert failures([good] * 98 + [bad] * 2, [findings()], recipe, 1000).ok
    check = failures([good] * 90 + [bad] * 10, [findings()], recipe, 1000)
    assert not check.ok
    assert "about 100 of 1,000 rows fail" in check.said
    assert "x: seed -7 is negative" in check.said
    assert not failures([good] * 100, [findings(unreadable=("gone",) * 4)], recipe, 1000).ok


def test_a_manifest_that_cannot_be_read_ends_the_list(tmp_path):
    config = RunConfig(
        recipe=load_recipe("studio"), manifest=f"{tmp_path}/none.parquet", output=str(tmp_path)
    )
    (check,) = preflight(config, address=None)
    assert (check.name, check.ok) == ("manifest", False)
    assert "nothing there" in check.said


@pytest.mark.parametrize(
    ("manners", "is_vouched_for", "said"),
    [
        (Manners(), False, "pass  lease        keeps a second driver off a run"),
        (SWIFT, False, "--assume-single-driver"),
        (DEAF, False, "--assume-single-driver"),
        (SWIFT, True, "has no conditions, as --assume-single-driver says"),
    ],
)
def test_whether_a_store_can_keep_two_drivers_off_a_run_is_tried(
    make_manifest, monkeypatch, manners, is_vouched_for, said
):
    config = RunConfig(
        recipe=load_recipe("studio"),
        manifest=make_manifest(id=["a"], image_uri=["1.jpg"], prompt=["oak"]),
        output="s3://shop/out",
        assume_single_driver=is_vouched_for,
    )
    with SmallS3(manners) as store:
        pointing(monkeypatch)(store.url)
        check = next(one for one in preflight(config, address=None) if one.name == "lease")
        storage.disconnect()
        assert said in "\n".join(check.lines())
        assert check.ok is (is_vouched_for or manners not in (SWIFT, DEAF))
        assert store.objects == {}


def test_a_kept_value_that_python_has_not_ends_no_preflight(make_manifest):
    far = pa.array([2**31 - 1, None], pa.int32()).cast(pa.date32())
    uri = make_manifest(id=["a", "b"], image_uri=["1.jpg"] * 2, prompt=["oak"] * 2, until=far)
    recipe = load_recipe("studio", overrides=["keep=[until]"])
    rows = list(_planned(Planner(recipe=recipe, manifest=open_manifest(uri))))
    assert [row["id"] for row in rows] == ["a", "b"]
    assert failures(rows, [findings()], recipe, 2).ok


def test_a_check_is_a_line_and_a_failed_one_has_its_fix():
    assert Check(name="pools", ok=True, said="fit", fix="x").lines() == ["pass  pools        fit"]
    said = "\n".join(
        Check(name="pools", ok=False, said="do not fit", fix="start more nodes").lines()
    )
    assert said.splitlines()[1].strip() == "fix: start more nodes"
