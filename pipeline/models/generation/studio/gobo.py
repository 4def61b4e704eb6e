"""What stands between the lamp and the set: the shadow of a window, of blinds, of leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Float = NDArray[np.float32]

_SIDE = 512  # samples per side of the mask
_SPAN = 3.0  # frame heights it covers
_STEP = 0.066  # between two pairs of leaflets
_HALF_LEAF = np.float32(0.017)  # half the width of a leaflet


@dataclass(frozen=True, slots=True)
class Gobo:
    """A mask at right angles to the light: 1 lets it through, 0 stops it."""

    mask: Float


def gobo(kind: str, rng: np.random.Generator, *, softness: float) -> Gobo:
    """Cut a mask and blur it by the penumbra of the lamp."""
    axis = np.linspace(-_SPAN / 2, _SPAN / 2, _SIDE, dtype=np.float32)
    u, v = axis[None, :], axis[:, None]
    match kind:
        case "window":
            mask = _window(u, v, rng)
        case "blinds":
            mask = _blinds(u, v, rng)
        case "leaves":
            mask = _leaves(u, v, rng)
        case _:
            raise ValueError(f"unknown gobo {kind!r}")
    near = ndimage.gaussian_filter(mask, (0.005 + 0.03 * softness) * _SIDE / _SPAN)
    return Gobo(near.astype(np.float32))


def transmission(mask: Gobo, u_hw: Float, v_hw: Float) -> Float:
    """Share of the light that passes, at coordinates across the light in frame heights."""
    scale = np.float32(_SIDE / _SPAN)
    at = np.stack(np.broadcast_arrays(v_hw * scale, u_hw * scale)) + np.float32((_SIDE - 1) / 2)
    return np.asarray(
        ndimage.map_coordinates(mask.mask, at, order=1, mode="nearest"), dtype=np.float32
    )


def _window(u: Float, v: Float, rng: np.random.Generator) -> Float:
    """A tall window in two columns; it reaches down far enough to light the product as well."""
    u = u - np.float32(rng.uniform(-0.1, 0.1))
    v = v - np.float32(rng.uniform(0.1, 0.25))
    half, top, bottom, bar, pane = 0.42, 0.72, -1.5, 0.028, 0.48
    inside = (np.abs(u) < half) & (v < top) & (v > bottom)
    mullion = np.abs(u) < bar
    rail = np.abs(np.mod(v, pane) - pane / 2) < bar
    return np.asarray(inside & ~mullion & ~rail, dtype=np.float32)


def _blinds(u: Float, v: Float, rng: np.random.Generator) -> Float:
    pitch = np.float32(rng.uniform(0.13, 0.17))
    slat = np.mod(v + np.float32(rng.uniform(0, 1)) * pitch, pitch) < 0.56 * pitch
    return np.asarray(slat & (np.abs(u) < 1.1), dtype=np.float32)


def _leaves(u: Float, v: Float, rng: np.random.Generator) -> Float:
    """Fronds: leaflets in pairs along a few bent stems that reach in from one side."""
    mask = np.ones((_SIDE, _SIDE), dtype=np.float32)
    side = float(rng.choice((-1.0, 1.0)))
    pairs = 11
    for level in (-0.42, -0.08, 0.3):
        x, y = side * rng.uniform(0.42, 0.6), level + rng.uniform(-0.08, 0.08)
        heading = np.pi * (side > 0) + rng.uniform(-0.45, 0.45)
        bend = rng.uniform(-0.05, 0.05)
        for k in range(pairs):
            x, y = x + _STEP * np.cos(heading), y + _STEP * np.sin(heading)
            heading += bend
            size = 0.26 * np.sin(np.pi * (0.2 + 0.72 * k / pairs))
            for turn in (-0.8, 0.8):
                lean = heading + turn + rng.normal(0, 0.07)
                cx, cy = x + 0.5 * size * np.cos(lean), y + 0.5 * size * np.sin(lean)
                _leaf(mask, u, v, (cx, cy), lean, size)
    return mask


def _leaf(
    mask: Float, u: Float, v: Float, middle: tuple[float, float], lean: float, size: float
) -> None:
    """Darken one pointed leaflet in the mask being cut; only the samples around it are touched."""
    first = [int((m - 0.65 * size + _SPAN / 2) / _SPAN * _SIDE) for m in middle]
    last = [int((m + 0.65 * size + _SPAN / 2) / _SPAN * _SIDE) + 2 for m in middle]
    columns, rows = (slice(max(f, 0), max(k, 0)) for f, k in zip(first, last, strict=True))
    du, dv = u[:, columns] - np.float32(middle[0]), v[rows] - np.float32(middle[1])
    c, s = np.float32(np.cos(lean)), np.float32(np.sin(lean))
    along, across = (du * c + dv * s) / np.float32(0.52 * size), (dv * c - du * s) / _HALF_LEAF
    mask[rows, columns] *= np.clip(np.hypot(along, across) * 3 - 2.5, 0.25, 1)
