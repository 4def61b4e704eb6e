"""Bring product and background under one light, without betraying the product's colour.

First the background moves: it is generated and owes nobody fidelity. Then, if that is allowed, the
product follows what is left, by a chromatic adaptation that keeps luminance and ends where the mean
or the 95th percentile of its colour difference would exceed a bound, on every single picture.
Matching means and deviations instead (Reinhard et al. 2001) moves products by 30 CIEDE2000: a red
shoe in a green room is not a brown one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.imaging.compositing.white_point import White, backdrop_white, estimate_white, thinned
from pipeline.imaging.pixels.color import linear_to_srgb, srgb_to_linear
from pipeline.imaging.pixels.color_difference import RGB_TO_XYZ, delta_e, srgb_to_lab
from pipeline.imaging.pixels.strips import strips

# Shape suffixes: H height, W width, C colour channel, N pixels, 3 the channels.

Float = NDArray[np.float32]
Double = NDArray[np.float64]

Mode = Literal["off", "background", "product"]

_BRADFORD: Double = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""XYZ to the sharpened cone responses of the Bradford transform (Lam 1985; CIECAM97s)."""

_BISECTIONS = 12
_SAMPLE = 4000
_AUDIT = 60_000
"""Product pixels on which the bound is checked again once everything is rounded to 8 bits."""
_HEADROOM = 0.99
"""The share of the colour bound that the search uses: the sample is not the product, and pixels are
rounded."""


class HarmoniseConfig(BaseModel):
    """How far the colours of background and product may move towards each other."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mode: Mode = Field(
        default="off",
        description="'off': nothing moves. 'background': the generated background moves towards "
        "neutral light. 'product': then the product moves towards the scene's light too, within "
        "`tau`.",
    )
    background_strength: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How much of the scene's cast is taken from the background; 1 takes the "
        "evening out of an evening scene.",
    )
    tau: float = Field(
        default=2.0,
        gt=0,
        le=10,
        description="Largest mean CIEDE2000 between product and photograph; its 95th percentile "
        "stays below twice that. 1 is strict: hardly anyone sees it.",
    )
    remove_source_cast: bool = Field(
        default=True,
        description="Whether the product's move starts from the light of its photograph, where "
        "that shows on a neutral studio backdrop. Within the same bound.",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """How far a product's pixels moved."""

    mean: float
    """CIEDE2000."""
    p95: float
    max: float
    luminance: float
    """Mean change of relative luminance, linear light, [-1, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Harmonised:
    """Both layers under one light, and what that took."""

    foreground_HWC: Float
    """sRGB-encoded."""
    background_HWC: Float
    """sRGB-encoded."""
    confidence: float
    """The confidence that the scene's white was found, [0, 1]."""
    strength: float
    """Share of the adaptation that the bound let the product have, [0, 1]."""
    shift: Shift


def harmonise(
    foreground_HWC: Float,
    alpha_HW: Float,
    background_HWC: Float,
    config: HarmoniseConfig,
    *,
    scene: White | None = None,
    photo_HWC: NDArray[np.uint8] | None = None,
) -> Harmonised:
    """Move the background, then the product, as far as the configuration allows.

    Args:
        foreground_HWC: the product's own colours, straight, sRGB-encoded, [0, 1].
        alpha_HW: coverage, [0, 1].
        background_HWC: sRGB-encoded, [0, 1].
        config: what may move, and how far.
        scene: the light of the background where it is known; None: it is estimated.
        photo_HWC: the photograph, sRGB, same size, for the light of its backdrop; None: not asked.

    Raises:
        ValueError: the sizes differ.
    """
    if foreground_HWC.shape != background_HWC.shape or foreground_HWC.shape[:2] != alpha_HW.shape:
        raise ValueError(
            f"sizes differ: foreground {foreground_HWC.shape}, alpha {alpha_HW.shape}, "
            f"background {background_HWC.shape}"
        )
    if config.mode == "off":
        return Harmonised(
            foreground_HWC=foreground_HWC,
            background_HWC=background_HWC,
            confidence=0.0,
            strength=0.0,
            shift=Shift(mean=0.0, p95=0.0, max=0.0, luminance=0.0),
        )
    white = scene or estimate_white(srgb_to_linear(thinned(background_HWC)), 1 - thinned(alpha_HW))
    believed_3 = 1 + white.confidence * (white.rgb_3 - 1)
    left_3 = 1 + (1 - config.background_strength) * (believed_3 - 1)
    background_HWC = transformed(background_HWC, adaptation(believed_3, left_3))
    strength = 0.0
    moved_HWC = foreground_HWC
    if config.mode == "product":
        from_3 = np.ones(3)
        if config.remove_source_cast and photo_HWC is not None:
            seen_hwC = thinned(photo_HWC).astype(np.float32) / np.float32(255)
            paper = backdrop_white(srgb_to_linear(seen_hwC), thinned(alpha_HW))
            from_3 = from_3 if paper is None else paper.rgb_3
        moved_HWC, strength = _bounded(foreground_HWC, alpha_HW, from_3, left_3, config.tau)
    return Harmonised(
        foreground_HWC=moved_HWC,
        background_HWC=background_HWC,
        confidence=white.confidence,
        strength=strength,
        shift=shift_of(*_pixels(foreground_HWC, moved_HWC, alpha_HW, _AUDIT)),
    )


