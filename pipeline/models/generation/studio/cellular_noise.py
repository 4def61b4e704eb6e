"""Cellular noise: the plane divided among scattered points (chips, pebbles, leaves).

Worley, "A cellular texture basis function", SIGGRAPH 1996; the distance to the border between two
cells after Quilez, https://iquilezles.org/articles/voronoilines/
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width.

Float = NDArray[np.float32]

_SIDE = 64  # the scatter of points repeats after this many cells, far outside any frame


@dataclass(frozen=True, slots=True)
class Cells:
    """Which cell each place belongs to."""

    index_HW: NDArray[np.int32]
    """Number of the cell, below `count`."""
    border_HW: Float
    """The approximate distance to the nearest border, in cells: 0 on it, near 0.5 in the middle."""
    dx_HW: Float
    dy_HW: Float
    """The vertical offset of this place from the cell's point, in cells."""
    count: int = _SIDE * _SIDE


def cells(x_HW: Float, y_HW: Float, rng: np.random.Generator) -> Cells:
    """Divide the plane into cells of unit mean area around jittered points."""
    jitter = rng.uniform(0.1, 0.9, (2, _SIDE * _SIDE)).astype(np.float32)
    column, row = np.floor(x_HW), np.floor(y_HW)
    fx, fy = (x_HW - column).astype(np.float32), (y_HW - row).astype(np.float32)
    i, j = column.astype(np.int32), row.astype(np.int32)
    best = np.full(x_HW.shape, np.inf, dtype=np.float32)
    second = best.copy()
    index = np.zeros(x_HW.shape, dtype=np.int32)
    dx, dy = np.zeros_like(best), np.zeros_like(best)
    for oy in (-1, 0, 1):
        for ox in (-1, 0, 1):
            key = ((j + oy) & (_SIDE - 1)) * _SIDE + ((i + ox) & (_SIDE - 1))
            rx = fx - np.float32(ox) - jitter[0].take(key)
            ry = fy - np.float32(oy) - jitter[1].take(key)
            distance = rx * rx + ry * ry
            closer = distance < best
            second = np.where(closer, best, np.minimum(second, distance))
            best = np.where(closer, distance, best)
            index = np.where(closer, key, index)
            dx, dy = np.where(closer, rx, dx), np.where(closer, ry, dy)
    return Cells(index, np.sqrt(second) - np.sqrt(best), dx, dy)
