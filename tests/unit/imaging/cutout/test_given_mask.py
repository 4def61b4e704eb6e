from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.cutout.given_mask import coverage_from, is_inverted, may_be_inverted
from pipeline.imaging.reading.decode import Levels, decode_levels
from pipeline.imaging.reading.limits import ImageLimits


def levels(values, alpha=None):
    values = np.asarray(values, np.float32)
    return Levels(
        values_HWC=values if values.ndim == 3 else values[..., np.newaxis],
        alpha_HW=None if alpha is None else np.asarray(alpha, np.float32),
        notes=(),
    )


def written(image, format_="PNG", **options):
    out = BytesIO()
    image.save(out, format_, **options)
    return decode_levels(out.getvalue(), ImageLimits(min_side_px=1))


def half(*, height=40, width=60):
    mask = np.zeros((height, width), np.float32)
    mask[:, width // 2 :] = 1
    return mask


def test_white_is_product_and_every_level_is_kept_at_full_depth():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    mask = coverage_from(written(Image.fromarray(values)), (256, 256))
    assert np.abs(mask.coverage_HW - values / 65535).max() < 1e-6
    assert mask.notes == ()


def test_an_alpha_channel_counts_before_colour():
    alpha = np.random.default_rng(0).random((9, 7)).astype(np.float32)
    red = np.zeros((9, 7, 3), np.float32) + np.array([1, 0, 0], np.float32)
    assert (coverage_from(levels(red, alpha), (9, 7)).coverage_HW == alpha).all()


def test_but_not_where_it_hides_next_to_nothing_and_the_grey_says_something():
    alpha = np.ones((40, 60), np.float32)
    alpha[0, 0] = 0
    assert (coverage_from(levels(half(), alpha), (40, 60)).coverage_HW == half()).all()
    plain = levels(np.ones((40, 60)), half())  # white where it is not transparent
    assert (coverage_from(plain, (40, 60)).coverage_HW == half()).all()


def test_a_smaller_mask_of_the_same_aspect_is_enlarged():
    coverage = coverage_from(levels(half(height=20, width=30)), (101, 151)).coverage_HW
    assert coverage.shape == (101, 151)
    assert coverage[50, 30] == 0
    assert coverage[50, 120] == 1


@pytest.mark.parametrize("values", [np.zeros((30, 20)), np.full((20, 30, 3), (0.8, 0.1, 0.3))])
def test_another_aspect_or_a_coloured_picture_is_no_mask_of_this_photograph(values):
    with pytest.raises(RowError) as caught:
        coverage_from(levels(values), (20, 30))
    assert caught.value.code == ErrorCode.BAD_REQUEST


def test_a_profile_says_nothing_of_coverage():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    levels_HW = np.full((20, 30), 128, np.uint8)
    levels_HW[0] = 255
    grey = Image.fromarray(levels_HW)
    mask = coverage_from(written(grey, icc_profile=lab), (20, 30))
    assert (mask.coverage_HW[1:] == np.float32(128 / 255)).all()


def test_a_mask_is_turned_upright_as_a_photograph_is():
    exif = Image.Exif()
    exif[274] = 6
    stored = Image.fromarray((half() * 255).astype(np.uint8))
    mask = coverage_from(written(stored, exif=exif), (60, 40)).coverage_HW
    assert (mask[30:] == 1).all()
    assert (mask[:30] == 0).all()


@pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint8, 1), (np.uint8, 7), (np.uint16, 1), (np.uint16, 255)]
)
def test_a_mask_of_nothing_and_any_low_number_is_scaled(dtype, white):
    mask = coverage_from(written(Image.fromarray((half() * white).astype(dtype))), (40, 60))
    assert (mask.coverage_HW == half()).all()
    assert "scaled" in mask.notes[0]


def test_a_nearly_black_mask_of_several_levels_is_no_mask():
    labels = np.repeat(np.arange(10, dtype=np.uint8), 60).reshape(10, 60).repeat(4, axis=0)
    with pytest.raises(RowError, match="mask_uri: the mask's lightest pixel is 3") as caught:
        coverage_from(written(Image.fromarray(labels)), (40, 60))
    assert caught.value.code == ErrorCode.BAD_REQUEST


def blob(*, inset=10):
    mask = np.zeros((60, 80), np.float32)
    mask[inset:-inset, inset:-inset] = 1
    return mask


@pytest.mark.parametrize("is_all_there_is", [False, True])
def test_only_white_along_the_border_looks_the_wrong_way_round(is_all_there_is):
    cut_off = np.zeros((60, 80), np.float32)
    cut_off[20:, 10:70] = 1
    for right in (blob(), cut_off, np.ones((60, 80), np.float32)):
        assert not may_be_inverted(right, is_all_there_is=is_all_there_is)
    assert may_be_inverted(1 - blob(), is_all_there_is=is_all_there_is)
    assert may_be_inverted(1 - cut_off, is_all_there_is=False)
    assert not may_be_inverted(1 - cut_off, is_all_there_is=True)


def test_what_a_network_finds_tells_which_way_round_a_mask_is():
    found = blob(inset=14)
    assert is_inverted(1 - blob(), found) is True
    assert is_inverted(blob(), found) is False
    assert is_inverted(half(height=60, width=80), np.full((60, 80), 0.5, np.float32)) is None
