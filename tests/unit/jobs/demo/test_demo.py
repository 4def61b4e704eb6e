from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs.demo import catalogue as demo

BROKEN = {"espresso-torn", "teapot-lost"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.build_catalogue(tmp_path_factory.mktemp("catalogue"))


def rows(manifest: Path) -> list[dict[str, object]]:
    return pq.read_table(manifest).to_pylist()


def test_a_catalogue_has_a_dozen_rows_with_unique_ids(manifest: Path) -> None:
    ids = [row["id"] for row in rows(manifest)]
    assert len(ids) >= 12
    assert len(set(ids)) == len(ids)


def test_ten_prompts_differ_and_a_photograph_serves_several(manifest: Path) -> None:
    healthy = [row for row in rows(manifest) if row["id"] not in BROKEN]
    assert len({row["prompt"] for row in healthy}) >= 10
    assert len({row["image_uri"] for row in healthy}) < len(healthy)


def test_every_healthy_picture_decodes_beside_the_manifest(manifest: Path) -> None:
    for row in rows(manifest):
        if row["id"] in BROKEN:
            continue
        with Image.open(manifest.parent / str(row["image_uri"])) as picture:
            picture.load()
            assert min(picture.size) >= 256


def test_two_inputs_are_broken_on_purpose(manifest: Path) -> None:
    uris = {row["id"]: manifest.parent / str(row["image_uri"]) for row in rows(manifest)}
    assert not uris["teapot-lost"].exists()
    with Image.open(uris["espresso-torn"]) as picture, pytest.raises(OSError, match="truncated"):
        picture.load()


def test_the_cut_out_is_solid_inside_clear_outside_and_soft_between(manifest: Path) -> None:
    with Image.open(manifest.parent / "images" / "dahlia-cutout.png") as picture:
        assert picture.mode == "RGBA"
        alpha = np.asarray(picture)[..., 3]
    height, width = alpha.shape
    assert (
        alpha[height // 2 - 50 : height // 2 + 50, width // 2 - 50 : width // 2 + 50].min() == 255
    )
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert border.max() == 0
    soft = ((alpha > 5) & (alpha < 250)).mean()
    assert 0.001 < soft < 0.05


def test_building_twice_gives_the_same_files(manifest: Path, tmp_path: Path) -> None:
    again = demo.build_catalogue(tmp_path).parent
    first = {p.relative_to(manifest.parent): p.read_bytes() for p in manifest.parent.rglob("*.*")}
    second = {p.relative_to(again): p.read_bytes() for p in again.rglob("*.*")}
    assert first == second


def test_every_picture_has_its_source_and_licence(manifest: Path) -> None:
    sources = (manifest.parent / "SOURCES.md").read_text(encoding="utf-8")
    for picture in (manifest.parent / "images").iterdir():
        assert picture.name in sources
    assert "CC BY 2.0" in sources


def test_every_photograph_that_ships_is_small_and_its_licence_in_the_notice() -> None:
    notice = Path(demo.__file__).parents[2].joinpath("NOTICE").read_text(encoding="utf-8")
    shipped = list(files("jobs.demo").joinpath("photographs").iterdir())
    assert {file.name for file in shipped} == {f"{name}.jpg" for name in demo.PHOTOGRAPHS}
    for file in shipped:
        assert len(file.read_bytes()) < 300_000
        assert file.name in notice
