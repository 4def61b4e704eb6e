from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import RowError
from pipeline.imaging.quality.finished_file import inspect


def picture(*, ground=255, size=(200, 160)):
    """A dark box of 100 x 80 px in the middle of `ground`; height, width."""
    rgb = np.full((*size, 3), ground, np.uint8)
    top, left = (size[0] - 100) // 2, (size[1] - 80) // 2
    rgb[top : top + 100, left : left + 80] = (90, 20, 30)
    return rgb


def file(rgb, format_name="PNG", **options):
    sink = BytesIO()
    Image.fromarray(rgb).save(sink, format_name, **options)
    return sink.getvalue()


def test_a_box_on_white_is_measured():
    found = inspect(file(picture()))
    assert (found.height, found.width) == (200, 160)
    assert found.is_on_white
    assert found.white_share == 1
    assert found.fill == 0.5
    assert found.is_srgb
    assert found.is_upright
    assert found.is_opaque


def test_white_inside_the_product_is_not_background():
    rgb = picture()
    rgb[90:110, 70:90] = 254
    assert inspect(file(rgb)).white_share == 1


def test_what_coding_does_next_to_the_outline_is_forgiven():
    found = inspect(file(picture(), "JPEG", quality=60, subsampling="4:2:0"))
    outside = np.ones((200, 160), bool)
    outside[50:150, 40:120] = False
    assert found.rgb_HWC[outside].min() < 255
    assert found.white_share == 1


@pytest.mark.parametrize("ground", [254, 245])
def test_nearly_white_is_not_white(ground):
    found = inspect(file(picture(ground=ground)))
    assert found.is_on_white
    assert found.white_share == 0


def test_a_grey_corner_and_a_shadow_far_from_the_product_count():
    corner, shadow = picture(), picture()
    corner[:10, :10] = 250
    shadow[180:190, 20:60] = 244
    assert 0.9 < inspect(file(corner)).white_share < 1
    assert 0.9 < inspect(file(shadow)).white_share < 1


def test_a_scene_is_not_on_white_and_its_fill_unknown():
    found = inspect(file(picture(ground=128)))
    assert not found.is_on_white
    assert found.fill is None


def test_an_empty_frame_is_filled_by_nothing():
    assert inspect(file(np.full((40, 40, 3), 255, np.uint8))).fill == 0


def test_a_product_that_touches_the_frame_fills_it():
    rgb = picture()
    rgb[50:150] = (90, 20, 30)
    assert inspect(file(rgb)).fill == 1


def test_profiles_orientation_and_transparency_are_seen():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert not inspect(file(picture(), icc_profile=lab)).is_srgb
    assert inspect(file(picture(), icc_profile=srgb)).is_srgb
    exif = Image.Exif()
    exif[0x0112] = 6
    assert not inspect(file(picture(), "JPEG", exif=exif)).is_upright
    clear = np.dstack([picture(), np.full((200, 160), 200, np.uint8)])
    assert not inspect(file(clear)).is_opaque
    clear[..., 3] = 255
    assert inspect(file(clear)).is_opaque


def test_cmyk_is_not_srgb():
    sink = BytesIO()
    Image.fromarray(picture()).convert("CMYK").save(sink, "JPEG")
    assert not inspect(sink.getvalue()).is_srgb


def test_what_is_no_picture_is_refused():
    with pytest.raises(RowError):
        inspect(b"not a picture")
