"""What a shop would see of the packshot recipe: its files, decoded."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms
from scipy.ndimage import gaussian_filter

from jobs.recipes import load_recipe
from pipeline.errors import RowError
from pipeline.imaging.writing.encoding import encode_alpha
from pipeline.manifest.shots import shots
from pipeline.planning.prompt_and_seed import resolve_color
from pipeline.stages.render import RenderMapper

SMALLER = ("brief.canvas_width=600", "brief.canvas_height=600", "render.thumbnail_px=0")
BLOCK_PX = 8


def packshot(*settings):
    """A tall, round, strongly coloured product, photographed on a brown table."""
    recipe = load_recipe("white-packshot", overrides=[*SMALLER, *settings])
    y, x = np.mgrid[0:300, 0:260]
    alpha = gaussian_filter(
        ((x - 130) / 60.0) ** 2 + ((y - 150) / 110.0) ** 2 < 1, 1.0, output="f4"
    )
    alpha[alpha < 0.01] = 0
    product = np.stack([200 - x / 4, 30 + y / 4, 40 + (x * y) % 23], -1)
    photo = np.where(alpha[..., None] > 0, product, (120, 90, 60)).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    (shot,) = shots(recipe.brief, resolve_color(recipe.brief, "anything"))
    row = {
        "image_bytes": file.getvalue(),
        "alpha": encode_alpha(np.clip(alpha, 0, 1)),
        "alpha_colors": None,
        "prompt": "anything",
        "final_prompt": "anything",
        "seed": 1,
        "reference_bytes": [],
        "shot": shot.model_dump(mode="json"),
    }
    mapper = RenderMapper(recipe.render, limits=recipe.input, num_threads=1)
    (outcome,) = mapper.map_batch([row])
    assert not isinstance(outcome, RowError), outcome
    return outcome, Image.open(BytesIO(outcome["picture"]))


def composed(*settings):
    """The picture as it was before it became a JPEG."""
    return np.asarray(packshot("render.format=png", *settings)[1])


def blocks_of(mask):
    """Blocks of the JPEG that hold nothing but background, as a mask of pixels."""
    size = mask.shape[0] // BLOCK_PX
    whole = mask.reshape(size, BLOCK_PX, size, BLOCK_PX).all(axis=(1, 3))
    return whole.repeat(BLOCK_PX, 0).repeat(BLOCK_PX, 1)


def test_the_background_is_exactly_white_up_to_the_outline():
    picture = composed()
    y, x = np.mgrid[0:600, 0:600] - 300
    beyond = (x / (270 * 64 / 114 + 4)) ** 2 + (y / 274) ** 2 > 1
    assert (picture[beyond] == 255).all()
    assert (picture[~beyond] < 255).any(axis=1).mean() > 0.9


def test_and_so_it_is_once_the_jpeg_is_decoded():
    _, picture = packshot()
    assert picture.format == "JPEG"
    decoded, ground = np.asarray(picture), (composed() == 255).all(axis=2)
    assert (decoded[blocks_of(ground)] == 255).all()
    assert decoded[ground].min() >= 252
    assert (decoded[ground] == 255).all(axis=1).mean() > 0.99


def test_the_product_fills_the_frame():
    outcome, picture = packshot()
    assert picture.size == (600, 600)
    darker = (np.asarray(picture) < 128).any(axis=2)
    rows = np.flatnonzero(darker.any(axis=1))
    assert (rows[-1] + 1 - rows[0]) / 600 == pytest.approx(0.9, abs=0.02)
    assert outcome["metrics"]["product_fill"] >= 0.85
    assert outcome["shot_notes"] == []


def test_the_file_is_tagged_srgb():
    _, picture = packshot()
    profile = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_a_natural_shadow_can_be_asked_for_and_leaves_the_rest_white():
    _, plain = packshot()
    _, shaded = packshot("brief.shadow=soft")
    below = (slice(500, 600), slice(150, 450))
    assert np.asarray(shaded)[below].mean() < np.asarray(plain)[below].mean() - 1
    assert (np.asarray(shaded)[:24] == 255).all()