def adaptation(from_3: Double, to_3: Double) -> Double:
    """Bradford chromatic adaptation from one white to another, as a matrix on linear sRGB.

    Args:
        from_3: linear colour of a grey card under the first light.
        to_3: under the second. Luminance is kept: both are taken at luminance 1.
    """
    cones_from = _BRADFORD @ RGB_TO_XYZ @ (from_3 / (RGB_TO_XYZ[1] @ from_3))
    cones_to = _BRADFORD @ RGB_TO_XYZ @ (to_3 / (RGB_TO_XYZ[1] @ to_3))
    to_cones = _BRADFORD @ RGB_TO_XYZ
    return np.asarray(np.linalg.inv(to_cones) @ np.diag(cones_to / cones_from) @ to_cones)


def transformed(srgb: Float, matrix: Double) -> Float:
    """Apply a matrix on linear light to sRGB-encoded colours, [0, 1]; N3 or HWC."""
    if np.array_equal(matrix, np.eye(3)):
        return srgb
    if srgb.ndim < 3:
        return _transformed(srgb, matrix)
    moved_HWC = np.empty(srgb.shape, dtype=np.float32)
    for rows in strips(srgb.shape):
        moved_HWC[rows] = _transformed(srgb[rows], matrix)
    return moved_HWC


def _transformed(srgb: Float, matrix: Double) -> Float:
    linear = np.clip(srgb_to_linear(srgb) @ matrix.T.astype(np.float32), 0, 1)
    return np.asarray(linear_to_srgb(linear), dtype=np.float32)


def shift_of(before_N3: Float, after_N3: Float) -> Shift:
    """How far pixels moved; sRGB-encoded, [0, 1]. Nothing at all for no pixels."""
    if len(before_N3) == 0:
        return Shift(mean=0.0, p95=0.0, max=0.0, luminance=0.0)
    differences_N = delta_e(srgb_to_lab(before_N3), srgb_to_lab(after_N3))
    change_N3 = srgb_to_linear(after_N3) - srgb_to_linear(before_N3)
    return Shift(
        mean=float(differences_N.mean()),
        p95=float(np.quantile(differences_N, 0.95)),
        max=float(differences_N.max()),
        luminance=float((change_N3 @ RGB_TO_XYZ[1]).mean()),
    )


def _bounded(
    foreground_HWC: Float, alpha_HW: Float, from_3: Double, to_3: Double, tau: float
) -> tuple[Float, float]:
    """Adapt the product as far as the bound allows; also the share of the adaptation it had."""
    sample_N3, _ = _pixels(foreground_HWC, foreground_HWC, alpha_HW, _SAMPLE)
    lab_N3 = srgb_to_lab(sample_N3)

    def matrix(share: float) -> Double:
        # The white itself is moved step by step, so that every step is an adaptation.
        return adaptation(np.ones(3), 1 + share * (_ratio(from_3, to_3) - 1))

    def fits(share: float) -> bool:
        moved_N3 = _rounded(transformed(sample_N3, matrix(share)))
        differences_N = delta_e(lab_N3, srgb_to_lab(moved_N3))
        return bool(
            differences_N.mean() <= _HEADROOM * tau
            and np.quantile(differences_N, 0.95) <= _HEADROOM * 2 * tau
        )

    if len(sample_N3) == 0 or np.allclose(from_3, to_3, atol=1e-4):
        return foreground_HWC, 0.0
    low, high = 0.0, 1.0
    if fits(1.0):
        low = 1.0
    else:
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if fits(middle) else (low, middle)
    while low > 1e-3:
        moved_HWC = transformed(foreground_HWC, matrix(low))
        audited = shift_of(*_pixels(foreground_HWC, moved_HWC, alpha_HW, _AUDIT))
        if audited.mean <= tau and audited.p95 <= 2 * tau:
            return moved_HWC, low
        low *= 0.97
    return foreground_HWC, 0.0


def _ratio(from_3: Double, to_3: Double) -> Double:
    """The white that an adaptation from white has to lead to, at luminance 1."""
    ratio_3 = to_3 / from_3
    return np.asarray(ratio_3 / (RGB_TO_XYZ[1] @ ratio_3))


def _pixels(before_HWC: Float, after_HWC: Float, alpha_HW: Float, most: int) -> tuple[Float, Float]:
    """Pixels of the product before and after, evenly spread, both as 8 bits will hold them."""
    at = np.flatnonzero(alpha_HW.ravel() > 0.9)
    at = at[:: max(1, -(-at.size // most))]
    before_N3, after_N3 = before_HWC.reshape(-1, 3)[at], after_HWC.reshape(-1, 3)[at]
    return _rounded(before_N3), _rounded(after_N3)


def _rounded(rgb_N3: Float) -> Float:
    """Colours rounded to the values that 8 bits can hold."""
    return np.asarray(np.round(rgb_N3 * 255) / 255, dtype=np.float32)
