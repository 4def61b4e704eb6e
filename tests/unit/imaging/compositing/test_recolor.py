import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.imaging.compositing.recolor import MAX_CLIPPED, recolor
from pipeline.imaging.pixels.color import linear_to_srgb, srgb_to_linear
from pipeline.imaging.pixels.oklab import linear_to_oklab, oklab_to_linear

COLORS = st.tuples(*[st.integers(0, 255)] * 3)
GREEN = np.array([0.1, 0.65, 0.2], np.float32)


def screen(shading, *, noise=0.0):
    """A green paint under `shading` (H x W, linear light), sRGB-encoded."""
    rng = np.random.default_rng(0)
    linear = shading[..., None] * srgb_to_linear(GREEN)
    encoded = linear_to_srgb(linear.astype(np.float32)) + noise * rng.normal(size=linear.shape)
    return np.clip(encoded, 0, 1).astype(np.float32)


def shadowed(shape=(60, 80)):
    shading = np.ones(shape, np.float32)
    shading[40:50, 20:60] = np.linspace(0.2, 1, 40, dtype=np.float32)
    return shading


def linear8(color):
    return srgb_to_linear(np.asarray(color, np.float32) / np.float32(255))


@given(hnp.arrays(np.float32, (5, 3), elements=st.floats(0, 1, width=32)))
def test_oklab_and_back_is_the_same_colour(rgb):
    np.testing.assert_allclose(oklab_to_linear(linear_to_oklab(rgb)), rgb, atol=2e-5)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (1, 0, 0)),
        ((1, 0, 0), (0.627955, 0.224863, 0.125846)),
        ((0, 1, 0), (0.866440, -0.233888, 0.179498)),
        ((0, 0, 1), (0.452014, -0.032457, -0.311528)),
    ],
)
def test_oklab_of_the_primaries(rgb, lab):
    np.testing.assert_allclose(linear_to_oklab(np.float32(rgb)), lab, atol=1e-4)


@given(color=COLORS.filter(any))
def test_paint_in_shadow_becomes_the_new_paint_in_the_same_shadow(color):
    shading = shadowed()
    new = recolor(screen(shading), np.zeros((60, 80), np.float32), color)
    wanted = linear_to_srgb(shading[..., None] * linear8(color))
    assert np.abs(new.rgb_HWC - wanted).max() < 2 / 255
    assert new.kept == 1


@given(color=COLORS, brightest=st.floats(1, 2.2))
def test_less_than_one_percent_clips_whatever_the_colour(color, brightest):
    shading = shadowed()
    shading[:20] = np.linspace(1, brightest, 20, dtype=np.float32)[:, None]
    background = screen(shading, noise=0.01)
    new = recolor(background, np.zeros((60, 80), np.float32), color)
    assert new.clipped < MAX_CLIPPED
    assert new.rgb_HWC.min() >= 0
    assert new.rgb_HWC.max() <= 1


def test_reflections_stay_reflections():
    background = screen(np.ones((60, 80), np.float32))
    background[30:40, 30:50] += np.float32([0.1, 0.0, 0.0])
    new = recolor(background, np.zeros((60, 80), np.float32), (120, 130, 140)).rgb_HWC
    redder = new[35, 40] - new[5, 5]
    assert redder[0] > 0.02
    assert redder[0] > redder[1]
    assert redder[0] > redder[2]


def test_shadows_show_on_black():
    new = recolor(screen(shadowed()), np.zeros((60, 80), np.float32), (0, 0, 0)).rgb_HWC
    assert new[0, 0] * 255 == pytest.approx([50, 50, 50], abs=1)
    assert new[45, 21].max() < 0.6 * new[0, 0].min()


def test_what_is_kept_is_not_touched_and_its_colour_does_not_count():
    background = screen(shadowed())
    keep = np.zeros((60, 80), np.float32)
    keep[:38] = 1
    background[:38] = (0.9, 0.1, 0.1)
    new = recolor(background, keep, (20, 30, 200)).rgb_HWC
    np.testing.assert_array_equal(new[:38], background[:38])
    assert new[58, 5] * 255 == pytest.approx([20, 30, 200], abs=2)


def test_next_to_grey_nothing_blows_up():
    rng = np.random.default_rng(1)
    grey = np.clip(0.7 + 0.002 * rng.normal(size=(40, 40, 3)), 0, 1).astype(np.float32)
    new = recolor(grey, np.zeros((40, 40), np.float32), (200, 60, 40)).rgb_HWC
    assert np.abs(new * 255 - (200, 60, 40)).max() < 8


def test_a_picture_without_background_cannot_be_recoloured():
    with pytest.raises(ValueError, match="nothing is background"):
        recolor(screen(shadowed()), np.ones((60, 80), np.float32), (1, 2, 3))
