"""Samples of every kind against colours computed by hand, at full depth."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2lab

import pipeline
from pipeline.imaging.libraries.samples import ColorMeaning, Samples
from pipeline.imaging.reading.color.icc import press_profile, srgb_profile
from pipeline.imaging.reading.color.to_srgb import to_srgb8
from tests.unit.imaging.reading.profiles import (
    ADOBE,
    ADOBE_TO_XYZ,
    SRGB_TO_XYZ,
    cmyk_profile,
    encoded,
    from_lab,
    gamma,
    matrix_profile,
    profile,
)

DEEP = "more than 8 bits a channel, reduced to 8"


def converted(values_HWC, space="rgb", **meaning):
    samples = Samples(values_HWC=values_HWC, space=space, meaning=ColorMeaning(**meaning))
    return to_srgb8(samples)


def ramp16(channels=3):
    """Every level of 16 bits, and random colours; HWC."""
    noise_HWC = np.random.default_rng(0).integers(0, 65536, (256, 256, channels))
    grey_HWC = np.repeat(np.arange(65536).reshape(256, 256, 1), channels, axis=-1)
    return np.concatenate([noise_HWC, grey_HWC]).astype(np.uint16)


@pytest.mark.parametrize("icc", [None, srgb_profile()], ids=["untagged", "srgb"])
@pytest.mark.parametrize(("space", "channels"), [("rgb", 3), ("grey", 1)])
def test_deep_srgb_is_rounded_to_the_nearest_level(space, channels, icc):
    values_HWC = ramp16(channels)
    rgb_HWC, notes = converted(values_HWC, space, icc=icc)
    assert rgb_HWC.dtype == np.uint8
    assert rgb_HWC.shape == (512, 256, 3)
    assert (np.abs(rgb_HWC - values_HWC / 257) <= 0.5).all()
    assert notes == (DEEP,)


@pytest.mark.parametrize("icc", [None, srgb_profile()], ids=["untagged", "srgb"])
def test_8_bit_srgb_is_handed_on_without_a_copy(icc):
    values_HWC = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    rgb_HWC, notes = converted(values_HWC, icc=icc)
    assert np.shares_memory(rgb_HWC, values_HWC)
    assert notes == ()


@pytest.mark.parametrize("exponent", [1.0, 1.8, 2.19921875])
def test_deep_colour_is_converted_at_full_depth_and_rounded_once(exponent):
    values_HWC = ramp16()
    rgb_HWC, notes = converted(values_HWC, icc=matrix_profile(ADOBE_TO_XYZ, exponent))
    linear_HWC = (values_HWC / 65535) ** (round(exponent * 256) / 256)
    expected_HWC = encoded(linear_HWC @ np.linalg.solve(SRGB_TO_XYZ, ADOBE_TO_XYZ).T)
    error_HWC = np.abs(rgb_HWC - expected_HWC)
    # Half a level is what rounding costs. The matrices have five decimals, and near black the sixth
    # is a third of a level.
    assert error_HWC.max() <= 0.9
    assert np.mean(error_HWC > 0.55) < 0.01
    assert notes == (DEEP, "ICC profile 'made by hand' converted to sRGB")


def test_deep_and_8_bit_colour_agree_where_both_have_the_level():
    levels_HWC = np.random.default_rng(0).integers(64, 256, (64, 64, 3)).astype(np.uint8)
    shallow_HWC, _ = converted(levels_HWC, icc=ADOBE)
    deep_HWC, _ = converted(levels_HWC.astype(np.uint16) * 257, icc=ADOBE)
    assert np.abs(deep_HWC.astype(int) - shallow_HWC).max() <= 1


def test_deep_grey_uses_its_grey_profile():
    grey = profile(b"GRAY", {b"kTRC": gamma(1.75)})
    values_HWC = ramp16(1)
    rgb_HWC, notes = converted(values_HWC, "grey", icc=grey)
    assert np.abs(rgb_HWC - encoded((values_HWC / 65535) ** 1.75)).max() <= 0.7
    assert notes == (DEEP, "ICC profile 'made by hand' converted to sRGB")


def test_deep_grey_tagged_with_an_rgb_profile():
    values_HWC = ramp16(1)
    grey_HWC, notes = converted(values_HWC, "grey", icc=ADOBE)
    colour_HWC, same_notes = converted(np.repeat(values_HWC, 3, axis=-1), icc=ADOBE)
    np.testing.assert_array_equal(grey_HWC, colour_HWC)
    assert notes == same_notes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_inks_go_through_the_profile_they_brought(dtype):
    full = np.iinfo(dtype).max
    inks_HWC = np.zeros((1, 3, 4), dtype)
    inks_HWC[0, 1, 0] = inks_HWC[0, 2, 3] = full
    rgb_HWC, notes = converted(inks_HWC, "cmyk", icc=cmyk_profile())
    for x, lab in enumerate([(100, 0, 0), (62, -20, -25), (0, 0, 0)]):
        assert np.abs(rgb_HWC[0, x] - from_lab(*lab)).max() <= 2
    assert notes[-2:] == ("converted from CMYK", "ICC profile 'made by hand' converted to sRGB")


def lab_encoded(lab, dtype):
    """ICC.1:2022, tables 12 and 13."""
    lightness, a, b = np.moveaxis(lab, -1, 0)
    levels = np.stack([lightness * 2.55, a + 128, b + 128], axis=-1)
    return np.round(levels * (1 if dtype == np.uint8 else 257)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lab_is_of_the_d50_white(dtype):
    rng = np.random.default_rng(0)
    lab_HWC = np.stack(
        [rng.integers(35, 75, (40, 40)), *rng.integers(-20, 21, (2, 40, 40))], axis=-1
    ).astype(float)
    lab_HWC[..., 0] *= 20 / 51  # a level of 8 bits
    lab_HWC[..., 0] += 30 * 20 / 51
    lab_HWC[0, 0] = 100, 0, 0
    lab_HWC[0, 1] = 0
    values_HWC = lab_encoded(lab_HWC, dtype)
    rgb_HWC, notes = converted(values_HWC, "lab")
    exact_HWC = values_HWC / np.float64(np.iinfo(dtype).max) * [100, 255, 255] - [0, 128, 128]
    for y, x in np.ndindex(40, 40):
        assert np.abs(rgb_HWC[y, x] - from_lab(*exact_HWC[y, x])).max() <= 0.75
    assert rgb_HWC[0, 0].tolist() == [255, 255, 255]
    assert rgb_HWC[0, 1].tolist() == [0, 0, 0]
    assert notes[-1] == "converted from LAB"


@pytest.mark.parametrize(("space", "channels", "name"), [("rgb", 3, "RGB"), ("grey", 1, "grey")])
def test_a_profile_for_other_samples_is_set_aside_at_any_depth(space, channels, name):
    values_HWC = np.full((2, 2, channels), 257 * 99, np.uint16)
    rgb_HWC, notes = converted(values_HWC, space, icc=cmyk_profile())
    assert (rgb_HWC == 99).all()
    assert notes == (DEEP, f"ICC profile 'made by hand' is not for {name} pixels, ignored")


@pytest.mark.parametrize("damaged", [b"not a profile", ADOBE[:200], bytes(600)])
def test_an_unreadable_profile_is_set_aside_at_any_depth(damaged):
    rgb_HWC, notes = converted(np.full((2, 2, 3), 257 * 99, np.uint16), icc=damaged)
    assert (rgb_HWC == 99).all()
    assert notes == (DEEP, "ICC profile unreadable, taken as sRGB")


@pytest.mark.filterwarnings("error")
def test_a_profile_without_light_is_set_aside():
    dark = matrix_profile(np.zeros((3, 3)), 2.0)
    assert (converted(np.full((2, 2, 3), 50_000, np.uint16), icc=dark)[0] == 195).all()
    rgb_HWC, notes = converted(np.full((2, 2, 3), 0.5, np.float32), icc=dark)
    assert (rgb_HWC == 188).all()  # half of white
    assert notes == (DEEP, "ICC profile 'made by hand' has no primaries, ignored")


def test_floats_are_linear_light_with_white_at_one():
    linear_HWC = np.random.default_rng(0).random((50, 40, 3)).astype(np.float32)
    linear_HWC[0, :10] = 1.5
    rgb_HWC, notes = converted(linear_HWC)
    assert np.abs(rgb_HWC - encoded(linear_HWC)).max() <= 0.55
    assert notes == (DEEP, "brighter than white in 0.50% of pixels, clipped")


PROCESS_COLOURS = {
    (0, 0, 0, 0): "#FFFFFF",
    (1, 0, 0, 0): "#00AEEF",
    (0, 1, 0, 0): "#EC008C",
    (0, 0, 1, 0): "#FFF200",
    (0, 0, 0, 1): "#231F20",
    (0, 1, 1, 0): "#ED1C24",
    (1, 0, 1, 0): "#00A651",
    (1, 1, 0, 0): "#2E3192",
}
"""What Photoshop and Illustrator show of solid SWOP inks: values that designers know by heart."""


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("icc", [None, b"damaged"], ids=["none", "damaged"])
def test_inks_without_a_profile_are_taken_for_offset_print(dtype, icc):
    inks_HWC = np.array([list(PROCESS_COLOURS)], dtype) * np.iinfo(dtype).max
    rgb_HWC, notes = converted(inks_HWC, "cmyk", icc=icc)
    wanted_HWC = np.array([[list(bytes.fromhex(c[1:])) for c in PROCESS_COLOURS.values()]])
    assert np.abs(rgb_HWC - wanted_HWC).max() <= 2
    assert notes[-1] == "CMYK without a usable profile, taken for offset print (SWOP)"


def test_tints_of_inks_darken_evenly_to_paper():
    """No step of a ramp of one ink is more than a few levels: the profile has no holes."""
    steps = np.linspace(0, 255, 256).astype(np.uint8)
    for ink in range(4):
        inks_HWC = np.zeros((1, 256, 4), np.uint8)
        inks_HWC[0, :, ink] = steps
        lightness = rgb2lab(converted(inks_HWC, "cmyk")[0])[0, :, 0]
        assert lightness[0] == pytest.approx(100, abs=0.1)
        assert (np.diff(lightness) <= 0.3).all()
        assert np.abs(np.diff(lightness)).max() < 1.5


def test_the_press_profile_is_the_one_that_the_notice_names():
    notice = Path(pipeline.__file__).parents[1].joinpath("NOTICE").read_text(encoding="utf-8")
    assert hashlib.sha256(press_profile()).hexdigest() in notice
