"""What colour the light of a picture is, and how far that guess can be trusted.

Everything is an opinion here: four classical estimators vote, and they are believed as far as they
agree, as the light is one that lamps and skies have, and as there is something grey to see it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.imaging.pixels.color_difference import RGB_TO_XYZ

# Shape suffixes: H height, W width, C colour channel, N pixels, 3 the channels.

Float = NDArray[np.float32]
Double = NDArray[np.float64]
ImageT = TypeVar("ImageT", NDArray[np.uint8], NDArray[np.float32])

_MINKOWSKI = 6
_SPREAD = 0.25
_OFF_LOCUS = 0.012
_NEUTRAL_SHARE = 0.35
_NEUTRAL = 0.5
"""Largest |ln(r/g)| and |ln(b/g)| of a pixel that may be something grey."""
_SATURATED = 0.98
_SIDE_PX = 256
"""Longer side of what is looked at: light is no detail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class White:
    """The colour of a light."""

    rgb_3: Double
    """Linear colour of a grey card under it, scaled to luminance 1."""
    confidence: float
    """[0, 1]; 1 when the light is known and not guessed."""


def known_white(rgb: tuple[float, float, float]) -> White:
    """A light whose colour the generator tells: linear, any brightness above 0."""
    return White(rgb_3=_to_luminance_one(np.asarray(rgb, np.float64)), confidence=1.0)


