from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from pipeline.imaging.compositing.composite import over
from pipeline.imaging.compositing.foreground_estimation import estimate_foreground
from pipeline.imaging.quality.fidelity import certify, halo

PRODUCT, OLD, NEW = (0.7, 0.2, 0.15), (0.95, 0.95, 0.9), (0.1, 0.25, 0.5)


def disc(*, soft=2.0, product=PRODUCT, old=OLD):
    """A photograph of a soft disc, its coverage and its true colour."""
    y, x = np.mgrid[0:160, 0:180]
    solid = (x - 90.0) ** 2 + (y - 80.0) ** 2 < 50**2
    alpha = np.clip(gaussian_filter(solid.astype(np.float32), soft), 0, 1)
    alpha = np.round(alpha * 255).astype(np.float32) / 255
    true = np.broadcast_to(np.float32(product), (160, 180, 3))
    photo = over(true, alpha, np.broadcast_to(np.float32(old), true.shape))
    return eight_bits(photo), alpha, true


def eight_bits(rgb):
    return np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def on_new(foreground, alpha):
    ground = np.broadcast_to(np.float32(NEW), (*alpha.shape, 3))
    return eight_bits(over(foreground, alpha, ground))


def test_a_product_pasted_as_it_was_is_bit_equal_and_a_lossless_file_shows_no_difference():
    photo, alpha, _ = disc()
    composed = on_new(photo / np.float32(255), alpha)
    found = certify(photo, alpha, composed, composed, resampled=False)
    assert found.bit_equal
    assert found.interior_px == (alpha == 1).sum()
    assert found.psnr_db is None
    assert found.delta_e_max == 0


def test_one_level_of_one_channel_of_one_pixel_is_noticed():
    photo, alpha, true = disc()
    composed = on_new(true, alpha)
    composed[80, 90] = photo[80, 90] + [0, 1, 0]
    found = certify(photo, alpha, composed, composed, resampled=False)
    assert not found.bit_equal
    assert found.psnr_db > 70


def test_a_resampled_product_is_never_called_bit_equal():
    photo, alpha, true = disc()
    composed = on_new(true, alpha)
    assert not certify(photo, alpha, composed, composed, resampled=True).bit_equal


def test_a_lossy_file_is_measured_as_it_decodes():
    photo, alpha, true = disc()
    composed = on_new(true, alpha)
    sizes = {}
    for quality in (40, 95):
        file = BytesIO()
        Image.fromarray(composed).save(file, "JPEG", quality=quality)
        sizes[quality] = certify(
            photo, alpha, composed, np.asarray(Image.open(file)), resampled=False
        )
    assert sizes[40].bit_equal
    assert sizes[40].psnr_db < sizes[95].psnr_db
    assert sizes[40].delta_e_mean > sizes[95].delta_e_mean
    assert sizes[95].delta_e_mean <= sizes[95].delta_e_p95 <= sizes[95].delta_e_max


def test_psnr_is_what_the_definition_says():
    photo = np.full((20, 20, 3), 100, np.uint8)
    alpha = np.ones((20, 20), np.float32)
    found = certify(photo, alpha, photo, photo + np.uint8(5), resampled=False)
    assert found.psnr_db == pytest.approx(10 * np.log10(255**2 / 25))


def test_pasting_mixed_pixels_leaves_all_of_the_halo_and_the_true_colour_none():
    photo, alpha, true = disc()
    assert halo(photo, alpha, on_new(photo / np.float32(255), alpha)) == pytest.approx(1, abs=0.05)
    assert halo(photo, alpha, on_new(true, alpha)) == pytest.approx(0, abs=0.05)


@given(share=st.floats(0, 1), soft=st.floats(1.5, 3))
def test_a_halo_between_the_two_is_told_as_such(share, soft):
    photo, alpha, true = disc(soft=soft)
    mixture = share * (photo / np.float32(255)) + (1 - share) * true
    assert halo(photo, alpha, on_new(mixture, alpha)) == pytest.approx(share, abs=0.06)


def test_estimating_the_foreground_takes_most_of_it_away():
    photo, alpha, _ = disc()
    estimated = estimate_foreground(photo, alpha)
    assert abs(halo(photo, alpha, on_new(estimated, alpha))) < 0.2


def test_where_nothing_can_be_told_nothing_is():
    hard = np.zeros((60, 60), np.float32)
    hard[20:40, 20:40] = 1
    photo = np.full((60, 60, 3), 200, np.uint8)
    assert halo(photo, hard, photo) is None
    photo, alpha, true = disc(old=PRODUCT)
    assert halo(photo, alpha, on_new(true, alpha)) is None
    found = certify(photo, alpha * np.float32(0.9), photo, photo, resampled=False)
    assert (found.interior_px, found.bit_equal, found.psnr_db) == (0, False, None)


def test_pictures_of_different_sizes_are_refused():
    photo, alpha, _ = disc()
    with pytest.raises(ValueError, match="sizes differ"):
        certify(photo, alpha[:-1], photo, photo, resampled=False)
