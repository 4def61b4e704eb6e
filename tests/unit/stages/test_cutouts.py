"""Cut-outs as people deliver them, from the file to the finished picture."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from jobs.recipes import load_recipe
from pipeline.imaging.pixels.resample import resize
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.manifest.shots import shots
from pipeline.planning.prompt_and_seed import resolve_color
from pipeline.stages.matte import MatteConfig, MatteMapper
from pipeline.stages.render import RenderMapper
from tests import cutouts

TEAL = (20, 130, 140)


@pytest.fixture(scope="module")
def matte():
    return MatteMapper(MatteConfig(), limits=ImageLimits(), num_threads=1)


def finished(file, matte, *settings):
    """The row after the matte stage, and the picture on a plain ground without a shadow."""
    recipe = load_recipe(
        "studio",
        overrides=[
            "render.format=png", "render.thumbnail_px=0", "brief.background_color='#14828c'",
            "brief.shadow=none", *settings,
        ],
    )  # fmt: skip
    (cut,) = matte.map_batch([{"image_bytes": file, "mask_bytes": None, "clipping_path": None}])
    (shot,) = shots(recipe.brief, resolve_color(recipe.brief, ""))
    row = {
        "image_bytes": file, "prompt": "", "final_prompt": "", "seed": 1, "reference_bytes": [],
        "shot": shot.model_dump(mode="json"), **cut,
    }  # fmt: skip
    mapper = RenderMapper(recipe.render, limits=recipe.input, num_threads=1)
    (outcome,) = mapper.map_batch([row])
    picture = np.asarray(Image.open(BytesIO(outcome["picture"])).convert("RGB"))
    return cut, picture.astype(np.float32)


@pytest.mark.parametrize(
    "name", ["straight, black under it", "straight, white under it", "over black", "over white"]
)
def test_a_cut_out_is_pasted_exactly_whatever_its_colours_lie_over(matte, name):
    color, alpha8 = cutouts.product(3)
    cut, picture = finished(cutouts.png(cutouts.files(color, alpha8)[name], alpha8), matte)
    assert cut["alpha_source"] == "file"
    alpha = alpha8[..., None] / 255
    exact = alpha * color + (1 - alpha) * np.array(TEAL)
    band = (alpha8 > 5) & (alpha8 < 250)
    difference = (picture - exact)[band]
    assert np.abs(difference).mean() < 0.5
    assert abs(difference.mean()) < 0.1


@pytest.mark.parametrize("name", ["straight, black under it", "over black"])
def test_and_where_it_is_made_smaller_nothing_hidden_gets_into_its_outline(matte, name):
    color, alpha8 = cutouts.product(3, height=600, width=520, blur=2)
    file = cutouts.png(cutouts.files(color, alpha8)[name], alpha8)
    size = ("brief.canvas_width=208", "brief.canvas_height=240")
    _, picture = finished(file, matte, *size, "brief.placement=original")
    alpha = alpha8[..., None] / 255
    whole = (alpha * color + (1 - alpha) * np.array(TEAL)).astype(np.float32) / 255
    exact = resize(whole, 240, 208, kernel="bicubic") * 255
    small = resize(alpha8 / np.float32(255), 240, 208, kernel="bicubic")
    difference = (picture - exact)[(small > 0.02) & (small < 0.98)]
    assert abs(difference.mean()) < 0.5
    assert np.abs(difference).mean() < 1.5


def test_colours_that_a_file_declares_premultiplied_are_pasted_as_exactly(matte):
    color, alpha8 = cutouts.product(3)
    out = BytesIO()
    premultiplied = np.dstack([cutouts.files(color, alpha8)["over black"], alpha8])
    tifffile.imwrite(out, premultiplied, photometric="rgb", extrasamples=["assocalpha"])
    cut, picture = finished(out.getvalue(), matte)
    assert cut["alpha_colors"] == "straight"
    assert "colours of the cut-out: straight, as the file declares" in cut["decode_notes"]
    alpha = alpha8[..., None] / 255
    exact = alpha * color + (1 - alpha) * np.array(TEAL)
    assert np.abs(picture - exact)[(alpha8 > 5) & (alpha8 < 250)].mean() < 0.6


def test_a_photograph_under_a_networks_alpha_loses_its_old_background(matte):
    color, alpha8 = cutouts.product(3, blur=3)
    alpha = alpha8[..., None] / 255
    exact = alpha * color + (1 - alpha) * np.array(TEAL)
    band = (alpha8 > 5) & (alpha8 < 250)
    for name in ("photograph", "photograph over black"):
        file = cutouts.files(color, alpha8)[name]
        cut, picture = finished(cutouts.png(file, alpha8), matte)
        assert cut["alpha_colors"].startswith("mixed")
        pasted = alpha * file + (1 - alpha) * np.array(TEAL)
        left, before = np.abs(picture - exact)[band].mean(), np.abs(pasted - exact)[band].mean()
        assert left < 0.6 * before


def test_the_recipe_may_know_better():
    color, alpha8 = cutouts.product(3)
    file = cutouts.png(cutouts.files(color, alpha8)["over black"], alpha8)
    for rule, colors in {
        "straight": "straight",
        "premultiplied": "over #000000",
        "white": "over #ffffff",
        "mixed": "mixed over #000000",
    }.items():
        mapper = MatteMapper(
            MatteConfig(file_alpha_colors=rule), limits=ImageLimits(), num_threads=1
        )
        (cut,) = mapper.map_batch(
            [{"image_bytes": file, "mask_bytes": None, "clipping_path": None}]
        )
        assert cut["alpha_colors"] == colors
        assert cut["decode_notes"][-1].endswith("as the recipe says")


def test_no_other_rule_is_accepted():
    with pytest.raises(ValueError, match="neither auto"):
        MatteConfig(file_alpha_colors="blackish")
