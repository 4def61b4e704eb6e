import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import FatalError
from pipeline.imaging.compositing.blur_fusion import NARROW_REACH_PX, REACH_PX, box_blur, fuse
from pipeline.imaging.compositing.composite import over
from pipeline.imaging.compositing.foreground_estimation import (
    BLUR_FUSION,
    Solver,
    estimate_foreground,
)
from pipeline.models.matting.blur_fusion_torch import torch_solver
from pipeline.stages.rendering.foreground_color import foreground_of

WHOLE = replace(BLUR_FUSION, tile_px=1 << 20)
"""The whole picture at once."""


def soft_edge(background):
    """A product of two colours, its edge 20 px soft: photograph, colour, alpha."""
    ramp = np.clip((np.arange(140) - 60) / 20, 0, 1).astype(np.float32)
    alpha = np.tile(ramp, (90, 1))
    colour = np.full((90, 140, 3), (0.8, 0.2, 0.1), np.float32)
    colour[45:] = (0.9, 0.7, 0.2)
    photograph = over(colour, alpha, np.full_like(colour, background))
    return np.round(photograph * 255).astype(np.uint8), colour, alpha


@pytest.mark.parametrize("background", [0.05, 0.95])
def test_it_takes_the_old_background_out_of_the_edge(background):
    photograph, colour, alpha = soft_edge(background)
    band = (alpha > 0.05) & (alpha < 0.95)
    estimate = estimate_foreground(photograph, alpha, solver=BLUR_FUSION)
    missed = np.abs(estimate - colour)[band].mean()
    assert missed < 0.4 * np.abs(photograph / 255 - colour)[band].mean()


def test_means_of_two_plain_colours_explain_most_of_the_mixture():
    alpha = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (40, 1))
    colour = np.full((40, 60, 3), (0.7, 0.3, 0.1), np.float32)
    observed = over(colour, alpha, np.full_like(colour, 0.9))
    fused = fuse(observed, alpha[..., np.newaxis], blur=lambda image, _: image.mean((0, 1)))
    # Global means of two plain colours: what is left is the pixels' own mixture in those means.
    assert np.abs(fused - colour)[alpha > 0.5].max() < np.abs(observed - colour).max() / 2


def test_torch_on_cpu_is_the_same_estimate():
    photograph, _, alpha = soft_edge(0.9)
    solve = torch_solver(fuse, margin_px=NARROW_REACH_PX, device_name="cpu")
    by_numpy = foreground_of(photograph, alpha, "blur_fusion")
    for tile_px in (40, 1024):
        solver = Solver(solve=solve, reach_px=REACH_PX, tile_px=tile_px)
        by_torch = estimate_foreground(photograph, alpha, solver=solver)
        np.testing.assert_allclose(by_torch, by_numpy, atol=1e-4)


@settings(max_examples=15)
@given(
    height=st.integers(1, 260),
    width=st.integers(1, 260),
    tile_px=st.integers(16, 120),
    share=st.floats(0, 1),
    smallest=st.sampled_from([1e-1, 1e-4, 1e-8]),
    seed=st.integers(0, 2**32 - 1),
)
def test_in_tiles_it_is_the_whole_pictures_estimate_to_the_bit(
    height, width, tile_px, share, smallest, seed
):
    rng = np.random.default_rng(seed)
    photograph = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    # Coverage of all magnitudes side by side: what sums of floats are least exact for.
    alpha = np.power(smallest, rng.random((height, width))).astype(np.float32)
    alpha[rng.random((height, width)) > share] = rng.integers(0, 2)
    tiles = replace(BLUR_FUSION, tile_px=tile_px)
    by_tile = estimate_foreground(photograph, alpha, solver=tiles)
    np.testing.assert_array_equal(by_tile, estimate_foreground(photograph, alpha, solver=WHOLE))


def test_a_mean_does_not_depend_on_what_was_summed_before_it():
    # A sum in doubles that once held ones has lost what is smaller than 1e-16.
    image = np.full((1, 400, 1), 1e-19, np.float32)
    image[0, :100] = np.random.default_rng(4).random((100, 1), dtype=np.float32)
    np.testing.assert_array_equal(
        box_blur(image, 91)[:, 300:], box_blur(image[:, 200:], 91)[:, 100:]
    )


def test_it_takes_little_more_than_the_picture_in_floats_however_large_and_soft():
    def peak_bytes(height):
        photograph = np.full((height, 800, 3), 90, np.uint8)
        alpha = np.full((height, 800), 0.5, np.float32)
        tracemalloc.start()
        estimate_foreground(photograph, alpha)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    more_px = 800 * (2000 - 1000)
    assert (peak_bytes(2000) - peak_bytes(1000)) / more_px < 16  # 12 of colour, 1 of mask


def test_what_is_far_away_has_no_part_in_a_colour():
    rng = np.random.default_rng(2)
    photograph = rng.integers(0, 256, (60, 300, 3), dtype=np.uint8)
    alpha = rng.random((60, 300), dtype=np.float32)
    before = estimate_foreground(photograph, alpha)
    photograph[:, 150 + REACH_PX + 1 :] = 255
    alpha[:, 150 + REACH_PX + 1 :] = 0.25
    after = estimate_foreground(photograph, alpha)
    np.testing.assert_array_equal(before[:, :151], after[:, :151])


@pytest.mark.parametrize("method", ["multilevel", "blur_fusion", "plain"])
def test_opaque_pixels_are_the_photographs(method):
    photograph, _, alpha = soft_edge(0.9)
    exact = photograph.astype(np.float32) / np.float32(255)
    assert (foreground_of(photograph, alpha, method) == exact)[alpha == 1].all()


def test_a_gpu_that_is_not_there_is_fatal(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(FatalError, match="device cuda"):
        torch_solver(fuse, margin_px=NARROW_REACH_PX, device_name="cuda")