def thinned(image: ImageT) -> ImageT:
    """Every n-th pixel, as few as a light is judged by: a view. Once thinned, it stays so."""
    step = max(1, max(image.shape[:2]) // _SIDE_PX)
    return image[::step, ::step]


def estimate_white(linear_HWC: Float, weight_HW: Float) -> White:
    """Guess the light of a picture.

    Median of shades of grey with p = 6 (Finlayson and Trezzi 2004), soft white patch, first-order
    grey edge (van de Weijer, Gevers and Gijsenij 2007) and the mean of what is nearly neutral, in
    (ln r/g, ln b/g). The confidence is the product of three: they agree, the light lies near the
    Planckian locus, and enough of the picture's light comes from near-neutral places.

    Args:
        linear_HWC: linear light, [0, 1].
        weight_HW: 1 where it counts, 0 where it does not, such as under the product.

    Returns:
        The guess; pure white with confidence 0 when there is nothing to see it on.
    """
    linear_hwC = thinned(linear_HWC).astype(np.float64)
    seen_hw = (thinned(weight_HW) > 0.5) & (linear_hwC.max(axis=-1) < _SATURATED)
    seen_hw &= linear_hwC.min(axis=-1) > 1e-3
    if seen_hw.sum() < 64:
        return White(rgb_3=np.ones(3), confidence=0.0)
    pixels_N3 = linear_hwC[seen_hw]
    opponent_N2 = _opponent(pixels_N3)
    neutral_N = (np.abs(opponent_N2) < _NEUTRAL).all(axis=1)
    luminance_N = pixels_N3 @ RGB_TO_XYZ[1]
    votes = [
        _minkowski(pixels_N3),
        pixels_N3[luminance_N >= np.quantile(luminance_N, 0.97)].mean(axis=0),
        _grey_edge(linear_hwC, seen_hw),
    ]
    if neutral_N.any():
        votes.append(pixels_N3[neutral_N].mean(axis=0))
    votes_M2 = _opponent(np.maximum(np.stack(votes), 1e-6))
    middle_2 = np.median(votes_M2, axis=0)
    rgb_3 = _to_luminance_one(np.array([np.exp(middle_2[0]), 1.0, np.exp(middle_2[1])]))
    spread = float(np.sqrt(((votes_M2 - middle_2) ** 2).sum(axis=1).mean()))
    share = float(luminance_N[neutral_N].sum() / luminance_N.sum())
    confidence = (
        np.exp(-((spread / _SPREAD) ** 2))
        * np.exp(-((_distance_to_locus(rgb_3) / _OFF_LOCUS) ** 2))
        * min(1.0, share / _NEUTRAL_SHARE)
    )
    return White(rgb_3=rgb_3, confidence=float(confidence))


def backdrop_white(linear_HWC: Float, alpha_HW: Float) -> White | None:
    """The light on a neutral studio backdrop; None when the old background is not one.

    Only paper that is bright, flat and nearly grey says what the light was. A tinted wall or a room
    says nothing, and balancing on it would do more harm than the cast.

    Args:
        linear_HWC: the photograph, linear light.
        alpha_HW: coverage of the product, [0, 1].
    """
    paper_N3 = thinned(linear_HWC)[thinned(alpha_HW) < 0.01].astype(np.float64)
    if len(paper_N3) < 64:
        return None
    white_3 = np.median(paper_N3, axis=0)
    if white_3.min() < 0.25:  # grey paper in deep shade is not distinguishable from a dark wall
        return None
    opponent_2 = _opponent(white_3[np.newaxis])[0]
    spread_2 = np.quantile(np.abs(_opponent(np.maximum(paper_N3, 1e-6)) - opponent_2), 0.9, axis=0)
    is_flat = spread_2.max() < 0.06 and _relative_range(paper_N3 @ RGB_TO_XYZ[1]) < 0.5
    if not is_flat or np.abs(opponent_2).max() > 0.2:
        return None
    return White(rgb_3=_to_luminance_one(white_3), confidence=1.0)


def _relative_range(luminance_N: Double) -> float:
    low, middle, high = np.quantile(luminance_N, (0.1, 0.5, 0.9))
    return float((high - low) / max(middle, 1e-6))


def _opponent(rgb_N3: Double) -> Double:
    """(ln r/g, ln b/g): a change of light is a shift in it."""
    log_N3 = np.log(rgb_N3)
    return np.stack([log_N3[:, 0] - log_N3[:, 1], log_N3[:, 2] - log_N3[:, 1]], axis=-1)


def _minkowski(pixels_N3: Double) -> Double:
    """Mean of order 6: between the grey world (order 1) and the brightest pixel (infinite)."""
    return np.asarray((pixels_N3**_MINKOWSKI).mean(axis=0) ** (1 / _MINKOWSKI))


def _grey_edge(linear_hwC: Double, seen_hw: NDArray[np.bool_]) -> Double:
    """Mean of order 6 of the gradient: edges between things are coloured by the light alone."""
    strength_3 = np.ones(3)
    for channel in range(3):
        smooth_hw = gaussian_filter(linear_hwC[..., channel], 1.0)
        down_hw, across_hw = np.gradient(smooth_hw)
        edges_N = np.hypot(down_hw, across_hw)[seen_hw]
        strength_3[channel] = (edges_N**_MINKOWSKI).mean() ** (1 / _MINKOWSKI)
    return np.maximum(strength_3, 1e-6)


def _to_luminance_one(rgb_3: Double) -> Double:
    return np.asarray(rgb_3 / float(rgb_3 @ RGB_TO_XYZ[1]))


def _uv(xyz: Double) -> Double:
    """CIE 1960 (u, v)."""
    total = xyz[..., 0] + 15 * xyz[..., 1] + 3 * xyz[..., 2]
    return np.stack([4 * xyz[..., 0] / total, 6 * xyz[..., 1] / total], axis=-1)


def _distance_to_locus(rgb_3: Double) -> float:
    """Distance in CIE 1960 (u, v) to the black body, 1500 to 15000 K.

    Krystek 1985, "An algorithm to calculate correlated colour temperature". sRGB's own white is
    daylight, 0.003 off the locus; that much is no distance.
    """
    T = np.geomspace(1500, 15000, 200)
    u = (0.860117757 + 1.54118254e-4 * T + 1.28641212e-7 * T**2) / (
        1 + 8.42420235e-4 * T + 7.08145163e-7 * T**2
    )
    v = (0.317398726 + 4.22806245e-5 * T + 4.20481691e-8 * T**2) / (
        1 - 2.89741816e-5 * T + 1.61456053e-7 * T**2
    )
    uv_2 = _uv(RGB_TO_XYZ @ rgb_3)
    return max(0.0, float(np.hypot(u - uv_2[0], v - uv_2[1]).min()) - 0.003)
