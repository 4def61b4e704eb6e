import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.placing.canvas import fill, place, product_of
from pipeline.imaging.placing.layout import Box, Wish, lay_out
from pipeline.imaging.placing.placements import parse_placements


def photograph(height=120, width=160, box=(40, 30, 60, 70)):
    """A product of random pixels on random ground; `box` is x, y, width, height."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    alpha = np.zeros((height, width), np.float32)
    x, y, w, h = box
    alpha[y : y + h, x : x + w] = 1
    return rgb, alpha


def placed(text, rgb, alpha, **wish):
    (placement,) = parse_placements(text)
    return place(rgb, alpha, lay_out(placement, product_of(alpha), Wish(**wish)))


def test_the_original_placement_gives_the_photograph_back():
    rgb, alpha = photograph()
    canvas = placed("original", rgb, alpha)
    assert canvas.rgb_HWC is rgb
    assert canvas.untouched


def test_padding_keeps_every_pixel():
    rgb, alpha = photograph()
    canvas = placed("padding:5,6,7,8", rgb, alpha)
    assert canvas.rgb_HWC.shape == (135, 171, 3)
    np.testing.assert_array_equal(canvas.rgb_HWC[7:127, 5:165], rgb)
    np.testing.assert_array_equal(canvas.alpha_HW[7:127, 5:165], alpha)
    assert canvas.alpha_HW.sum() == alpha.sum()
    assert canvas.untouched


def test_a_moved_product_of_unchanged_size_keeps_every_pixel():
    rgb, alpha = photograph()
    canvas = placed("box:10,20,60,70", rgb, alpha, canvas_height=100, canvas_width=100)
    np.testing.assert_array_equal(canvas.rgb_HWC[20:90, 10:70], rgb[30:100, 40:100])
    assert canvas.untouched


@settings(max_examples=40)
@given(
    text=st.sampled_from(["upper_left", "bottom_center", "center_vertical", "fit"]),
    x=st.integers(0, 100),
    y=st.integers(0, 60),
    width=st.integers(8, 60),
    height=st.integers(8, 60),
    side=st.integers(60, 300),
    margin=st.floats(0, 0.2),
)
def test_the_pixels_land_where_the_layout_says(text, x, y, width, height, side, margin):
    rgb, alpha = photograph(box=(x, y, width, height))
    canvas = placed(
        text, rgb, alpha, canvas_height=side, canvas_width=side, margin=margin, max_upscale=8
    )
    target, found = canvas.layout.target, product_of(canvas.alpha_HW).box
    # The resampled edge is a pixel or two wide when the product is enlarged.
    slack = 1 + max(1, canvas.layout.scale)
    for edge in ("x", "y", "right", "bottom"):
        assert abs(getattr(found, edge) - getattr(target, edge)) <= slack


def test_a_placed_product_looks_like_itself():
    ramp = np.linspace(0, 255, 160)[None, :, None] * np.ones((120, 1, 3))
    _, alpha = photograph()
    canvas = placed("fit", ramp.astype(np.uint8), alpha, canvas_height=140, canvas_width=140)
    target = canvas.layout.target
    got = canvas.rgb_HWC[target.y + 5 : target.bottom - 5, target.x : target.right, 0].mean(0)
    wanted = np.interp(np.linspace(40, 99, target.width), np.arange(160), ramp[0, :, 0])
    assert np.abs(got - wanted).max() < 2
    assert not canvas.untouched


def test_what_the_frame_cuts_is_noticed_and_a_hair_is_not():
    _, alpha = photograph(box=(0, 30, 60, 90))
    alpha[0, 80] = 1
    product = product_of(alpha)
    assert (product.cut_left, product.cut_bottom) == (True, True)
    assert (product.cut_right, product.cut_top) == (False, False)


def test_haze_is_no_product():
    _, alpha = photograph()
    alpha[0, 0] = 0.03
    assert product_of(alpha).box == Box(40, 30, 60, 70)
    assert fill(alpha) == pytest.approx(70 / 120)


def test_nothing_cannot_be_placed():
    with pytest.raises(RowError) as caught:
        product_of(np.zeros((5, 5), np.float32))
    assert caught.value.code == ErrorCode.EMPTY_MATTE


def test_sizes_that_differ_are_refused():
    rgb, alpha = photograph()
    (placement,) = parse_placements("fit")
    layout = lay_out(placement, product_of(alpha), Wish())
    with pytest.raises(ValueError, match="does not fit"):
        place(rgb[1:], alpha, layout)


def test_an_enlarged_outline_has_no_echo():
    rgb, alpha = photograph()
    canvas = placed("fit", rgb, alpha, canvas_height=800, canvas_width=800, max_upscale=8)
    row = canvas.alpha_HW[400]
    outline = np.flatnonzero(row > 0.5)[0]
    scale = canvas.layout.scale
    assert (row[: int(outline - 1.1 * scale)] == 0).all()
    assert (row[int(outline + 1.1 * scale) : 400] == 1).all()
