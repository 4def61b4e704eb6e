"""How far a matte is from the truth, in the measures of the matting literature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    distance_transform_edt,
    gaussian_filter1d,
    label,
)

# Shape suffixes: H height, W width.

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

_GRAD_SIGMA = 1.4
_CONN_STEPS = 10
_CONN_THETA = 0.15
_BOUNDARY_F_TOLERANCE = 0.0025
_BOUNDARY_IOU_WIDTH = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class MatteScores:
    """One matte against its truth, over the whole picture."""

    sad: float
    """Sum of absolute differences, thousands of pixels. Less is better."""
    mse: float
    """Mean squared difference, in thousandths. Less is better."""
    grad: float
    """Squared difference of gradients, thousands (Rhemann et al. 2009). Less is better."""
    conn: float
    """Difference of connectedness, thousands (Rhemann et al. 2009). Less is better."""
    iou: float
    """Overlap of what is more than half covered, 0 to 1. More is better."""
    boundary_iou: float
    """The boundary IoU (Cheng et al. 2021) within 2 % of the diagonal of the outline, [0, 1]. More
    is better."""
    boundary_f: float
    """F-measure of the outline, within 0.25 % of the diagonal. More is better."""


def score_matte(alpha_HW: Float, true_HW: Float) -> MatteScores:
    """Compare a matte with the truth.

    Args:
        alpha_HW: coverage, [0, 1].
        true_HW: coverage, [0, 1], same height and width.

    Raises:
        ValueError: the sizes differ.
    """
    if alpha_HW.shape != true_HW.shape:
        raise ValueError(f"a matte of {alpha_HW.shape} has no truth of {true_HW.shape}")
    alpha, true = alpha_HW.astype(np.float64), true_HW.astype(np.float64)
    difference = np.abs(alpha - true)
    solid, true_solid = alpha > 0.5, true > 0.5
    diagonal_px = math.hypot(*alpha.shape)
    width_px = max(1, round(_BOUNDARY_IOU_WIDTH * diagonal_px))
    return MatteScores(
        sad=float(difference.sum()) / 1000,
        mse=float((difference**2).mean()) * 1000,
        grad=gradient_error(alpha, true),
        conn=connectivity_error(alpha, true),
        iou=overlap(solid, true_solid),
        boundary_iou=overlap(_rim(solid, width_px), _rim(true_solid, width_px)),
        boundary_f=boundary_f(
            solid, true_solid, tolerance_px=math.ceil(_BOUNDARY_F_TOLERANCE * diagonal_px)
        ),
    )


def gradient_error(alpha: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Squared difference of the gradients' magnitudes, summed, thousands.

    First-order Gaussian derivatives of sigma 1.4 (Rhemann et al. 2009, "A perceptually motivated
    online benchmark for image matting"), each kernel brought to unit energy as in their code:
    published figures mean that scale.
    """
    return float(((_steepness(alpha) - _steepness(true)) ** 2).sum()) / 1000


def _steepness(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    sigma = _GRAD_SIGMA
    # The kernel reaches as far as it has over 1 % of its height: 4 px.
    radius = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))
    at = np.arange(-radius, radius + 1)
    bell = np.exp(-(at**2) / (2 * sigma**2))
    # gaussian_filter1d makes the bell's sum 1, and its slope that of the bell over sigma squared.
    bell /= bell.sum()
    slope = at * bell / sigma**2
    energy = math.sqrt(float((bell**2).sum() * (slope**2).sum()))
    along: list[NDArray[np.float64]] = []
    for axis in (0, 1):
        smooth = gaussian_filter1d(alpha, sigma, axis=1 - axis, radius=radius, mode="nearest")
        steep = gaussian_filter1d(smooth, sigma, axis=axis, order=1, radius=radius, mode="nearest")
        along.append(np.asarray(steep) / energy)
    return np.hypot(*along)


def connectivity_error(alpha: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Difference of how firmly pixels hang together with the object, summed, thousands.

    The object is the largest region that both mattes share at a threshold. A pixel's level is the
    highest threshold at which it still belongs; what it has above that level counts as detached,
    once it is more than 0.15 (Rhemann et al. 2009, eq. 5 and 6).
    """
    level = np.ones(alpha.shape)
    decided = np.zeros(alpha.shape, dtype=bool)
    for step in range(1, _CONN_STEPS + 1):
        threshold = step / _CONN_STEPS - 1e-9  # a stored 0.3 must reach the threshold 0.3
        leaves = ~decided & ~_largest((alpha >= threshold) & (true >= threshold))
        level[leaves] = (step - 1) / _CONN_STEPS
        decided |= leaves
    return float(np.abs(_connectedness(alpha, level) - _connectedness(true, level)).sum()) / 1000


def _connectedness(alpha: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
    detached = alpha - level
    return 1 - detached * (detached >= _CONN_THETA)


def _largest(region: Mask) -> Mask:
    pieces, num_pieces = label(region)
    if num_pieces == 0:
        return np.zeros(region.shape, dtype=bool)
    return np.asarray(pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax()))


def overlap(first: Mask, other: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int((first | other).sum())
    return int((first & other).sum()) / union if union else 1.0


def boundary_f(solid: Mask, true: Mask, *, tolerance_px: int) -> float:
    """Harmonic mean of how much of each outline lies near the other; 1 where both are empty."""
    predicted, wanted = _outline(solid), _outline(true)
    if not predicted.any() or not wanted.any():
        return float(predicted.any() == wanted.any())
    y, x = np.mgrid[-tolerance_px : tolerance_px + 1, -tolerance_px : tolerance_px + 1]
    disk = y**2 + x**2 <= tolerance_px**2 + 0.5
    precision = float(binary_dilation(wanted, disk)[predicted].mean())
    recall = float(binary_dilation(predicted, disk)[wanted].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def ranking_auc(confidence: Sequence[float], quality: Sequence[float]) -> float:
    """How well a confidence ranks the worst quarter by quality at the bottom (area under the ROC).

    The probability that a good one is trusted more than a bad one: 1 always, 0.5 by chance.

    >>> ranking_auc([0.1, 0.9, 0.8, 0.7], [0.2, 0.9, 0.8, 0.9])
    1.0

    Raises:
        ValueError: fewer than four, or not as many of one as of the other.
    """
    if len(confidence) != len(quality) or len(quality) < 4:
        raise ValueError(f"{len(confidence)} confidences cannot rank {len(quality)} mattes")
    trusted = np.asarray(confidence)[np.argsort(quality, kind="stable")]
    bad, good = np.split(trusted, [len(trusted) // 4])
    higher = good[np.newaxis] > bad[:, np.newaxis]
    equal = good[np.newaxis] == bad[:, np.newaxis]
    return float((higher + 0.5 * equal).mean())


def _outline(solid: Mask) -> Mask:
    return np.asarray(solid & ~binary_erosion(solid, border_value=1))


def _rim(solid: Mask, width_px: int) -> Mask:
    """The pixels inside an outline within a distance of it."""
    return np.asarray(solid & (distance_transform_edt(solid) <= width_px))
