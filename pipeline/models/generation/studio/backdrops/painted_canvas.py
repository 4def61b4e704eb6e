"""The reduced grid on which everything behind the product is drawn before the lens blurs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.models.generation.studio.colors import Rgb
from pipeline.models.generation.studio.noise import Noise, smoothstep

# Shape suffixes: C colour channel, h, w height and width of the reduced grid. Light is linear and
# may exceed 1: a lamp or a patch of sky is far brighter than white paper.

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Canvas:
    """Where a backdrop is painted. Lengths are in frame heights."""

    x_1w: Float
    """Across, 0 in the middle of the frame."""
    y_h1: Float
    """Down, 0 at the top of the frame, 1 at the bottom."""
    horizon: float
    """Row of the eye level."""
    floor: float
    """Row where the ground in front hides the backdrop."""
    aspect: float
    noise: Noise
    tone: Rgb
    accents: tuple[Rgb, ...]
    sun: float
    """-1 light from the left, 1 from the right."""
    blur: float
    """Radius of the circle of confusion the lens will apply."""

    @property
    def rng(self) -> np.random.Generator:
        return self.noise.rng

    @property
    def pixel(self) -> float:
        return 1.0 / self.shape[0]

    @property
    def reach(self) -> float:
        """Height of the backdrop that shows."""
        return max(self.floor, 0.2)

    @property
    def up_h1(self) -> Float:
        """Height above the ground's far edge, as a share of what shows: 1 at the top."""
        return (np.float32(self.floor) - self.y_h1) / np.float32(self.reach)

    @property
    def shape(self) -> tuple[int, int]:
        return self.y_h1.shape[0], self.x_1w.shape[1]


BackdropPainter = Callable[[Canvas], Float]


def fill(canvas: Canvas, rgb: Rgb) -> Float:
    """The whole canvas in one colour, C x h x w."""
    return np.broadcast_to(planes(rgb), (3, *canvas.shape)).astype(np.float32)


def planes(rgb: Rgb) -> Float:
    """A colour shaped to broadcast against C x h x w."""
    return np.asarray(rgb, dtype=np.float32)[:, None, None]


def gradient(position_hw: Float, stops: tuple[tuple[float, Rgb], ...]) -> Float:
    """Colours along a position, smoothed at the stops; C x h x w."""
    result = np.broadcast_to(planes(stops[0][1]), (3, *position_hw.shape)).astype(np.float32)
    for (low, _), (high, rgb) in pairwise(stops):
        result = over(result, rgb, smoothstep(low, high, position_hw))
    return result


def over(base_Chw: Float, rgb: Rgb | Float, cover_hw: Float) -> Float:
    """Lay a colour, or a picture, over another by coverage."""
    top = rgb if isinstance(rgb, np.ndarray) else planes(rgb)
    return base_Chw + (top - base_Chw) * cover_hw


def box(
    canvas: Canvas, left: float, right: float, bottom: float, top: float, soft: float = 0.0
) -> Float:
    """Coverage of an upright rectangle: x in frame heights, bottom and top as shares of `up_h1`."""
    edge = np.float32(max(soft, canvas.pixel))
    rise = np.float32(max(soft, canvas.pixel) / canvas.reach)
    x, up = canvas.x_1w, canvas.up_h1
    across = np.clip((x - left) / edge, 0, 1) * np.clip((right - x) / edge, 0, 1)
    along = np.clip((up - bottom) / rise, 0, 1) * np.clip((top - up) / rise, 0, 1)
    return np.asarray(across * along, dtype=np.float32)


def glow(canvas: Canvas, x: float, up: float, radius: float) -> Float:
    """A round haze of light, 1 at its centre."""
    dy = (canvas.up_h1 - np.float32(up)) * np.float32(canvas.reach)
    square = ((canvas.x_1w - np.float32(x)) ** 2 + dy * dy) / np.float32(radius**2)
    return np.asarray(np.exp(-square), dtype=np.float32)


def points(canvas: Canvas, xs: Float, ups: Float, rgbs: Float, *, brightness: float) -> Float:
    """Point lights to add to a picture; the lens turns each into a disc of the brightness given.

    Args:
        canvas: where to.
        xs: frame heights, shape (n,).
        ups: shares of `up_h1`, shape (n,).
        rgbs: linear colours, shape (n, 3).
        brightness: of the disc after defocus by `canvas.blur`.
    """
    h, w = canvas.shape
    radius_px = max(canvas.blur / canvas.pixel, 0.6)
    light = np.zeros((3, h, w), dtype=np.float32)
    row = (np.float32(canvas.floor) - ups * np.float32(canvas.reach)) * h - 0.5
    column = (xs + np.float32(canvas.aspect / 2)) * h - 0.5
    i, j = np.rint(row).astype(int), np.rint(column).astype(int)
    inside = (i >= 0) & (i < h) & (j >= 0) & (j < w)
    energy = rgbs[inside] * np.float32(brightness * np.pi * radius_px**2)
    for channel in range(3):
        np.add.at(light[channel], (i[inside], j[inside]), energy[:, channel])
    return light
