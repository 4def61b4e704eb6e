"""The example of the README, as it stands there, over a dataset where the demo would put it."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.cli import main
from pipeline.errors import ErrorCode, RowError
from pipeline.recipe import Recipe
from tests.conftest import MakeManifest
from tests.unit.past import past_run

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## What you get")[2].partition("\n## ")[0]
GONE = RowError(ErrorCode.NOT_FOUND, "nothing there")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return found


def picture(shade: int) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.full((8, 12, 3), shade, np.uint8)).save(sink, "JPEG")
    return sink.getvalue()


def test_the_example_has_every_picture_once_and_the_rows_that_failed(
    tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["oak", "pine", "lost"]
    manifest = make_manifest(id=names, image_uri=["x.jpg"] * 3, prompt=["sand"] * 3)
    for number, run_id in enumerate(("monday", "tuesday")):
        outcomes = {name: picture(40 + 100 * number) for name in names}
        past_run("demo-output/dataset", run_id, manifest, {**outcomes, "lost": GONE}, recipe=recipe)
    _, *command = shlex.split(block("sh"))
    assert main(command) == 0

    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    values: dict = {}
    exec(compile(block("python"), "README.md", "exec"), values)
    assert sorted(values["done"]["sample_id"]) == ["oak", "pine"]
    assert set(values["done"]["run_id"]) == {"tuesday"}
    assert values["failed"]["error_code"] == ["not_found"] * 2
    with Image.open("first.jpg") as first:
        assert first.size == (12, 8)
        assert abs(first.getpixel((0, 0))[0] - 140) < 4
