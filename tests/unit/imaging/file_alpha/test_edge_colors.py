from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from pipeline.imaging.file_alpha.edge_colors import CutoutColors, weigh_edge
from pipeline.imaging.file_alpha.matte_color import unmixed
from tests import cutouts

EXPECTED = {
    "straight, black under it": "straight",
    "straight, white under it": "straight",
    "over black": "over #000000",
    "over white": "over #ffffff",
    "over grey": "over #808080",
    "photograph": "mixed",
    "photograph over black": "mixed over #000000",
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("seed", range(4))
def test_the_soft_edge_tells_what_its_colours_are(name, seed):
    color, alpha8 = cutouts.product(seed)
    told = weigh_edge(cutouts.files(color, alpha8)[name], alpha8 / np.float32(255))
    assert (str(told.colors), told.is_sure) == (EXPECTED[name], True)


@pytest.mark.parametrize("name", [name for name in EXPECTED if "hotograph" not in name])
def test_and_so_it_does_where_a_lossy_codec_went_over_it(name):
    color, alpha8 = cutouts.product(2)
    file = cutouts.png(cutouts.files(color, alpha8)[name], alpha8, "WEBP", quality=90, exact=True)
    rgb8 = np.asarray(Image.open(BytesIO(file)))[..., :3]
    assert str(weigh_edge(rgb8, alpha8 / np.float32(255)).colors) == EXPECTED[name]


@pytest.mark.parametrize(
    "shadow",
    [{}, {"level": 40}, {"blur": 5, "opacity": 0.5}, {"blur": 20}, {"blur": 8, "offset": (20, 0)}],
    ids=str,
)
@pytest.mark.parametrize("seed", range(4))
def test_a_soft_shadow_in_the_alpha_channel_is_no_old_background(shadow, seed):
    rgb8, alpha8 = cutouts.with_shadow(*cutouts.product(seed), **shadow)
    assert str(weigh_edge(rgb8, alpha8 / np.float32(255)).colors) == "straight"


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("seed", range(4))
def test_a_product_with_its_shadow_may_be_laid_over_black_or_white(level, seed):
    rgb8, alpha8 = cutouts.with_shadow(*cutouts.product(seed))
    a = alpha8[..., None] / 255
    colors = weigh_edge(cutouts.levels(a * rgb8 + (1 - a) * level), alpha8 / np.float32(255)).colors
    assert colors.matte == (level,) * 3


def test_where_a_shadow_lies_all_around_nothing_is_told_and_they_are_taken_as_straight():
    color, alpha8 = cutouts.product(1)
    rgb8, alpha8 = cutouts.with_shadow(color, alpha8, blur=16, opacity=0.6, offset=(0, 0))
    told = weigh_edge(rgb8, alpha8 / np.float32(255))
    assert (str(told.colors), told.is_sure) == ("straight", False)


@pytest.mark.parametrize("level", [60, 200, 235])
def test_a_product_of_one_colour_may_have_a_shadow_too(level):
    _, alpha8 = cutouts.product()
    plain = np.full((*alpha8.shape, 3), level) * np.array((1, 0.6, 0.4))
    rgb8, alpha8 = cutouts.with_shadow(plain, alpha8)
    assert str(weigh_edge(rgb8, alpha8 / np.float32(255)).colors) == "straight"


@pytest.mark.parametrize("seed", range(4))
def test_hidden_colours_that_continue_the_product_s_are_no_background(seed):
    """A product that is darker along its edge, its colours continued as by editors and packers."""
    color, alpha8 = cutouts.product(seed)
    depth = distance_transform_edt(alpha8 > 10)
    darker = color * np.clip(0.35 + (depth - 3) / 8, 0.35, 1)[..., None]
    rows, columns = distance_transform_edt(
        alpha8 <= 10, return_distances=False, return_indices=True
    )
    told = weigh_edge(cutouts.levels(darker[rows, columns]), alpha8 / np.float32(255))
    assert str(told.colors) == "straight"


@pytest.mark.parametrize("quality", [80, 85])
@pytest.mark.parametrize("name", ["over black", "over white"])
def test_a_lossy_codec_may_change_what_was_hidden(name, quality):
    color, alpha8 = cutouts.product(2)
    file = cutouts.png(cutouts.files(color, alpha8)[name], alpha8, "WEBP", quality=quality)
    rgb8 = np.asarray(Image.open(BytesIO(file)).convert("RGBA"))[..., :3]
    assert str(weigh_edge(rgb8, alpha8 / np.float32(255)).colors) == EXPECTED[name]


@pytest.mark.parametrize("matte", [(128, 128, 128), (0, 177, 64), (40, 60, 150)], ids=str)
@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("seed", range(4))
def test_a_colour_that_is_nowhere_left_alone_is_had_from_the_edge(matte, hidden, seed):
    color, alpha8 = cutouts.product(seed)
    a = alpha8[..., None] / 255
    rgb8 = cutouts.levels(np.where(a == 0, hidden, a * color + (1 - a) * np.array(matte)))
    told = weigh_edge(rgb8, alpha8 / np.float32(255))
    assert told.colors.matte is not None
    assert not told.colors.is_mixed
    assert np.abs(np.array(told.colors.matte) - matte).max() <= 8


@pytest.mark.parametrize(("level", "kind"), [(4, "black"), (251, "white")])
def test_a_product_as_dark_as_black_or_as_bright_as_white_comes_to_no_harm(level, kind):
    """Straight or laid over black is the same there, whatever is said of it."""
    _, alpha8 = cutouts.product()
    rgb8 = np.full((*alpha8.shape, 3), level, np.uint8)
    alpha = alpha8 / np.float32(255)
    colors = weigh_edge(rgb8, alpha).colors
    own = rgb8 / np.float32(255)
    if colors.matte is not None:
        own = unmixed(own, alpha, colors.matte)
    error = (
        np.abs(own * 255 - level)[(alpha > 0.02) & (alpha < 0.98)]
        * alpha[(alpha > 0.02) & (alpha < 0.98), None]
    )
    assert error.mean() < 0.5, kind


def test_a_hard_edge_has_nothing_to_tell_and_is_taken_as_straight():
    color, alpha8 = cutouts.product()
    hard = np.where(alpha8 > 127, np.float32(1), np.float32(0))
    told = weigh_edge(cutouts.levels(color), hard)
    assert (str(told.colors), told.is_sure) == ("straight", False)


def test_what_lies_over_black_or_white_is_had_back_to_the_rounding():
    color, alpha8 = cutouts.product()
    alpha = alpha8 / np.float32(255)
    seen = alpha > 0
    for name, matte in (("over black", (0, 0, 0)), ("over white", (255, 255, 255))):
        observed = cutouts.files(color, alpha8)[name] / np.float32(255)
        error = np.abs(unmixed(observed, alpha, matte) * 255 - color) * alpha[..., None]
        assert error[seen].max() < 0.51


@pytest.mark.parametrize("text", ["", "white", "over #fff", "straight over #000000", "mixed "])
def test_no_other_words_are_read(text):
    with pytest.raises(ValueError, match="says nothing"):
        CutoutColors.parse(text)


def dark_outline(color_HWC, alpha8_HW, level=40):
    """The product's colours, which turn dark from 4 px within its edge on."""
    depth_HW = distance_transform_edt(alpha8_HW > 250)
    own_HW1 = (0.35 * alpha8_HW / 255 + 0.65 * np.clip(depth_HW / 4, 0, 1))[..., None]
    dark_HWC = cutouts.ground(*alpha8_HW.shape) * level / 128
    return own_HW1 * color_HWC + (1 - own_HW1) * dark_HWC


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("seed", range(4))
def test_an_outline_that_turns_dark_within_the_product_is_no_old_background(seed, level):
    color, alpha8 = cutouts.product(seed)
    a = alpha8[..., None] / 255
    over = a * dark_outline(color, alpha8) + (1 - a) * level
    colors = weigh_edge(cutouts.levels(over), alpha8 / np.float32(255)).colors
    assert colors == CutoutColors(matte=(level,) * 3)


@pytest.mark.parametrize("seed", range(4))
def test_a_photograph_of_a_dark_outline_is_told_by_the_background_in_view(seed):
    color, alpha8 = cutouts.product(seed)
    a = alpha8[..., None] / 255
    bright = 200 + cutouts.ground(*alpha8.shape) / 5
    photo = cutouts.levels(a * dark_outline(color, alpha8, level=5) + (1 - a) * bright)
    assert str(weigh_edge(photo, alpha8 / np.float32(255)).colors) == "mixed"


@pytest.mark.parametrize("seed", range(4))
def test_a_background_that_was_painted_over_is_seen_in_the_edge(seed):
    color, alpha8 = cutouts.product(seed)
    photo = cutouts.files(color, alpha8)["photograph"]
    told = weigh_edge(
        np.where(alpha8[..., None] > 0, photo, 0).astype(np.uint8), alpha8 / np.float32(255)
    )
    assert str(told.colors) == "mixed"


@pytest.mark.parametrize("level", [14, 226], ids=["black cloth", "white paper"])
@pytest.mark.parametrize("seed", range(4))
def test_a_nearly_black_or_white_background_in_view_is_an_old_background(seed, level):
    color, alpha8 = cutouts.product(seed, blur=3)
    a = alpha8[..., None] / 255
    rows = np.linspace(-5, 5, len(a))[:, None, None]
    photo = a * color + (1 - a) * (level + rows)
    assert str(weigh_edge(cutouts.levels(photo), alpha8 / np.float32(255)).colors) == "mixed"


@pytest.mark.parametrize("seed", range(4))
def test_a_photograph_out_of_focus_may_be_laid_over_black(seed):
    color, alpha8 = cutouts.product(seed, height=500, width=440, blur=5)
    a = alpha8[..., None] / 255
    photo = cutouts.levels(a * color + (1 - a) * (200 + cutouts.ground(*alpha8.shape) / 5))
    for rgb, is_mixed in ((photo, True), (color, False)):
        colors = weigh_edge(cutouts.levels(a * rgb), alpha8 / np.float32(255)).colors
        assert colors == CutoutColors(matte=(0, 0, 0), is_mixed=is_mixed)
