import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pipeline.imaging.cutout.confidence import judge


def square(level=1.0):
    alpha = np.zeros((80, 100), np.float32)
    alpha[20:60, 30:70] = level
    return alpha


def test_noughts_and_ones_are_beyond_doubt():
    cutout = judge(square(), square())
    assert cutout.confidence == pytest.approx(1, abs=1e-4)
    assert cutout.entropy == pytest.approx(0, abs=1e-4)
    assert cutout.band_width == 0
    assert cutout.agreement == 1
    assert cutout.coverage == pytest.approx(0.2)
    assert cutout.frame_contact == 0


def test_a_coin_for_every_pixel_is_two_bits_a_pixel_of_foreground():
    assert judge(square(0.5)).entropy == pytest.approx(2, rel=1e-4)


def test_the_band_is_measured_across_the_outline():
    alpha = square()
    alpha[20:60, 28:30] = alpha[20:60, 70:72] = 0.4  # 160 px beside an outline of 156
    assert judge(alpha).band_width == pytest.approx(160 / 156 / 100)


def test_agreement_is_the_overlap_with_the_mirrored_cut_out():
    half = square()
    half[20:60, 50:70] = 0
    assert judge(square(), half).agreement == pytest.approx(0.5)
    assert judge(square(), half).confidence == pytest.approx(0.5, abs=1e-3)


def test_each_doubt_lowers_the_confidence():
    levels = [judge(gaussian_filter(square(), sigma)).confidence for sigma in (0, 2, 4, 8)]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == 4


def test_a_product_cut_off_at_one_side_is_not_doubted_and_a_full_frame_is():
    cut_off = np.zeros((80, 100), np.float32)
    cut_off[:40] = 1
    assert judge(cut_off).frame_contact == pytest.approx(178 / 356)
    assert judge(cut_off).confidence == pytest.approx(1, abs=1e-3)
    assert judge(np.ones((80, 100), np.float32)).confidence == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3000, 33)])
@pytest.mark.parametrize("level", [0, 0.3, 1])
def test_any_size_gives_numbers(shape, level):
    cutout = judge(np.full(shape, level, np.float32), np.full(shape, level, np.float32))
    assert 0 <= cutout.confidence <= 1
    assert np.isfinite([cutout.entropy, cutout.band_width, cutout.frame_contact]).all()
