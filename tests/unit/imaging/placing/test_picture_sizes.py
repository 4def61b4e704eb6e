"""Sizes, margins and the way there and back."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.pixels.resample import resize
from pipeline.imaging.placing.sizes import (
    from_generation,
    generation_geometry,
    native_geometry,
    to_generation,
)

SIDES = st.integers(1, 8000)
SMALL_SIDES = st.integers(1, 90)
AREA_PX = 1024 * 1024


def test_the_reference_example():
    geometry = generation_geometry(3000, 4000)
    assert (geometry.normalised_width, geometry.normalised_height) == (1182, 887)
    assert (geometry.generation_width, geometry.generation_height) == (1216, 896)
    assert (geometry.margin_left, geometry.margin_top) == (17, 4)


@given(SIDES, SIDES)
def test_generation_sizes_are_tight_multiples_around_the_normalised(height, width):
    geometry = generation_geometry(height, width)
    for normalised, generation, margin in [
        (geometry.normalised_height, geometry.generation_height, geometry.margin_top),
        (geometry.normalised_width, geometry.generation_width, geometry.margin_left),
    ]:
        assert generation % 64 == 0
        assert 0 <= generation - normalised < 64
        assert generation - normalised - 2 * margin in (0, 1)


@given(SIDES, SIDES)
def test_normalised_size_fills_the_area_and_keeps_the_aspect(height, width):
    geometry = generation_geometry(height, width)
    normalised_height, normalised_width = geometry.normalised_height, geometry.normalised_width
    assert AREA_PX - normalised_width < normalised_height * normalised_width <= AREA_PX
    # Each side loses less than one pixel to rounding: sqrt(A r) - 1 < nw, and A / nw - 1 < nh.
    assert normalised_width**2 * height <= AREA_PX * width < (normalised_width + 1) ** 2 * height
    aspect = Fraction(normalised_width, normalised_height) / Fraction(width, height)
    assert 1 - Fraction(2, normalised_width) < aspect < 1 + Fraction(2, normalised_height)


@given(SIDES, SIDES, st.integers(1, 4_000_000))
def test_native_size_is_never_larger_and_keeps_the_aspect(height, width, max_area_px):
    geometry = native_geometry(height, width, max_area_px=max_area_px)
    drawn_height, drawn_width = geometry.normalised_height, geometry.normalised_width
    assert (geometry.generation_height, geometry.generation_width) == (drawn_height, drawn_width)
    assert (geometry.margin_top, geometry.margin_left) == (0, 0)
    assert 1 <= drawn_height <= height
    assert 1 <= drawn_width <= width
    assert drawn_height * drawn_width <= max_area_px
    if height * width <= max_area_px:
        assert (drawn_height, drawn_width) == (height, width)
    elif min(drawn_height, drawn_width) > 1:
        aspect = Fraction(drawn_width, drawn_height) / Fraction(width, height)
        worst = Fraction(2, min(drawn_height, drawn_width))
        assert 1 - worst < aspect < 1 + worst


@pytest.mark.parametrize(
    ("height", "width"), [(1, 10_000_000), (10_000_000, 1), (1, 1), (20_000, 1000)]
)
def test_degenerate_sizes_still_have_a_geometry(height, width):
    geometry = generation_geometry(height, width)
    assert min(geometry.normalised_height, geometry.normalised_width) >= 1
    assert geometry.normalised_height * geometry.normalised_width <= AREA_PX
    native = native_geometry(height, width, max_area_px=1)
    assert (native.normalised_height, native.normalised_width) == (1, 1)


@given(SMALL_SIDES, SMALL_SIDES, st.sampled_from(["rgb", "matte", "float rgb"]))
def test_there_and_back_has_the_source_size_and_the_margin_its_fill(height, width, kind):
    geometry = generation_geometry(height, width, area_px=64 * 64, multiple=16)
    rng = np.random.default_rng(height * 100 + width)
    image = {
        "rgb": rng.integers(100, 255, (height, width, 3)).astype(np.uint8),
        "matte": rng.random((height, width)).astype(np.float32),
        "float rgb": rng.random((height, width, 3)).astype(np.float32),
    }[kind]

    canvas = to_generation(image, geometry, fill=1)
    back = from_generation(canvas, geometry)

    assert canvas.shape[:2] == (geometry.generation_height, geometry.generation_width)
    assert canvas.dtype == back.dtype == image.dtype
    assert back.shape == image.shape
    outside = np.ones(canvas.shape[:2], bool)
    top, left = geometry.margin_top, geometry.margin_left
    inside = np.s_[top : top + geometry.normalised_height, left : left + geometry.normalised_width]
    outside[inside] = False
    assert (canvas[outside] == 1).all()
    expected = resize(image, geometry.normalised_height, geometry.normalised_width)
    np.testing.assert_array_equal(canvas[inside], expected)
    if image.dtype == np.float32:
        assert canvas.min() >= 0
        assert max(canvas.max(), back.max()) <= 1


@given(SMALL_SIDES, SMALL_SIDES)
def test_nothing_is_resampled_where_sizes_agree(height, width):
    rng = np.random.default_rng(0)
    photo_HWC = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    drawn_HWC = rng.random((height, width, 3)).astype(np.float32)
    geometry = native_geometry(height, width, max_area_px=height * width)
    np.testing.assert_array_equal(to_generation(photo_HWC, geometry), photo_HWC)
    np.testing.assert_array_equal(from_generation(drawn_HWC, geometry), drawn_HWC)


def test_a_picture_already_normalised_comes_back_bit_for_bit():
    geometry = generation_geometry(887, 1182)
    photo_HWC = np.random.default_rng(0).integers(0, 256, (887, 1182, 3)).astype(np.uint8)
    canvas_HWC = to_generation(photo_HWC, geometry)
    assert canvas_HWC.shape != photo_HWC.shape
    np.testing.assert_array_equal(from_generation(canvas_HWC, geometry), photo_HWC)


def test_an_enlarged_float_gradient_has_no_bands():
    geometry = generation_geometry(400, 1600, area_px=64 * 64, multiple=16)
    sky_HWC = np.broadcast_to(
        np.linspace(0.2, 0.4, geometry.generation_width, dtype=np.float32)[None, :, None],
        (geometry.generation_height, geometry.generation_width, 3),
    )
    row = from_generation(sky_HWC, geometry)[200, 100:-100, 0]
    steps = np.diff(row)
    assert len(np.unique(row)) > 1000  # 8 bits would leave 51
    assert (steps > 0).all()


def test_the_arguments_are_left_alone():
    geometry = native_geometry(8, 8, max_area_px=64)
    image = np.zeros((8, 8), np.float32)
    to_generation(image, geometry)[:] = 1
    from_generation(image, geometry)[:] = 1
    assert (image == 0).all()


def test_wrong_sizes_are_the_callers_mistake():
    geometry = generation_geometry(30, 40)
    with pytest.raises(ValueError, match="source size 30 x 40"):
        to_generation(np.zeros((40, 30), np.float32), geometry)
    with pytest.raises(ValueError, match="generation size"):
        from_generation(np.zeros((30, 40), np.float32), geometry)
    with pytest.raises(ValueError, match="height must be at least 1"):
        generation_geometry(0, 5)
    with pytest.raises(ValueError, match="max_area_px must be at least 1"):
        native_geometry(5, 5, max_area_px=0)
    with pytest.raises(ValueError, match="cannot resize float64"):
        resize(np.zeros((4, 4)), 2, 2)
