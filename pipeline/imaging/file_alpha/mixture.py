"""Whether a cut-out's soft edge is mixed with an old background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.imaging.compositing.solid_colors import Rgb8
from pipeline.imaging.file_alpha.matte_color import misfit_of_mixture, unmixed
from pipeline.imaging.file_alpha.soft_edge import Edge, mean_difference
from pipeline.imaging.pixels.color import unit

# Shape suffixes: H height, W width, C colour channel, N pixels, P patches; 3 channels.

Float = NDArray[np.float32]

_CERTAIN = 0.1
"""Coverage below which 8-bit colours that were divided by it are mostly rounding."""
_SMALL_PX = 7
"""Side of the square in which colour is held against coverage."""
_VANISHING, _FAINT, _HALF = (0.05, 0.2), (0.1, 0.25), (0.4, 0.7)
"""Ranges of coverage that are compared."""
_FEWEST_IN_PATCH = 2
_FAR = 12 / 255
_GOES_OVER = 0.5
"""A mixture has 0.23, or more where the ground has a texture."""
_FOLLOWS_GROUND = 0.57
"""Share of the variance that coverage explains. Where a mixture fits, 0.65 or more of 23
photographs, 0.49 or less of 24 cut-outs whose colours were continued."""
_LEADS = 0.93
"""The misfit of a mixture with what is seen where alpha is 0, as a part of that of its nearer end:
up to 0.87 of 23 photographs; 1.04 or more of cut-outs whose colours, continued, follow alpha."""


def leads_to_ground(edge: Edge) -> bool:
    """Whether colours lead to those seen where alpha is 0, as a mixture with that does.

    Most often they fit it better than the product's alone or, as where those were continued, what
    is seen there; and coverage explains how they vary.
    """
    if not edge.shows_ground:
        return False
    known_N = ~np.isnan((edge.product_N3 + edge.ground_N3)[:, 0])
    ends = (edge.product_N3[known_N], edge.ground_N3[known_N])
    nearest = min(mean_difference(edge.observed_N3[known_N], end_N3) for end_N3 in ends)
    is_between = misfit_of_mixture(edge) < _LEADS * nearest
    return (is_between and followed(edge, above=-1) > _FOLLOWS_GROUND) or _goes_over(edge)


def leaves_evenly(edge: Edge, matte: Rgb8 | None) -> float:
    """How far colours are from the product's at half its coverage, to how far where it is faint.

    Averaged over small patches, so that texture evens out. A mixture with anything has 0.55, as
    distance is in proportion to what is not covered. Colours that merely differ along an edge have
    1; with those that turn dark or pale towards it, or were cleaned imperfectly, the difference
    reaches into the product. Next to a shadow, colours are the product's own until next to nothing
    of it is left: 0.2 or less.

    Returns:
        NaN: there is too little of an edge.
    """
    return _ratio(edge, _own(edge, matte) - edge.product_N3, _HALF, _FAINT)


def followed(edge: Edge, *, matte: Rgb8 | None = None, above: float = _CERTAIN) -> float:
    """The share of the variance along the edge that coverage explains, [0, 1].

    Within a small square, colour is regressed on coverage, as closed-form matting assumes (Levin,
    Lischinski and Weiss 2008), over the pixels whose coverage is larger than `above`.
    """
    explained, total = 0.0, 0.0
    for tile in edge.tiles:
        near, inner = tile.widened(_SMALL_PX // 2, edge.alpha_HW.shape)
        given_HW, seen_HWC = edge.alpha_HW[near], unit(edge.rgb_HWC[near])
        if matte is not None:
            seen_HWC = unmixed(seen_HWC, given_HW, matte)
        weight_HW = (given_HW > above).astype(np.float32)
        share_HW = _mean(weight_HW) + np.float32(1e-9)
        center_HW = _mean(weight_HW * given_HW) / share_HW
        spread_HW = _mean(weight_HW * given_HW**2) / share_HW - center_HW**2
        certain_HW = edge.at_HW[tile.region] & (given_HW[inner] > _CERTAIN)
        at_HW = certain_HW & (spread_HW[inner] > 0.01)
        for channel in range(3):
            plane_HW = seen_HWC[..., channel]
            level_HW = _mean(weight_HW * plane_HW) / share_HW
            varies_HW = _mean(weight_HW * plane_HW**2) / share_HW - level_HW**2
            together_HW = _mean(weight_HW * plane_HW * given_HW) / share_HW - level_HW * center_HW
            told_HW = together_HW[inner] ** 2 / np.maximum(spread_HW[inner], np.float32(1e-5))
            explained += float(told_HW[at_HW].sum(dtype=np.float64))
            total += float(varies_HW[inner][at_HW].sum(dtype=np.float64))
    return explained / total if total > 0 else 0.0


def _mean(plane_HW: Float) -> Float:
    return np.asarray(uniform_filter(plane_HW, _SMALL_PX, mode="constant"), dtype=np.float32)


def _own(edge: Edge, matte: Rgb8 | None) -> Float:
    """The edge's own colours, with what they were laid over taken out."""
    if matte is None:
        return edge.observed_N3
    return unmixed(edge.observed_N3, edge.alpha_N, matte)


