"""A manifest with masks, and photographs with paths, from its columns to the dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs.cli import main
from pipeline.imaging.writing.encoding import decode_alpha
from tests import photoshop
from tests.flow import pictures
from tests.flow.drivers import ALONE

pytestmark = pytest.mark.ray


def test_what_is_brought_along_is_used_and_the_network_elsewhere(tmp_path: Path) -> None:
    catalogue, output = tmp_path / "catalogue", tmp_path / "dataset"
    catalogue.mkdir()
    (catalogue / "vase.jpg").write_bytes(pictures.jpeg())
    mask = np.zeros((240, 320), np.uint8)
    mask[60:180, 100:220] = 255
    Image.fromarray(mask).save(catalogue / "mask.png")
    (catalogue / "photo.png").write_bytes(pictures.jpeg((240, 240)))
    left, right = (photoshop.rectangle(at, 0.25, at + 0.25, 0.75) for at in (0.25, 0.5))
    blocks = photoshop.marked(left, name=b"Left")
    blocks += photoshop.resource(2001, photoshop.path(right), b"Right")
    with Image.open(catalogue / "vase.jpg") as vase:
        (catalogue / "paths.jpg").write_bytes(photoshop.jpeg(blocks, picture=vase))
    masks = {"masked": "mask.png", "plain": None, "gone": "gone.png", "wrong": "photo.png"}
    paths = {"marked": None, "named": "Right", "unknown": "Middle"}
    neither = {"mask_uri": None, "clipping_path": None, "prompt": "oak"}
    rows = [
        {**neither, "id": name, "image_uri": "vase.jpg", "mask_uri": uri}
        for name, uri in masks.items()
    ]
    rows += [
        {**neither, "id": name, "image_uri": "paths.jpg", "clipping_path": path}
        for name, path in paths.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), catalogue / "manifest.parquet")
    arguments = ["--set", "output.alpha=true", "--set", "budget.max_failures=3", *ALONE]
    manifest = str(catalogue / "manifest.parquet")
    code = main(["run", "studio", "--manifest", manifest, "--output", str(output), *arguments])
    assert code == 0
    (run,) = output.glob("run_id=*")
    names = json.loads((run / "_SUCCESS").read_text())["results"]
    found = {
        row["id"]: row
        for name in names
        for row in pq.read_table(run / "results" / name).to_pylist()
    }
    assert found["masked"]["alpha_source"] == "mask"
    assert found["masked"]["mask_uri"] == str(catalogue / "mask.png")
    assert found["masked"]["cutout"] is None
    assert (decode_alpha(found["masked"]["alpha"]) == mask / np.float32(255)).all()
    assert found["plain"]["alpha_source"] == "network"
    assert 0.5 < found["plain"]["cutout"]["confidence"] <= 1
    assert found["plain"]["cutout"]["doubtful"] is False
    for name, middle in (("marked", 120), ("named", 200)):  # neighbours of one photograph
        assert found[name]["alpha_source"] == "clipping_path"
        assert found[name]["clipping_path"] == paths[name]
        columns = np.nonzero(decode_alpha(found[name]["alpha"])[120] > 0.5)[0]
        assert columns.mean() == pytest.approx(middle, abs=1)
    reasons = {
        name: (found[name]["error"]["stage"], found[name]["error"]["code"])
        for name in ("gone", "wrong", "unknown")
    }
    assert reasons == {
        "gone": ("fetch", "not_found"),
        "wrong": ("matte", "bad_request"),
        "unknown": ("matte", "bad_request"),
    }
    assert "'Left', 'Right'" in found["unknown"]["error"]["message"]
