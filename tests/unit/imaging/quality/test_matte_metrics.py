"""Each measure on mattes whose score can be computed by hand."""

import math

import numpy as np
import pytest

from pipeline.imaging.quality.matte_metrics import (
    boundary_f,
    connectivity_error,
    gradient_error,
    overlap,
    ranking_auc,
    score_matte,
)


def square(height=80, width=90):
    alpha = np.zeros((height, width), np.float32)
    alpha[20:60, 20:60] = 1
    return alpha


def test_the_truth_itself_is_perfect():
    scores = score_matte(square(), square())
    assert scores.sad == scores.mse == scores.grad == scores.conn == 0
    assert scores.iou == scores.boundary_iou == scores.boundary_f == 1


def test_sums_means_and_overlap_of_a_square_that_lacks_a_quarter():
    alpha = square()
    alpha[20:60, 50:60] = 0
    scores = score_matte(alpha, square())
    assert scores.sad == pytest.approx(0.4)  # 400 px
    assert scores.mse == pytest.approx(1000 * 400 / 7200)
    assert scores.iou == pytest.approx(0.75)


def test_a_detached_patch_counts_in_full_and_an_attached_haze_not_at_all():
    patch = square()
    patch[0:10, 0:10] = 1
    assert connectivity_error(patch, square()) == pytest.approx(0.1)
    haze = square()
    haze[20:60, 20:60] = 0.95  # still one piece with the object at 0.9
    assert connectivity_error(haze, square()) == 0


def test_a_semi_detached_pixel_counts_by_what_it_has_above_its_level():
    alpha, true = square(), square()
    alpha[30, 80], true[30, 80] = 0.6, 0.2  # away from the object at every threshold from 0.1 on
    assert connectivity_error(alpha, true) == pytest.approx((0.6 - 0.2) / 1000)
    true[30, 80] = 0.1  # less than 0.15 detached: counts as none
    assert connectivity_error(alpha, true) == pytest.approx(0.6 / 1000)


def test_the_gradient_of_a_ramp_is_its_slope_in_kernels_of_unit_energy():
    """A ramp's response is slope * sum(-t k(t)) * sum(g), with both factors of the kernel known."""
    t = np.arange(-4, 5)
    bell = np.exp(-(t**2) / (2 * 1.4**2))
    energy = math.sqrt((bell**2).sum() * ((t * bell) ** 2).sum())
    response = (t * t * bell).sum() * bell.sum() / energy
    ramp = np.tile(np.arange(60) * 0.01, (50, 1))
    flat = np.zeros_like(ramp)
    # 4 px at either side see the repeated edge.
    inner = gradient_error(ramp, flat) - gradient_error(ramp[:, -8:], flat[:, -8:])
    assert inner == pytest.approx(52 * 50 * (0.01 * response) ** 2 / 1000, rel=1e-6)


def test_an_outline_within_the_tolerance_is_found_and_one_beyond_is_not():
    true = square() > 0.5
    moved = np.roll(true, 2, axis=1)
    assert boundary_f(moved, true, tolerance_px=2) == 1
    assert boundary_f(moved, true, tolerance_px=1) < 0.6
    far = np.roll(true, 25, axis=1)
    assert boundary_f(far, true, tolerance_px=2) < 0.5


def test_boundary_iou_looks_at_the_rim_only():
    hollow = square()
    hollow[35:45, 35:45] = 0  # 15 px from the outline; the rim is 2 px wide
    scores = score_matte(hollow, square())
    rim, hole_rim = 40**2 - 36**2, 14**2 - 10**2 - 4 * 3  # corners lie further than 2 px
    assert scores.boundary_iou == pytest.approx(rim / (rim + hole_rim))
    assert scores.iou == pytest.approx(1500 / 1600)


def test_nothing_found_and_nothing_there_agree():
    empty = np.zeros((30, 40), np.float32)
    scores = score_matte(empty, empty)
    assert scores.iou == scores.boundary_iou == scores.boundary_f == 1
    assert score_matte(square(), np.zeros_like(square())).boundary_f == 0
    assert overlap(empty > 0, empty > 0) == 1


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="no truth"):
        score_matte(square(), square(81))


def test_the_auc_is_one_if_the_worst_quarter_is_trusted_least_and_half_by_chance():
    quality = [0.1, 0.2, *[0.9] * 6]
    assert ranking_auc([0.3, 0.3, *[0.4] * 6], quality) == 1
    assert ranking_auc([0.5, 0.5, *[0.4] * 6], quality) == 0
    assert ranking_auc([0.4] * 8, quality) == 0.5
    assert ranking_auc([0.3, 0.5, *[0.4] * 6], quality) == 0.5
    with pytest.raises(ValueError, match="cannot rank"):
        ranking_auc([0.1] * 3, [0.1] * 3)