def _ratio(
    edge: Edge, away_N3: Float, above: tuple[float, float], below: tuple[float, float]
) -> float:
    """Mean distance at some coverage, as a part of that at another, of patches that have both."""
    above_P, above_count_P = _patch_means(edge, away_N3, above)
    below_P, below_count_P = _patch_means(edge, away_N3, below)
    count_P = np.minimum(above_count_P, below_count_P)
    if not count_P.any():
        return float("nan")
    known_P = count_P > 0
    return _weighted(above_P[known_P], count_P[known_P]) / max(
        _weighted(below_P[known_P], count_P[known_P]), 1e-6
    )


def _weighted(values_P: Float, count_P: NDArray[np.intp]) -> float:
    return float(np.average(values_P, weights=count_P)) if count_P.size else float("nan")


def _patch_means(
    edge: Edge, away_N3: Float, between: tuple[float, float]
) -> tuple[Float, NDArray[np.intp]]:
    """The length of each patch's mean difference, and the number of its pixels."""
    at_N = (edge.alpha_N > between[0]) & (edge.alpha_N < between[1])
    at_N &= ~np.isnan(away_N3).any(axis=1)
    num_patches = int(edge.patch_N.max()) + 1 if len(edge) else 0
    count_P = np.bincount(edge.patch_N[at_N], minlength=num_patches)
    sums = [
        np.bincount(edge.patch_N[at_N], away_N3[at_N, c], minlength=num_patches) for c in range(3)
    ]
    mean_P3 = np.stack(sums, axis=1) / np.maximum(count_P, 1)[:, np.newaxis]
    count_P[count_P < _FEWEST_IN_PATCH] = 0
    return np.abs(mean_P3).mean(axis=1).astype(np.float32), count_P


def _goes_over(edge: Edge) -> bool:
    """Whether colours become those seen where alpha is 0, having been further from it than any end.

    So does the mixture of a dark outline with a bright background: neither end fits, nor does what
    lies between them. Colours that were continued into what alpha hides are never far from it.
    """
    away_N3 = edge.observed_N3 - edge.ground_N3
    half_P, count_P = _patch_means(edge, away_N3, _HALF)
    ends_P, _ = _patch_means(edge, edge.product_N3 - edge.ground_N3, _HALF)
    known_P = count_P > 0
    half, ends = (_weighted(x_P[known_P], count_P[known_P]) for x_P in (half_P, ends_P))
    if not half > max(_FAR, ends):
        return False
    return _ratio(edge, away_N3, _VANISHING, _HALF) < _GOES_OVER
