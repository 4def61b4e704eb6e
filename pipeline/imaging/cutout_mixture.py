"""Whether a cut-out's soft edge is mixed with an old background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.imaging.color import unit
from pipeline.imaging.cutout_edge import Edge, mean_difference
from pipeline.imaging.cutout_matte import misfit_of_mixture, unmixed
from pipeline.imaging.solid import Rgb8

# Shape suffixes: H height, W width, C colour channel, N pixels.

Float = NDArray[np.float32]

CERTAIN = 0.1
"""Coverage below which 8-bit colours that were divided by it are mostly rounding."""
_SMALL_PX = 7
"""Side of the square in which colour is held against coverage."""
_LOWER = 0.25
_EVENLY = 0.35
"""Difference from the product's colour at half its coverage, as a part of that where it is faint,
from which it is even: a mixture has 0.55, next to a shadow of 2 % it is 0.2 or less."""
_LEADS = 0.88
"""The misfit of a mixture with what is seen where alpha is 0, as a part of that of its nearer end:
up to 0.80 of 23 photographs, 0.98 or more of 4 cut-outs whose colours, continued, follow alpha."""


def leads_to_ground(edge: Edge) -> bool:
    """Whether colours are a mixture with what is seen nearby where alpha is 0.

    They are neither the product's alone nor, as where those were continued, what is seen there.
    """
    known_N = ~np.isnan((edge.product_N3 + edge.ground_N3)[:, 0])
    ends = (edge.product_N3[known_N], edge.ground_N3[known_N])
    nearest = min(mean_difference(edge.observed_N3[known_N], end_N3) for end_N3 in ends)
    return misfit_of_mixture(edge) < _LEADS * nearest


def leads_away(edge: Edge) -> bool:
    """Whether colours leave the product's evenly, as a mixture does, and not at the very end.

    Of a mixture with anything, half is left at half of the coverage. Next to the faint end of a
    shadow, straight colours are the product's own until next to nothing of it is left.
    """
    faint_N = (edge.alpha_N > CERTAIN) & (edge.alpha_N < _LOWER)
    half_N = (edge.alpha_N > 0.4) & (edge.alpha_N < 0.7)
    faint = mean_difference(edge.observed_N3[faint_N], edge.product_N3[faint_N])
    half = mean_difference(edge.observed_N3[half_N], edge.product_N3[half_N])
    return half > _EVENLY * faint


def followed(edge: Edge, *, matte: Rgb8 | None, above: float) -> float:
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
        certain_HW = edge.at_HW[tile.region] & (given_HW[inner] > CERTAIN)
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
