"""Curves as straight lines, in pixels of the upright picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.clipping_path.saved_paths import Operation, Subpath
from pipeline.imaging.containers.photoshop_resources import DamagedError

Float = NDArray[np.float64]
# Shape suffixes: N knots, K curves, V vertices; 2 is x, y.

_FLATNESS_PX = 1 / 1024
"""The largest distance of a line from its curve, px: it moves the coverage of a pixel by as much.
In shapes 2 px wide 1/128 would be a thousandth and more of all that is covered."""
_MOST_VERTICES = 2_000_000

_TURNS: dict[int, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    1: ((1, 0, 0), (0, 1, 0)),
    2: ((-1, 0, 1), (0, 1, 0)),
    3: ((-1, 0, 1), (0, -1, 1)),
    4: ((1, 0, 0), (0, -1, 1)),
    5: ((0, 1, 0), (1, 0, 0)),
    6: ((0, -1, 1), (1, 0, 0)),
    7: ((0, -1, 1), (-1, 0, 1)),
    8: ((0, 1, 0), (-1, 0, 1)),
}
"""Rows of the map (x, y, 1) to upright x and y, by orientation (EXIF 2.32, tag 274)."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """A subpath as a closed line of many short pieces."""

    vertices_V2: Float
    """x and y in px from the upper left corner; the last is joined to the first."""
    operation: Operation


def outlines(
    subpaths: Sequence[Subpath], size_HW: tuple[int, int], *, orientation: int = 1
) -> list[Polygon]:
    """Turn the curves upright and flatten them.

    Args:
        subpaths: as stored.
        size_HW: of the upright picture.
        orientation: how the stored pixels were turned to be upright.

    Raises:
        DamagedError: they wind so much that no hand has drawn them.
    """
    scale = np.array([size_HW[1], size_HW[0]], np.float64)
    turn = np.array(_TURNS.get(orientation, _TURNS[1]), np.float64)
    polygons: list[Polygon] = []
    left = _MOST_VERTICES
    for subpath in subpaths:
        upright_N32 = (subpath.knots_N32 @ turn[:, :2].T + turn[:, 2]) * scale
        vertices_V2 = _flattened(upright_N32, max_vertices=left)
        left -= len(vertices_V2)
        polygons.append(Polygon(vertices_V2, subpath.operation))
    return polygons


def _flattened(knots_N32: Float, *, max_vertices: int) -> Float:
    """Each curve cut into equal steps of its parameter, as many as its bend asks for.

    In n steps a cubic stays within 3 / (4 n^2) of the larger of its two second differences (from
    the error of linear interpolation: an eighth of the second derivative's maximum).
    """
    start_K2, end_K2 = knots_N32[:, 1], np.roll(knots_N32[:, 1], -1, axis=0)
    leaving_K2, entering_K2 = knots_N32[:, 2], np.roll(knots_N32[:, 0], -1, axis=0)
    bends = np.maximum(
        np.hypot(*(start_K2 - 2 * leaving_K2 + entering_K2).T),
        np.hypot(*(leaving_K2 - 2 * entering_K2 + end_K2).T),
    )
    # Where both control points lie on their anchors, the curve is the straight line between them.
    is_line = (start_K2 == leaving_K2).all(axis=1) & (entering_K2 == end_K2).all(axis=1)
    steps = np.ceil(np.sqrt(0.75 / _FLATNESS_PX * np.where(is_line, 0, bends)))
    counts = np.maximum(steps, 1).astype(np.int64)
    if counts.sum() > max_vertices:
        raise DamagedError("a path that winds more than any drawn by hand")
    curve = np.repeat(np.arange(len(counts)), counts)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    t = ((np.arange(len(curve)) - firsts) / counts[curve])[:, None]
    s = 1 - t
    return np.asarray(
        s**3 * start_K2[curve]
        + 3 * s**2 * t * leaving_K2[curve]
        + 3 * s * t**2 * entering_K2[curve]
        + t**3 * end_K2[curve]
    )
