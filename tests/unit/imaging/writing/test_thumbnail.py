"""Pictures for contact sheets."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.imaging.writing.thumbnail import checkerboard, cutout_thumbnail, thumbnail


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 100))
def test_it_fits_and_is_never_enlarged(height, width, max_side_px):
    image = Image.open(
        BytesIO(thumbnail(np.zeros((height, width, 3), np.uint8), max_side_px=max_side_px))
    )
    assert image.format == "WEBP"
    assert max(image.size) == min(max_side_px, max(height, width))
    assert abs(image.height * width - image.width * height) <= max(height, width)


def test_it_is_small_and_looks_like_the_picture():
    y, x = np.mgrid[:600, :800]
    photo_HWC = np.stack([x // 4, y // 3, (x + y) // 6], -1).astype(np.uint8)
    data = thumbnail(photo_HWC, max_side_px=200)
    assert len(data) < 4000
    shown_HWC = np.asarray(Image.open(BytesIO(data)).convert("RGB"), int)
    assert np.abs(shown_HWC - photo_HWC[2::4, 2::4]).mean() < 4


def test_checks_show_where_the_product_is_not():
    red_HWC = np.full((100, 200, 3), (200, 0, 0), np.uint8)
    alpha_HW = np.zeros((100, 200), np.float32)
    alpha_HW[:, :50] = 1
    alpha_HW[:, 50:100] = 0.5
    shown_HWC = checkerboard(red_HWC, alpha_HW)
    assert (shown_HWC[:, :50] == (200, 0, 0)).all()
    behind = np.unique(shown_HWC[:, 100:].reshape(-1, 3), axis=0)
    assert len(behind) == 2
    assert (behind.min(axis=1) == behind.max(axis=1)).all()  # grey
    assert behind.min() > 200  # light
    assert {tuple(row) for row in shown_HWC[:, 50:100].reshape(-1, 3)} == {
        tuple(int(value) for value in np.floor((grey + np.array([200, 0, 0])) / 2 + 0.5))
        for grey in behind
    }
    assert (shown_HWC[0, 100:110] == shown_HWC[0, 100]).all()
    assert (shown_HWC[0, 110] != shown_HWC[0, 109]).all()


def test_a_cutout_is_small_and_on_checks():
    y, x = np.mgrid[:600, :800]
    product_HW = (x - 400.0) ** 2 + (y - 300.0) ** 2 < 200**2
    photo_HWC = np.full((600, 800, 3), (30, 60, 200), np.uint8)
    data = cutout_thumbnail(photo_HWC, product_HW.astype(np.float32), max_side_px=200)
    shown = Image.open(BytesIO(data)).convert("RGB")
    assert shown.size == (200, 150)
    assert np.abs(np.asarray(shown.getpixel((100, 75)), int) - (30, 60, 200)).max() < 12
    assert min(shown.getpixel((10, 10))) > 200


def test_wrong_sizes_are_the_callers_mistake():
    with pytest.raises(ValueError, match="max_side_px"):
        thumbnail(np.zeros((4, 4, 3), np.uint8), max_side_px=0)
    with pytest.raises(ValueError, match="alpha is"):
        cutout_thumbnail(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.float32), max_side_px=9)
    with pytest.raises(ValueError, match="alpha is"):
        checkerboard(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.float32))
