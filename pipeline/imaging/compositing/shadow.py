"""The shadow a product casts on the ground it is put on: a layer of light, from its alpha alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter, gaussian_filter1d, grey_opening

from pipeline.imaging.pixels.color import linear_to_srgb, srgb_to_linear
from pipeline.imaging.pixels.strips import strips

# Shape suffixes: H height, W width (h, w on the working grid), C colour channel.

Float = NDArray[np.float32]

_GRID_PX = 512
"""Longer side of the working grid: a shadow holds nothing finer than its contact core."""
_SLABS = 10
"""The product is cut into this many horizontal slabs, each casting its own strip of shadow."""


class ShadowConfig(BaseModel):
    """The contact shadow, and the light it falls from where the background does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = Field(default=True, description="Whether products get a shadow at all.")
    opacity: float = Field(
        default=0.75, ge=0, le=1, description="Share of the light missing where it is darkest."
    )
    core: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Strength of the narrow dark line where product and ground meet.",
    )
    spread: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Strength of the wide penumbra that leans away from the light.",
    )
    ground_tilt: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="Height over width of a circle drawn on the ground, as the camera sees it: "
        "0.1 from a low stand, 0.3 from a usual catalog view, 1 from straight above.",
    )
    azimuth_deg: float = Field(
        default=-35.0,
        ge=-180,
        le=180,
        description="Direction of an unknown light, degrees: 0 behind the camera, -90 left, "
        "90 right, 180 ahead.",
    )
    elevation_deg: float = Field(
        default=55.0,
        gt=0,
        le=90,
        description="Height of an unknown light, degrees: 90 is overhead.",
    )
    softness: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Softness of an unknown light: 0 a point, 1 an overcast sky.",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """Where a product meets the ground, on the working grid."""

    row_w: NDArray[np.intp]
    """Lowest opaque row of each column."""
    weight_w: Float
    """The certainty that each column stands on the ground: 1 at the lowest rows, 0 well above them
    or out of frame."""
    base: int
    """The lowest opaque row of all."""
    ground: float
    """The mean row of the contact line: the middle of the footprint."""
    size: float
    """Side of the square of the same area as the product's bounding box."""


def contact_shadow(
    alpha_HW: Float,
    config: ShadowConfig,
    *,
    azimuth_deg: float,
    elevation_deg: float,
    softness: float,
) -> Float:
    """Estimate how much of the light still reaches the ground around a standing product.

    Two parts, multiplied. A narrow **core** follows the contact line: per column the lowest opaque
    pixel, as far as it is near the product's base, so the feet of a chair each get their own and
    the seat between them gets none. A wide **penumbra** stands for the light the body keeps away:
    the product is cut into horizontal slabs as deep as it is wide; each throws a blurred strip,
    further from the light, wider and fainter the higher the slab.

    A product cut by the frame's bottom edge has its contact outside the picture: the columns that
    are cut cast nothing, and with all of them cut there is no shadow. One that floats (a hanging
    lamp, a shirt) is taken to stand on its lowest point: an alpha cannot tell. Switch the shadow
    off for such catalogs.

    The ground within the product's own outline is shaded like the rest, so that soft edges mix
    with dark ground; laying the product over the shaded ground hides it where alpha is 1.

    Args:
        alpha_HW: coverage of the product, [0, 1], as it will be composited.
        config: strengths and the tilt of the ground; its own light is not read here.
        azimuth_deg: where the light comes from, seen by the camera: 0 behind it, -90 left,
            90 right, 180 ahead.
        elevation_deg: height of the light above the horizon, 90 overhead.
        softness: 0 a point source, 1 an overcast sky.

    Returns:
        Fraction of the light that is left, [0, 1], linear light, same height and width; exactly 1
        where there is no shadow. For `shade`.
    """
    height, width = alpha_HW.shape
    scale = min(1.0, _GRID_PX / max(height, width))
    grid_hw = (max(1, round(height * scale)), max(1, round(width * scale)))
    alpha_hw = resized(alpha_HW, grid_hw)
    contact = contact_of(alpha_hw, ground_tilt=config.ground_tilt)
    if contact is None or not config.opacity:
        return np.ones(alpha_HW.shape, dtype=np.float32)
    core_hw = config.core * _core(contact, grid_hw, config.ground_tilt)
    penumbra_hw = config.spread * _penumbra(
        alpha_hw,
        contact,
        ground_tilt=config.ground_tilt,
        azimuth_deg=azimuth_deg,
        elevation_deg=elevation_deg,
        softness=softness,
    )
    occluded_hw = config.opacity * (1 - (1 - core_hw) * (1 - penumbra_hw))
    # Below half an 8-bit step it is invisible; made exactly 0 it leaves the rest of the picture be.
    dark_hw: Float = np.maximum(occluded_hw - np.float32(0.002), np.float32(0))
    return np.clip(1 - resized(dark_hw, (height, width)), 0, 1)


