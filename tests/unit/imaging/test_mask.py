import numpy as np
import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.mask import coverage_from
from pipeline.imaging.reading.photo import Photo


def photo(rgb, alpha=None):
    return Photo(rgb_HWC=rgb, alpha_HW=alpha, format="PNG", notes=())


def grey(levels):
    return np.repeat(np.asarray(levels, np.uint8)[..., np.newaxis], 3, axis=-1)


def test_white_is_product_and_every_level_is_kept():
    levels = np.arange(256).reshape(16, 16)
    assert (coverage_from(photo(grey(levels)), (16, 16)) == levels.astype(np.float32) / 255).all()


def test_an_alpha_channel_counts_before_colour():
    alpha = np.random.default_rng(0).random((9, 7)).astype(np.float32)
    red = np.zeros((9, 7, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    assert (coverage_from(photo(red, alpha), (9, 7)) == alpha).all()


def test_a_smaller_mask_of_the_same_aspect_is_enlarged():
    mask = np.zeros((20, 30), np.uint8)
    mask[:, 15:] = 255
    coverage = coverage_from(photo(grey(mask)), (101, 151))
    assert coverage.shape == (101, 151)
    assert coverage[50, 30] == 0
    assert coverage[50, 120] == 1


@pytest.mark.parametrize(
    "rgb", [grey(np.zeros((30, 20))), np.full((20, 30, 3), (200, 30, 90), np.uint8)]
)
def test_another_aspect_or_a_coloured_picture_is_no_mask_of_this_photograph(rgb):
    with pytest.raises(RowError) as caught:
        coverage_from(photo(rgb), (20, 30))
    assert caught.value.code == ErrorCode.BAD_REQUEST
