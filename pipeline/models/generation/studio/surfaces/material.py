"""What a painted surface is, and the few marks all surfaces are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.models.generation.studio.camera import Ground
from pipeline.models.generation.studio.colors import Rgb
from pipeline.models.generation.studio.noise import Noise

# Shape suffixes: C colour channel, H height, W width.

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """A block of ground, ready to be lit."""

    albedo_CHW: Float
    """Linear reflectance, its own relief already shaded."""
    gloss: float = 0.0
    """Strength of the mirror image of the set behind: 0 none, 1 that of still water."""
    tilt_HW: Float | None = None
    """How far ripples throw the mirror image up or down, in frame heights; None: flat."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """Everything a surface may look at while it is painted."""

    ground: Ground
    tone: Rgb
    """Mean albedo asked for, linear."""
    noise: Noise
    toward: float
    """Direction of the light on the ground plane, radians: 0 along x, pi/2 away from the camera."""


Painter = Callable[[Patch], Material]


def tinted(tone: Rgb, depth_HW: Float) -> Float:
    """Albedo of a dye laid `depth_HW` thick: more is darker and more saturated at once.

    Beer-Lambert: a layer of thickness 1 has albedo `tone`, one of thickness d has `tone ** d`.
    """
    log_tone = np.log(np.clip(np.asarray(tone, dtype=np.float32), 0.004, 0.96))
    albedo: Float = np.exp(log_tone[:, None, None] * np.maximum(depth_HW, 0))
    return albedo


def mixed(base_CHW: Float, paint: Rgb, cover_HW: Float) -> Float:
    """Lay a second colour over an albedo where `cover_HW` is 1."""
    return base_CHW + (np.asarray(paint, dtype=np.float32)[:, None, None] - base_CHW) * cover_HW


def line(distance_HW: Float, half_width: float, footprint_H1: Float) -> Float:
    """Coverage of a thin line by pixels of a given footprint: exact area of a box-filtered bar."""
    width = np.maximum(footprint_H1, 1e-6)
    low = np.clip((distance_HW + half_width) / width + 0.5, 0, 1)
    high = np.clip((distance_HW - half_width) / width + 0.5, 0, 1)
    return np.asarray(low - high, dtype=np.float32)


def vein(field_HW: Float, half_width: float, footprint: Float, wavelength: float) -> Float:
    """A soft line along the zeros of a noise field, fading where pixels get larger than it."""
    # A unit-variance band of this wavelength crosses zero with a slope near 2 pi / wavelength.
    widened = np.hypot(half_width, 2.5 * footprint / wavelength).astype(np.float32)
    ratio = field_HW / widened
    cover: Float = (half_width / widened) / (1 + ratio * ratio) ** 2
    return cover