def shade(bg_HWC: Float, light_HW: Float) -> Float:
    """Lay a shadow over a background, in linear light: light is what a shadow takes away.

    Args:
        bg_HWC: sRGB-encoded, [0, 1].
        light_HW: fraction of the light that is left, same height and width.

    Returns:
        sRGB-encoded, [0, 1]; bit-identical to `bg_HWC` where `light_HW` is 1.

    Raises:
        ValueError: the two sizes differ.
    """
    if bg_HWC.shape[:2] != light_HW.shape:
        raise ValueError(f"background {bg_HWC.shape} does not fit a shadow of {light_HW.shape}")
    shaded_HWC = bg_HWC.copy()
    for rows in strips(bg_HWC.shape):
        dark_HW = light_HW[rows] < 1
        light_N1 = light_HW[rows][dark_HW][:, np.newaxis]
        linear_N3 = srgb_to_linear(bg_HWC[rows][dark_HW]) * light_N1
        shaded_HWC[rows][dark_HW] = linear_to_srgb(linear_N3)
    return shaded_HWC


def contact_of(alpha_hw: Float, *, ground_tilt: float) -> Contact | None:
    """Find the contact line; None for an empty alpha or one whose base is out of frame."""
    opaque_hw = alpha_hw > 0.5
    present_w = opaque_hw.any(axis=0)
    if not present_w.any():
        return None
    rows = np.flatnonzero(opaque_hw.any(axis=1))
    columns = np.flatnonzero(present_w)
    body_h, body_w = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    last_row = opaque_hw.shape[0] - 1
    row_w = last_row - opaque_hw[::-1].argmax(axis=0)
    base = int(rows[-1])
    # What stands further back meets the ground higher up in the picture, by the tilt times its
    # distance. A plain outline may do so over most of the depth of a product as deep as wide;
    # a foot, which shows that it ends there, further. The shares of the height keep the underside
    # of a low table or a car off the ground.
    foot_w = _foot(np.where(present_w, row_w, 0), width=body_w // 4, length=0.05 * body_h)
    rise_w = base - row_w
    weight_w = np.maximum(
        _smooth(1 - rise_w / max(1.0, min(0.75 * ground_tilt * body_w, 0.25 * body_h))),
        foot_w * _smooth(1 - rise_w / max(1.0, min(2 * ground_tilt * body_w, 0.4 * body_h))),
    )
    weight_w = np.where(present_w & (row_w < last_row), weight_w, 0)
    if not weight_w.any():
        return None
    return Contact(
        row_w=row_w,
        weight_w=weight_w.astype(np.float32),
        base=base,
        ground=float(np.average(row_w, weights=weight_w)),
        size=math.sqrt(body_h * body_w),
    )


def _foot(row_w: NDArray[np.intp], *, width: int, length: float) -> Float:
    """How much each column is part of something narrow reaching down, [0, 1].

    The white top-hat of the bottom profile: what is left of it after taking away everything that
    is at least `width` columns wide. From half of `length` rows on it counts as a foot.
    """
    reaching_w = row_w - grey_opening(row_w, size=max(3, width))
    return _smooth(reaching_w / max(1.0, length) - 0.5)


def _smooth(step: NDArray[np.floating]) -> Float:
    """A smooth step: 0 up to 0, 1 from 1 on."""
    clipped: Float = np.clip(step, 0, 1).astype(np.float32)
    return clipped * clipped * (3 - 2 * clipped)


def _core(contact: Contact, grid_hw: tuple[int, int], ground_tilt: float) -> Float:
    """Darkness next to the contact line, [0, 1]: a tight occlusion and a looser one around it."""
    line_hw = np.zeros(grid_hw, dtype=np.float32)
    line_hw[contact.row_w, np.arange(grid_hw[1])] = contact.weight_w
    light_hw = np.ones(grid_hw, dtype=np.float32)
    for strength, reach in ((0.8, 0.012), (0.5, 0.05)):
        sigma_x = max(1.0, reach * contact.size)
        sigma_y = max(0.8, sigma_x * ground_tilt)
        # Scaled so that a long level line reaches the strength on itself, however wide the blur.
        peak = sigma_y * math.sqrt(2 * math.pi)
        blurred_hw = gaussian_filter(line_hw, (sigma_y, sigma_x), mode="constant")
        light_hw *= 1 - strength * np.minimum(blurred_hw * np.float32(peak), 1)
    return 1 - light_hw


def _penumbra(
    alpha_hw: Float,
    contact: Contact,
    *,
    ground_tilt: float,
    azimuth_deg: float,
    elevation_deg: float,
    softness: float,
) -> Float:
    """Darkness of the light the body keeps from the ground, [0, 1]."""
    height, width = alpha_hw.shape
    azimuth = math.radians(azimuth_deg)
    # Shadows longer than the product is high read as late evening; cut at 1.5.
    length = min(1.5, 1 / math.tan(math.radians(min(max(elevation_deg, 1.0), 89.9))))
    away_x = -math.sin(azimuth) * length
    away_y = -math.cos(azimuth) * length * ground_tilt
    visible = _visible_share(contact, height - 1)
    rows = np.arange(height, dtype=np.float32)
    top = int(np.flatnonzero((alpha_hw > 0.5).any(axis=1))[0])
    edges = np.linspace(0, contact.base + 1 - top, _SLABS + 1)
    light_hw = np.ones((height, width), dtype=np.float32)
    for low, high in pairwise(edges):
        first = min(contact.base, max(0, round(contact.base + 1 - high)))
        last = max(first + 1, round(contact.base + 1 - low))
        profile_w = alpha_hw[first:last].max(axis=0)
        rise = float(low + high) / 2
        blur = contact.size * (0.02 + 0.06 * softness) + rise * (0.1 + 0.4 * softness)
        depth = max(1.0, ground_tilt * contact.size * 0.16 + ground_tilt * blur)
        strip_w = gaussian_filter1d(_shifted(profile_w, away_x * rise), blur, mode="constant")
        strip_h = np.exp(-0.5 * ((rows - contact.ground - away_y * rise) / depth) ** 2)
        fade = visible * 0.55 * math.exp(-rise / (0.45 * contact.size))
        light_hw *= 1 - np.float32(fade) * strip_h[:, np.newaxis] * strip_w
    return 1 - light_hw


def _visible_share(contact: Contact, last_row: int) -> float:
    """The share of the contact line that lies inside the frame."""
    cut = float(np.count_nonzero(contact.row_w == last_row))
    inside = float(contact.weight_w.sum())
    return inside / (inside + cut) if contact.base == last_row else 1.0


def _shifted(profile_w: Float, offset: float) -> Float:
    """The profile moved right by `offset` columns, between columns linearly; 0 comes in."""
    at = np.arange(profile_w.size, dtype=np.float32)
    moved = np.interp(at - offset, at, profile_w, left=0.0, right=0.0)
    return np.asarray(moved, dtype=np.float32)


def resized(plane: Float, size_HW: tuple[int, int]) -> Float:
    """Area mean when shrinking, bilinear when enlarging."""
    if plane.shape == size_HW:
        return plane
    height, width = size_HW
    image = Image.fromarray(plane)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
