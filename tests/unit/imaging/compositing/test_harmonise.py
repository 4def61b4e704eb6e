import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.compositing.harmonise import HarmoniseConfig, adaptation, harmonise, shift_of
from pipeline.imaging.compositing.white_point import known_white
from pipeline.imaging.pixels.color import linear_to_srgb, srgb_to_linear
from pipeline.imaging.pixels.color_difference import RGB_TO_XYZ, delta_e, srgb_to_lab

WHITES = st.tuples(*[st.floats(0.4, 1)] * 3)
WARM = (1.0, 0.8, 0.5)


def product(seed=0, size=48):
    rng = np.random.default_rng(seed)
    foreground = np.kron(rng.uniform(0, 1, (size // 4, size // 4, 3)), np.ones((4, 4, 1)))
    alpha = np.zeros((size, size), np.float32)
    alpha[8:-8, 8:-8] = 1
    return foreground.astype(np.float32), alpha


def under(light, size=48):
    """A grey card's worth of background, sRGB-encoded."""
    linear = 0.5 * np.asarray(light, np.float32) * np.ones((size, size, 3), np.float32)
    return linear_to_srgb(linear)


def test_off_touches_nothing():
    foreground, alpha = product()
    background = under(WARM)
    result = harmonise(foreground, alpha, background, HarmoniseConfig(), scene=known_white(WARM))
    assert result.foreground_HWC is foreground
    assert result.background_HWC is background
    assert result.shift.max == 0


def test_background_mode_moves_the_background_towards_neutral_and_the_product_not_at_all():
    foreground, alpha = product()
    config = HarmoniseConfig(mode="background", background_strength=1.0)
    result = harmonise(foreground, alpha, under(WARM), config, scene=known_white(WARM))
    assert result.foreground_HWC is foreground
    red, green, blue = result.background_HWC[0, 0]
    assert max(red, green, blue) - min(red, green, blue) < 0.01


def test_the_background_moves_by_the_strength_asked_for():
    foreground, alpha = product()
    casts = []
    for strength in (0.0, 0.5, 1.0):
        config = HarmoniseConfig(mode="background", background_strength=strength)
        ground = harmonise(foreground, alpha, under(WARM), config, scene=known_white(WARM))
        red, _, blue = srgb_to_linear(ground.background_HWC[0, 0])
        casts.append(np.log(red / blue))
    assert casts[0] == pytest.approx(np.log(2), abs=0.01)
    assert casts[0] > casts[1] + 0.2 > casts[2] + 0.4


@settings(max_examples=60)
@given(light=WHITES, seed=st.integers(0, 50), tau=st.sampled_from([0.5, 1.0, 2.0, 4.0]))
def test_no_product_ever_moves_beyond_the_bound(light, seed, tau):
    foreground, alpha = product(seed)
    config = HarmoniseConfig(mode="product", tau=tau, background_strength=0)
    result = harmonise(foreground, alpha, under(light), config, scene=known_white(light))
    inside = alpha == 1
    eight_bits = np.round(result.foreground_HWC[inside] * 255) / 255
    before = np.round(foreground[inside] * 255) / 255
    moved = delta_e(srgb_to_lab(before), srgb_to_lab(eight_bits))
    assert moved.mean() <= tau
    assert np.quantile(moved, 0.95) <= 2 * tau
    assert result.shift.mean == pytest.approx(moved.mean(), abs=1e-3)
    assert result.shift.max == pytest.approx(moved.max(), abs=1e-3)


def test_the_product_follows_a_warm_scene_as_far_as_the_bound():
    foreground, alpha = product()
    config = HarmoniseConfig(mode="product", background_strength=0)
    result = harmonise(foreground, alpha, under(WARM), config, scene=known_white(WARM))
    change = (srgb_to_linear(result.foreground_HWC) - srgb_to_linear(foreground))[alpha == 1]
    assert change[:, 0].mean() > 0 > change[:, 2].mean()
    assert 1.5 < result.shift.mean <= 2
    assert 0 < result.strength < 1


def test_under_neutral_light_a_product_stays_as_it_is():
    foreground, alpha = product()
    config = HarmoniseConfig(mode="product")
    result = harmonise(foreground, alpha, under((1, 1, 1)), config, scene=known_white((1, 1, 1)))
    np.testing.assert_array_equal(result.foreground_HWC, foreground)


def test_the_cast_of_the_photograph_counts_within_the_same_bound():
    foreground, alpha = product()
    photo = np.full((48, 48, 3), 0, np.uint8)
    photo[:] = (235, 228, 212)
    photo[alpha == 1] = 90
    config = HarmoniseConfig(mode="product")
    neutral = known_white((1, 1, 1))
    result = harmonise(foreground, alpha, under((1, 1, 1)), config, scene=neutral, photo_HWC=photo)
    change = (result.foreground_HWC - foreground)[alpha == 1]
    assert change[:, 2].mean() > 0.005
    assert 0.5 < result.shift.mean <= 2


def test_a_background_nobody_knows_the_light_of_moves_only_as_far_as_the_guess_is_trusted():
    rng = np.random.default_rng(3)
    foreground, alpha = product()
    confetti = rng.uniform(0, 1, (48, 48, 3)).astype(np.float32) ** [0.3, 2.0, 0.3]
    config = HarmoniseConfig(mode="product", background_strength=0)
    result = harmonise(foreground, alpha, confetti.astype(np.float32), config)
    assert result.confidence < 0.2
    assert result.shift.mean < 1


@given(one=WHITES, other=WHITES)
def test_adaptation_turns_one_white_into_the_other_and_keeps_luminance(one, other):
    one, other = (known_white(white).rgb_3 for white in (one, other))
    np.testing.assert_allclose(adaptation(one, other) @ one, other, atol=1e-6)
    assert RGB_TO_XYZ[1] @ adaptation(np.ones(3), other) @ np.ones(3) == pytest.approx(1)


@given(one=WHITES, other=WHITES)
def test_adaptation_there_and_back_is_nothing(one, other):
    one, other = np.asarray(one), np.asarray(other)
    np.testing.assert_allclose(
        adaptation(one, other) @ adaptation(other, one), np.eye(3), atol=1e-9
    )


def test_a_product_of_no_pixels_has_not_moved():
    nothing = np.zeros((0, 3), np.float32)
    assert shift_of(nothing, nothing).max == 0


def test_sizes_that_differ_are_refused():
    foreground, alpha = product()
    with pytest.raises(ValueError, match="sizes differ"):
        harmonise(foreground, alpha[1:], under(WARM), HarmoniseConfig(mode="product"))
