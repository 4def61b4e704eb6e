"""Masks that were written in another range than from black to white."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.cutout.given_mask import coverage_from
from pipeline.imaging.reading.decode import decode, decode_levels
from pipeline.imaging.reading.limits import ImageLimits

LIMITS = ImageLimits(min_side_px=1)
SIZE_HW = (120, 160)
Y, X = np.mgrid[:120, :160]
RADIUS = np.hypot((Y - 60) / 44, (X - 80) / 60)
HARD = (RADIUS < 1).astype(np.float64)
SOFT = np.clip((1.1 - RADIUS) / 0.2, 0, 1)


def png(levels, dtype=np.uint8):
    out = BytesIO()
    Image.fromarray(np.rint(levels).astype(dtype)).save(out, "PNG")
    return out.getvalue()


def tiff(levels, dtype):
    out = BytesIO()
    tifffile.imwrite(out, levels.astype(dtype), photometric="minisblack")
    return out.getvalue()


def mask(data):
    return coverage_from(decode_levels(data, LIMITS), SIZE_HW)


def refused(data):
    with pytest.raises(RowError, match="mask_uri: the mask's lightest pixel") as caught:
        mask(data)
    return caught.value.code is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize("level", [2, 26, 64, 100, 127, 128, 180, 200, 240])
def test_two_levels_are_nothing_and_all(level):
    found = mask(png(HARD * level))
    np.testing.assert_array_equal(found.coverage_HW, HARD)
    assert f"{level / 255:.4%} of white: scaled to white" in found.notes[0]


@pytest.mark.parametrize("level", [64, 128, 200])
def test_two_levels_as_jpeg_has_them(level):
    out = BytesIO()
    Image.fromarray((HARD * level).astype(np.uint8)).save(out, "JPEG", quality=85)
    found = mask(out.getvalue())
    assert np.abs(found.coverage_HW - HARD).mean() < 0.02
    assert found.coverage_HW[60, 80] > 0.97
    assert "scaled" in found.notes[0]


@pytest.mark.parametrize(
    ("white", "dtype"),
    [(100, np.uint8), (127, np.uint8), (170, np.uint8)]
    + [(white, np.uint16) for white in (100, 255, 1023, 4095, 10_000, 32767, 32768)],
)
def test_soft_masks_in_a_range_of_their_own_are_scaled(white, dtype):
    found = mask(png(SOFT * white, dtype))
    assert np.abs(found.coverage_HW - SOFT).max() <= 0.5 / white + 1e-6
    assert "scaled to white" in found.notes[0]


def test_percent_and_half_of_16_bits_are_known_whatever_the_mask_looks_like():
    for white, dtype in ((100, np.uint8), (32767, np.uint16)):
        ramp = np.tile(np.linspace(0, 1, 160), (120, 1))
        found = mask(png(ramp * white, dtype))
        assert np.abs(found.coverage_HW - ramp).max() <= 0.5 / white + 1e-6
        assert "scaled to white" in found.notes[0]


def test_what_is_undecided_is_refused_by_name():
    veil = np.tile(np.linspace(0, 150, 160), (120, 1))
    labels = np.repeat([0, 60, 120, 180], 40)[None].repeat(120, axis=0)
    half = np.full(SIZE_HW, 128)
    assert all(refused(png(levels)) for levels in (veil, labels, half))


@pytest.mark.parametrize("white", [232, 250, 253, 255])
def test_a_soft_mask_that_nearly_reaches_white_is_left_as_it_is(white):
    ramp = np.rint(np.tile(np.linspace(0, white, 160), (120, 1)))
    found = mask(png(ramp))
    np.testing.assert_allclose(found.coverage_HW, ramp / 255, atol=1e-6)
    assert found.notes == ()


def test_an_alpha_channel_may_be_soft_throughout():
    levels = np.zeros((*SIZE_HW, 4), np.uint8)
    levels[..., 3] = np.tile(np.linspace(0, 150, 160), (120, 1))
    found = mask(png(levels))
    np.testing.assert_allclose(found.coverage_HW, levels[..., 3] / 255, atol=1e-6)


@pytest.mark.parametrize("white", [1, 100, 255, 65535])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_levels_in_any_usual_range(white, dtype):
    if dtype == np.float16 and white == 65535:
        pytest.skip("more than half a float holds")
    found = mask(tiff(SOFT * white, dtype))
    assert np.abs(found.coverage_HW - SOFT).max() < 2e-3
    assert bool(found.notes) == (white > 1)


def test_small_products_of_floats_are_not_clipped():
    """As a photograph the same file is clipped light: few samples are above 1."""
    soft = np.where(SOFT > 0.5, SOFT, 0) * (RADIUS < 0.3) * np.clip(1.5 - 3 * RADIUS, 0, 1)
    found = mask(tiff(soft * 255, np.float32))
    assert np.abs(found.coverage_HW - soft).max() < 1e-3
    assert any("clipped" in note for note in decode(tiff(soft * 255, np.float32), LIMITS).notes)


def test_32_bit_integers_keep_their_low_bits():
    for white in (1, 255, 2**32 - 1):
        np.testing.assert_array_equal(mask(tiff(HARD * white, np.uint32)).coverage_HW, HARD)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e9, -5])
def test_floats_that_are_no_levels_are_refused(wrong):
    levels = SOFT.astype(np.float32)
    levels[3, 5] = wrong
    with pytest.raises(RowError) as caught:
        mask(tiff(levels, np.float32))
    assert caught.value.code is ErrorCode.UNSUPPORTED_FORMAT
