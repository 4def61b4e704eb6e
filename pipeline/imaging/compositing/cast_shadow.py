"""The shadow that light throws off a product: its outline laid on the ground, or a pool below it.

`shadow.py` darkens the ground where product and ground meet. This throws the outline itself, for
the looks that catalogs ask for by name: hard (a lamp), soft (a window), floating (in mid-air).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter, map_coordinates

from pipeline.imaging.compositing.shadow import contact_of, resized

# Shape suffixes: H height, W width (h, w on the working grid).

Float = NDArray[np.float32]

_GRID_PX = 768
"""Longer side of the working grid: an outline holds more detail than a contact shadow."""
_BANDS = 6
"""Heights of the product whose shadows are blurred alike."""
_BLUR = {"hard": (0.004, 0.02), "soft": (0.025, 0.16)}
"""Blur at the contact, and how much it grows per unit of height; in units of the product's size."""
_STEEPEST = 0.12
"""Ground rows per unit of height, at least: light from the very side leaves no area to draw."""

CastStyle = Literal["none", "soft", "hard", "floating"]


class CastConfig(BaseModel):
    """The shadow thrown on the ground, besides the contact shadow."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    style: CastStyle = Field(
        default="none",
        description="'soft': as by a window; 'hard': as by a lamp; 'floating': a pool below a "
        "product in mid-air, without a contact shadow; 'none'.",
    )
    opacity: float = Field(
        default=0.5, ge=0, le=1, description="Share of the light missing where it is darkest."
    )
    length: float | None = Field(
        default=None,
        ge=0,
        le=3,
        description="Length of the shadow over the product's height; null: by the light.",
    )
    direction_deg: float | None = Field(
        default=None,
        ge=-180,
        le=180,
        description="Where the light comes from: 0 behind the camera, -90 left, 90 right, 180 "
        "ahead; null: as in the scene.",
    )
    lift: float = Field(
        default=0.12,
        ge=0,
        le=1,
        description="Floating: height above the ground, in units of the product's size.",
    )


def cast_shadow(
    alpha_HW: Float,
    config: CastConfig,
    *,
    ground_tilt: float,
    azimuth_deg: float,
    elevation_deg: float,
) -> Float:
    """How much of the light still reaches the ground past the product.

    A product is taken for a flat figure that stands upright where it touches the ground, and its
    outline is sheared and squashed onto the ground in parallel light. The higher a part, the wider
    its penumbra. A product that the frame cuts off at the bottom throws none: its ground is outside
    the picture.

    Args:
        alpha_HW: coverage of the product, [0, 1], as it will be composited.
        config: the style; its own length and direction come before the light's.
        ground_tilt: height over width of a circle on the ground, as the camera sees it.
        azimuth_deg: where the light comes from: 0 behind the camera, -90 left, 90 right.
        elevation_deg: height of the light above the horizon.

    Returns:
        Fraction of the light that is left, [0, 1], linear light, same height and width; exactly 1
        where there is no shadow. For `shade`.
    """
    lit_HW = np.ones(alpha_HW.shape, dtype=np.float32)
    if config.style == "none" or not config.opacity:
        return lit_HW
    height, width = alpha_HW.shape
    scale = min(1.0, _GRID_PX / max(height, width))
    alpha_hw = resized(alpha_HW, (max(1, round(height * scale)), max(1, round(width * scale))))
    contact = contact_of(alpha_hw, ground_tilt=ground_tilt)
    if contact is None:
        return lit_HW
    if config.style == "floating":
        dark_hw = _pool(alpha_hw, contact.base, contact.size, ground_tilt, config.lift)
    else:
        azimuth = math.radians(
            azimuth_deg if config.direction_deg is None else config.direction_deg
        )
        low = min(max(elevation_deg, 5.0), 89.0)
        length = min(1.5, 1 / math.tan(math.radians(low)))
        length = length if config.length is None else config.length
        down = -math.cos(azimuth) * length * ground_tilt
        steep = math.copysign(max(abs(down), _STEEPEST * length), down)
        dark_hw = _outline(
            alpha_hw,
            ground=contact.ground,
            size=contact.size,
            across=-math.sin(azimuth) * length,
            down=steep,
            blur=_BLUR[config.style],
        )
    dark_hw = np.maximum(np.float32(config.opacity) * dark_hw - np.float32(0.002), np.float32(0))
    return np.clip(1 - resized(dark_hw, (height, width)), 0, 1)


def _outline(
    alpha_hw: Float,
    *,
    ground: float,
    size: float,
    across: float,
    down: float,
    blur: tuple[float, float],
) -> Float:
    """Darkness under the outline laid on the ground, [0, 1]; `across` and `down` per row of height.

    Seen from a ground pixel: which part of the product stands between it and the light?
    """
    height, width = alpha_hw.shape
    if down == 0:  # no length: light from straight above, all of the shadow under the product
        return np.zeros_like(alpha_hw)
    y_h1, x_1w = np.mgrid[0:height, 0:1][0], np.arange(width)[np.newaxis]
    rise_h1 = (y_h1 - ground) / down
    source_y = np.broadcast_to(ground - rise_h1, (height, width))
    source_x = x_1w - across * rise_h1
    thrown_hw = map_coordinates(
        alpha_hw, [source_y, source_x], order=1, mode="constant", output=np.float32
    )
    thrown_hw = np.where(rise_h1 >= 0, thrown_hw, np.float32(0))
    tallest = max(1.0, ground - float(np.flatnonzero((alpha_hw > 0.5).any(axis=1))[0]))
    step = tallest / _BANDS
    dark_hw = np.zeros_like(alpha_hw)
    for middle in np.linspace(0, tallest, _BANDS + 1):
        # Bands that fade into each other: with hard borders, each border shows as a stripe.
        share_h1 = np.clip(1 - np.abs(np.clip(rise_h1, 0, tallest) - middle) / step, 0, 1)
        sigma = blur[0] * size + blur[1] * middle
        band_hw = thrown_hw * share_h1.astype(np.float32)
        # Flattened by the ground like the outline itself.
        sigma_y = max(0.5, sigma * min(1.0, abs(down) + 0.3))
        # Added, not multiplied as light is: they are parts of one shadow.
        dark_hw += gaussian_filter(band_hw, (sigma_y, sigma), mode="constant")
    return np.clip(dark_hw, 0, 1)


def _pool(alpha_hw: Float, base: int, size: float, ground_tilt: float, lift: float) -> Float:
    """Darkness of the soft pool below something that hovers, [0, 1]."""
    height = alpha_hw.shape[0]
    profile_w = alpha_hw.max(axis=0)
    sigma_x = size * (0.05 + 0.5 * lift)
    sigma_y = max(1.0, ground_tilt * size * (0.12 + 0.3 * lift))
    line_hw = np.zeros_like(alpha_hw)
    row = min(height - 1, round(base + lift * size))
    line_hw[row] = profile_w
    pool_hw = gaussian_filter(line_hw, (sigma_y, sigma_x), mode="constant")
    # A long level line reaches 1 on itself, however wide the blur.
    peak = np.float32(sigma_y * math.sqrt(2 * math.pi))
    return np.asarray(np.clip(pool_hw * peak, 0, 1), dtype=np.float32)
