"""The fast guided filter against a dense solution of its own equations."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from pipeline.imaging.cutout.guided_filter import fast_guided_filter


def dense_guided_filter(src, guide, *, radius, eps):
    """He, Sun and Tang 2013, eq. 19-21, window by window and pixel by pixel."""
    height, width = src.shape
    slopes, offsets = np.zeros((height, width, 3)), np.zeros((height, width))

    def window(y, x):
        return np.s_[
            max(0, y - radius) : y + radius + 1,
            max(0, x - radius) : x + radius + 1,
        ]

    for y in range(height):
        for x in range(width):
            colours = guide[window(y, x)].reshape(-1, 3).astype(np.float64)
            values = src[window(y, x)].reshape(-1).astype(np.float64)
            centred = colours - colours.mean(0)
            covariance = centred.T @ centred / len(values) + eps * np.eye(3)
            slopes[y, x] = np.linalg.inv(covariance) @ (centred.T @ values / len(values))
            offsets[y, x] = values.mean() - slopes[y, x] @ colours.mean(0)
    filtered = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            slope = slopes[window(y, x)].reshape(-1, 3).mean(0)
            filtered[y, x] = slope @ guide[y, x] + offsets[window(y, x)].mean()
    return filtered


@pytest.mark.parametrize(("height", "width", "radius"), [(12, 17, 2), (5, 31, 3), (9, 9, 20)])
@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_without_subsampling_it_is_the_dense_guided_filter(height, width, radius, eps):
    rng = np.random.default_rng(height)
    guide = rng.random((height, width, 3), dtype=np.float32)
    src = rng.random((height, width), dtype=np.float32)
    filtered = fast_guided_filter(src, guide, radius_px=radius, eps=eps)
    dense = dense_guided_filter(src, guide, radius=radius, eps=eps)
    np.testing.assert_allclose(filtered, dense, atol=2e-5)


def test_a_constant_guide_leaves_two_box_means():
    src = np.random.default_rng(1).random((30, 40), dtype=np.float32)
    guide = np.full((30, 40, 3), 0.4, dtype=np.float32)
    filtered = fast_guided_filter(src, guide, radius_px=2, eps=1e-4)
    box = uniform_filter(uniform_filter(src, 5), 5)
    inside = np.s_[5:-5, 5:-5]
    np.testing.assert_allclose(filtered[inside], box[inside], atol=1e-5)


@pytest.mark.parametrize("subsample", [1, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (33, 47)])
def test_a_constant_source_stays_constant(shape, subsample):
    guide = np.random.default_rng(2).random((*shape, 3), dtype=np.float32)
    src = np.full(shape, 0.7, dtype=np.float32)
    filtered = fast_guided_filter(src, guide, radius_px=4, eps=1e-5, subsample=subsample)
    np.testing.assert_allclose(filtered, 0.7, atol=1e-5)


@pytest.mark.parametrize("subsample", [1, 4])
def test_a_blurred_source_regains_the_edge_of_its_guide(subsample):
    sharp = np.zeros((80, 80), dtype=np.float32)
    sharp[:, 41:] = 1
    guide = sharp[..., np.newaxis] * np.float32([0.6, 0.1, -0.3]) + np.float32(0.35)
    blurred = uniform_filter(sharp, 9)
    filtered = fast_guided_filter(blurred, guide, radius_px=12, eps=1e-5, subsample=subsample)
    step_before, step_after = (image[40, 41] - image[40, 40] for image in (blurred, filtered))
    assert step_after > 6 * step_before
    assert np.abs(filtered - sharp)[40, [37, 44]].max() < 0.15


@pytest.mark.parametrize("subsample", [1, 4])
def test_what_is_wanted_is_what_the_whole_would_be(subsample):
    rng = np.random.default_rng(4)
    guide = rng.random((301, 277, 3), dtype=np.float32)
    src = rng.random((301, 277), dtype=np.float32)
    at = np.zeros(src.shape, bool)
    at[rng.integers(0, 301, 9), rng.integers(0, 277, 9)] = True
    options = {"radius_px": 6, "eps": 1e-3, "subsample": subsample}
    whole = fast_guided_filter(src, guide, **options)
    part = fast_guided_filter(src, guide, at_HW=at, **options)
    np.testing.assert_allclose(part[at], whole[at], atol=1e-6)
    assert (part == src).any()


def test_the_filter_is_linear_in_its_source():
    rng = np.random.default_rng(3)
    one, two = rng.random((2, 24, 24), dtype=np.float32)
    guide = rng.random((24, 24, 3), dtype=np.float32)

    def filtered(src):
        return fast_guided_filter(src, guide, radius_px=6, eps=1e-3, subsample=2)

    np.testing.assert_allclose(
        filtered(0.3 * one + 0.7 * two), 0.3 * filtered(one) + 0.7 * filtered(two), atol=1e-5
    )


def test_mismatched_sizes_and_parameters_are_refused():
    src, guide = np.zeros((4, 5), np.float32), np.zeros((4, 5, 3), np.float32)
    with pytest.raises(ValueError, match="guide"):
        fast_guided_filter(src, guide[:3], radius_px=1, eps=1e-3)
    with pytest.raises(ValueError, match="eps"):
        fast_guided_filter(src, guide, radius_px=1, eps=0)
