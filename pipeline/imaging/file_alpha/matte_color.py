"""Whether a cut-out's soft edge was laid over one colour, and which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.compositing.solid_colors import Rgb8
from pipeline.imaging.file_alpha.soft_edge import FEWEST_SOFT, Edge, mean_difference

# Shape suffixes: N pixels; 3 colour channels, 1 of none.

Float = NDArray[np.float32]

_BLACK: Rgb8 = (0, 0, 0)
_WHITE: Rgb8 = (255, 255, 255)

_TOLERANCE = 4 / 255
"""The distance out of a mixture's reach, in colours of [0, 1], that rounding and a lossy codec's
noise explain."""
_MOST_OUT_OF_REACH = 0.015
_OUT_OF_REACH_IF_STRAIGHT = 0.05
"""Share of the edge that the product's colour nearby would put out of reach, for that to count."""
_NOISE = 0.06
"""The distance out of reach, as a part of what the product's colour nearby would put there: up to
0.04 of what was laid over black and then went through a lossy codec, 0.7 or more of straight
colours."""
_CLEARLY_LESS = 0.6
"""The ratio of two misfits, [0, 1], below which the smaller one counts as clearly smaller."""
_ALIKE = 8 / 255
"""The largest distance between colours where coverage is low and all of them are one colour's: 2 to
5 levels over grey, 14 or more if straight."""
_ALIKE_FOR = 0.2
"""The largest scatter of what a matte colour leaves unexplained, as a share of the misfit of
straight colours."""
_LOW, _LOWER = 0.6, 0.25
"""Coverage below which a colour that lies under the edge is estimated, and held against it."""


def laid_over(edge: Edge) -> Rgb8 | None:
    """The colour that the edge was laid over, if it was over one."""
    candidates = dict.fromkeys((_BLACK, _WHITE, edge.painted))
    possible = [matte for matte in candidates if matte is not None and _lies_over(edge, matte)]
    return min(possible, key=lambda matte: misfit(edge, matte), default=None)


def estimated_matte(edge: Edge) -> Rgb8 | None:
    """The one colour that the product's, nearby, must have been laid over; None: there is none.

    Where coverage is low, next to nothing but that colour is left, all along the edge.
    """
    alpha_N1 = edge.alpha_N[:, np.newaxis]
    under_N3 = edge.observed_N3 - alpha_N1 * edge.product_N3
    known_N = ~np.isnan(under_N3[:, 0])
    low_N, lower_N = known_N & (edge.alpha_N < _LOW), known_N & (edge.alpha_N < _LOWER)
    if lower_N.sum() < FEWEST_SOFT // 2:
        return None
    color = np.median(under_N3[low_N] / (1 - alpha_N1[low_N]), axis=0)
    if (np.abs(color - 0.5) > 0.5 + _ALIKE).any():
        return None
    left_N3 = under_N3[lower_N] - (1 - alpha_N1[lower_N]) * color
    apart = float(np.abs(left_N3 - np.median(left_N3, axis=0)).mean())
    if apart > min(_ALIKE, _ALIKE_FOR * misfit(edge, None, lower_N)):
        return None
    red, green, blue = (int(level) for level in np.round(np.clip(color, 0, 1) * 255))
    matte = red, green, blue
    return matte if misfit(edge, matte) < _CLEARLY_LESS * misfit(edge, None) else None


def unmixed(observed: Float, alpha: Float, matte: Rgb8) -> Float:
    """The colours that were laid over `matte`, [0, 1]; where alpha is 0, there are none to tell.

    Args:
        observed: [0, 1], channels last.
        alpha: coverage, [0, 1], with as many dimensions, or without the channels.
        matte: what they lie over, 8-bit sRGB.
    """
    alpha = alpha[..., np.newaxis]
    over = np.asarray(matte, dtype=np.float32) / np.float32(255)
    own = (observed - (1 - alpha) * over) / np.maximum(alpha, np.float32(0.5 / 255))
    return np.asarray(np.clip(own, 0, 1), dtype=np.float32)


def _lies_over(edge: Edge, matte: Rgb8) -> bool:
    """Whether all of it can have been laid over `matte`, which straight colours could not.

    A bright or dark background that is in view, and fits much better, is no matte.
    """
    if misfit_of_mixture(edge) < _CLEARLY_LESS * misfit(edge, matte):
        return False
    if _out_of_reach(edge, edge.observed_N3, matte) > _MOST_OUT_OF_REACH:
        return _noisily_lies_over(edge, matte)
    could_tell = _out_of_reach(edge, edge.product_N3, matte) > _OUT_OF_REACH_IF_STRAIGHT
    return could_tell or misfit(edge, matte) <= misfit(edge, None)


def _noisily_lies_over(edge: Edge, matte: Rgb8) -> bool:
    """Whether an edge lies over a matte whose colours a lossy codec has moved a little."""
    expected = _excess(edge, edge.product_N3, matte)
    within = _excess(edge, edge.observed_N3, matte) < _NOISE * expected
    others = min(_CLEARLY_LESS * misfit(edge, None), misfit_of_mixture(edge))
    return within and misfit(edge, matte) < others


def _out_of_reach(edge: Edge, color_N3: Float, matte: Rgb8) -> float:
    """The share of pixels that would not be explained by any colour laid over `matte`."""
    over = np.asarray(matte, dtype=np.float32) / np.float32(255)
    alpha_N1 = edge.alpha_N[:, np.newaxis]
    darkest_N3 = (1 - alpha_N1) * over
    out_N3 = (color_N3 < darkest_N3 - _TOLERANCE) | (color_N3 > darkest_N3 + alpha_N1 + _TOLERANCE)
    return float(out_N3.any(axis=1).mean())


def _excess(edge: Edge, color_N3: Float, matte: Rgb8) -> float:
    """The mean distance of colours out of reach, where the product's colour is known."""
    over = np.asarray(matte, dtype=np.float32) / np.float32(255)
    alpha_N1 = edge.alpha_N[:, np.newaxis]
    darkest_N3 = (1 - alpha_N1) * over
    out_N3 = np.maximum(darkest_N3 - color_N3, color_N3 - darkest_N3 - alpha_N1) - _TOLERANCE
    known_N = ~np.isnan(edge.product_N3[:, 0])
    return float(np.maximum(out_N3, 0).max(axis=1)[known_N].mean()) if known_N.any() else 0.0


def misfit(edge: Edge, matte: Rgb8 | None, at_N: NDArray[np.bool_] | None = None) -> float:
    """Mean difference from the product's colour nearby, laid over `matte`."""
    expected_N3 = edge.product_N3
    if matte is not None:
        over = np.asarray(matte, dtype=np.float32) / np.float32(255)
        alpha_N1 = edge.alpha_N[:, np.newaxis]
        expected_N3 = alpha_N1 * expected_N3 + (1 - alpha_N1) * over
    at = slice(None) if at_N is None else at_N
    return mean_difference(edge.observed_N3[at], expected_N3[at])


def misfit_of_mixture(edge: Edge) -> float:
    """Mean difference from a mixture of product and ground; infinite where none is seen."""
    if not edge.shows_ground:
        return float("inf")
    alpha_N1 = edge.alpha_N[:, np.newaxis]
    mixed_N3 = alpha_N1 * edge.product_N3 + (1 - alpha_N1) * edge.ground_N3
    return mean_difference(edge.observed_N3, mixed_N3)
