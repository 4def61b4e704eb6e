import numpy as np
import pytest

from pipeline.imaging.pixels.color import linear_to_srgb, quantise, srgb8_to_linear, srgb_to_linear

EVERY_LEVEL = np.arange(256, dtype=np.uint8)


def test_every_8_bit_value_survives_the_round_trip():
    assert (np.round(linear_to_srgb(srgb8_to_linear(EVERY_LEVEL)) * 255) == EVERY_LEVEL).all()


def test_the_look_up_is_the_formula():
    levels = EVERY_LEVEL.astype(np.float32) / np.float32(255)
    assert (srgb8_to_linear(EVERY_LEVEL) == srgb_to_linear(levels)).all()


def test_the_curve_meets_the_standard():
    # Mid grey of 8 bits and both sides of the joint between toe and power.
    expected = {0.0: 0.0, 0.04045: 0.0031308, 0.5: 0.21404114, 1.0: 1.0}
    for encoded, linear in expected.items():
        assert float(srgb_to_linear(np.float32(encoded))) == pytest.approx(linear, abs=1e-6)
        assert float(linear_to_srgb(np.float32(linear))) == pytest.approx(encoded, abs=2e-6)


def test_both_curves_rise_and_keep_float32():
    ramp = np.linspace(0, 1, 5000, dtype=np.float32)
    for curve in (srgb_to_linear, linear_to_srgb):
        assert (np.diff(curve(ramp)) >= 0).all()
        assert curve(ramp).dtype == np.float32


def test_a_negative_value_gives_no_nan():
    assert np.isfinite(linear_to_srgb(np.float32([-0.1, 0.0]))).all()


def flat(value, side=400):
    return np.full((side, side, 3), value, dtype=np.float32)


@pytest.mark.parametrize("level", [0, 2.3, 100.25, 127.5, 200.0, 252.9, 255])
def test_dither_does_not_shift_the_mean(level):
    quantised = quantise(flat(level / 255), seed=1, weight_HW=np.ones((400, 400), np.float32))
    assert quantised.mean() == pytest.approx(level, abs=0.01)


def test_dither_breaks_up_the_bands_of_a_slow_gradient():
    ramp = np.tile(np.linspace(100 / 255, 102 / 255, 600, dtype=np.float32), (200, 1))
    gradient = np.repeat(ramp[..., np.newaxis], 3, axis=2)

    def banding(weight):
        weights = np.full(ramp.shape, weight, dtype=np.float32)
        columns = quantise(gradient, seed=3, weight_HW=weights).mean(axis=(0, 2))
        return np.abs(columns - ramp[0] * 255).max()

    assert banding(0) > 0.45
    assert banding(1) < 0.15


def test_black_and_white_stay_pure_under_dither():
    weights = np.ones((400, 400), np.float32)
    assert (quantise(flat(1), seed=4, weight_HW=weights) == 255).all()
    assert (quantise(flat(0), seed=4, weight_HW=weights) == 0).all()


def test_masked_pixels_are_exact_and_the_others_are_not():
    levels = np.tile(EVERY_LEVEL, (64, 1))
    photograph = np.repeat(levels[..., np.newaxis], 3, axis=2)
    weights = np.zeros(levels.shape, dtype=np.float32)
    weights[32:] = 1
    exact = photograph.astype(np.float32) / np.float32(255)
    quantised = quantise(exact, seed=5, weight_HW=weights)
    assert (quantised[:32] == photograph[:32]).all()
    assert (quantised[32:] != photograph[32:]).mean() > 0.1
    assert np.abs(quantised.astype(int) - photograph).max() == 1


def test_the_seed_decides_the_noise():
    image, weights = flat(0.4001), np.ones((400, 400), np.float32)
    first = quantise(image, seed=6, weight_HW=weights)
    assert (first == quantise(image, seed=6, weight_HW=weights)).all()
    assert (first != quantise(image, seed=7, weight_HW=weights)).any()


def test_values_outside_the_range_are_clipped():
    image = np.float32([[[-0.2, 0.5, 1.7]]])
    quantised = quantise(image, seed=8, weight_HW=np.zeros((1, 1), np.float32))
    assert quantised.tolist() == [[[0, 128, 255]]]


def test_weights_of_another_size_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        quantise(flat(0.5, side=4), seed=0, weight_HW=np.zeros((4, 5), np.float32))
