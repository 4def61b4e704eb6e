import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pipeline.imaging.closed_form.functions import MULTILEVEL
from pipeline.imaging.compositing.composite import over
from pipeline.imaging.compositing.foreground_estimation import BLUR_FUSION, estimate_foreground

SOLVERS = pytest.mark.parametrize("solver", [BLUR_FUSION, MULTILEVEL], ids=["blur", "multilevel"])


def soft_edged_photograph(background):
    """A red and yellow product with an edge 10 px soft: photograph (uint8), colour, alpha."""
    alpha = np.zeros((90, 110), dtype=np.float32)
    alpha[25:65, 30:80] = 1
    alpha = gaussian_filter(alpha, 2.5)
    alpha[alpha > 0.995] = 1
    alpha[alpha < 0.005] = 0
    colour = np.full((90, 110, 3), (0.8, 0.2, 0.1), dtype=np.float32)
    colour[:, 55:] = (0.9, 0.7, 0.2)
    photograph = over(colour, alpha, np.full_like(colour, background))
    return np.round(photograph * 255).astype(np.uint8), colour, alpha


@SOLVERS
@pytest.mark.parametrize("background", [0.05, 0.95])
def test_the_estimate_is_nearer_the_true_colour_than_the_photograph(solver, background):
    photograph, colour, alpha = soft_edged_photograph(background)
    band = (alpha > 0.05) & (alpha < 0.95)
    estimate = estimate_foreground(photograph, alpha, solver=solver)
    assert 0 <= estimate.min() <= estimate.max() <= 1
    missed = np.abs(estimate - colour)[band].mean()
    assert missed < 0.35 * np.abs(photograph / 255 - colour)[band].mean()


@SOLVERS
def test_opaque_pixels_stay_exact(solver):
    photograph, _, alpha = soft_edged_photograph(0.9)
    estimate = estimate_foreground(photograph, alpha, solver=solver)
    exact = photograph.astype(np.float32) / np.float32(255)
    assert (estimate == exact)[alpha == 1].all()
    assert (np.round(estimate * 255).astype(np.uint8) == photograph)[alpha == 1].all()
    assert (estimate == exact)[alpha == 0].all()


def test_solving_the_rectangle_around_the_product_is_nearly_solving_everything():
    photograph, _, alpha = soft_edged_photograph(0.9)
    alpha[0, 0] = alpha[-1, -1] = 0.004  # stretches the rectangle over the whole picture
    whole = estimate_foreground(photograph, alpha, solver=MULTILEVEL)
    alpha[0, 0] = alpha[-1, -1] = 0
    cropped = estimate_foreground(photograph, alpha, solver=MULTILEVEL)
    assert (np.abs(whole - cropped) * alpha[..., np.newaxis]).mean() < 0.5 / 255


@SOLVERS
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 2), (33, 65)])
@pytest.mark.parametrize("level", [0, 0.5, 1])
def test_any_size_gives_a_finite_colour(solver, shape, level):
    photograph = np.random.default_rng(5).integers(0, 256, (*shape, 3), dtype=np.uint8)
    estimate = estimate_foreground(
        photograph, np.full(shape, level, dtype=np.float32), solver=solver
    )
    assert estimate.shape == photograph.shape
    assert estimate.dtype == np.float32
    assert np.isfinite(estimate).all()


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        estimate_foreground(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4), np.float32))
