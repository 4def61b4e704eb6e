"""Moving the edge of a coverage inwards or outwards by fractions of a pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from pipeline.imaging.clipping_path.outline import Polygon
from pipeline.imaging.containers.photoshop_resources import DamagedError

Float = NDArray[np.float64]
# Shape suffixes: H height, W width, P pieces of the outline, Q pixels; 2 is x, y.

_PIECE_PX = 0.5
_ROWS = 512
_PIXELS = 1 << 18
"""The number of pixels that are worked on at a time."""
_MOST_PIECES = 5_000_000


def inset(
    coverage_HW: NDArray[np.float32], polygons: Sequence[Polygon], *, by_px: float
) -> NDArray[np.float32]:
    """The coverage, its edge moved along its normal.

    Each pixel near the edge is given the share that a straight edge would cover at its distance to
    the outline: exact under straight edges; corners that turn away from the move become round.

    Args:
        coverage_HW: [0, 1], of the polygons.
        polygons: the outline; where it leaves the picture, the picture's own border is no edge.
        by_px: inwards; negative: outwards.

    Raises:
        DamagedError: the outline is longer than any drawn by hand.
    """
    moved_HW = coverage_HW.copy()
    if by_px == 0 or not polygons:
        return moved_HW
    reach = int(np.ceil(abs(by_px))) + 2
    start_P2, end_P2 = _pieces(polygons, coverage_HW, reach)
    if not len(start_P2):
        return moved_HW
    from scipy.spatial import cKDTree  # only now: it takes a tenth of a second, and few paths move

    tree = cKDTree((start_P2 + end_P2) / 2)
    for rows, columns in _near((start_P2 + end_P2) / 2, coverage_HW.shape, reach):
        center_Q2 = np.stack([columns, rows], axis=1).astype(np.float64) + 0.5
        offset_Q2, distance_Q = _to_outline(center_Q2, tree, start_P2, end_P2)
        signed_Q = np.where(coverage_HW[rows, columns] >= 0.5, distance_Q, -distance_Q)
        moved_HW[rows, columns] = _half_plane(signed_Q - by_px, offset_Q2)
    return moved_HW


def _pieces(
    polygons: Sequence[Polygon], coverage_HW: NDArray[np.float32], reach: int
) -> tuple[Float, Float]:
    """The edge in pieces of half a pixel: of the outline what is near and parts in from out."""
    height, width = coverage_HW.shape
    starts, ends = [], []
    for polygon in polygons:
        start_V2, end_V2 = polygon.vertices_V2, np.roll(polygon.vertices_V2, -1, axis=0)
        low_V2, high_V2 = np.minimum(start_V2, end_V2), np.maximum(start_V2, end_V2)
        near_V = (low_V2 < (width + reach, height + reach)).all(axis=1)
        near_V &= (high_V2 > -reach).all(axis=1)
        starts.append(start_V2[near_V])
        ends.append(end_V2[near_V])
    start, end = _cropped(np.concatenate(starts), np.concatenate(ends), (height, width), reach)
    counts = np.maximum(np.ceil(np.hypot(*(end - start).T) / _PIECE_PX), 1).astype(np.int64)
    if counts.sum() > _MOST_PIECES:
        raise DamagedError("a path that is longer than any drawn by hand")
    edge = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    step = ((end - start) / counts[:, None])[edge]
    start_P2 = start[edge] + nth[:, None] * step
    parts_P = _parts(start_P2 + step / 2, step, coverage_HW)
    return start_P2[parts_P], (start_P2 + step)[parts_P]


def _cropped(start: Float, end: Float, size_HW: tuple[int, int], reach: int) -> tuple[Float, Float]:
    """Edges without what lies far outside the picture (Liang and Barsky, 1984)."""
    step = end - start
    low, high = np.full(2, -2.0 * reach), np.array(size_HW[::-1]) + 2.0 * reach
    with np.errstate(divide="ignore", invalid="ignore"):
        enter, leave = (low - start) / step, (high - start) / step
    is_level = step == 0
    first = np.where(is_level, 0, np.minimum(enter, leave)).max(axis=1).clip(0, 1)
    last = np.where(is_level, 1, np.maximum(enter, leave)).min(axis=1).clip(0, 1)
    kept = first <= last
    start, step, first, last = start[kept], step[kept], first[kept, None], last[kept, None]
    return start + first * step, start + last * step


def _parts(middle_P2: Float, step_P2: Float, coverage_HW: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether a piece has the product on one side: those inside what is combined have on both."""
    height, width = coverage_HW.shape
    length_P = np.maximum(np.hypot(*step_P2.T), 1e-12)
    normal_P2 = np.stack([-step_P2[:, 1], step_P2[:, 0]], axis=1) / length_P[:, None]
    sides = []
    for away in (-1, 1):
        column, row = np.floor(middle_P2 + away * normal_P2).astype(np.int64).T
        sides.append(coverage_HW[row.clip(0, height - 1), column.clip(0, width - 1)])
    column, row = np.floor(middle_P2).astype(np.int64).T
    is_outside = (column < 0) | (column >= width) | (row < 0) | (row >= height)
    own = coverage_HW[row.clip(0, height - 1), column.clip(0, width - 1)]
    return np.asarray(
        is_outside | (np.abs(sides[0] - sides[1]) > 0.05) | ((own > 0.01) & (own < 0.99))
    )


def _near(
    middle_P2: Float, size_HW: tuple[int, ...], reach: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows and columns of the pixels that the edge's move may change, some at a time."""
    height, width = size_HW
    column_P, row_P = np.floor(middle_P2).astype(np.int64).T + reach
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        here = (row_P >= top) & (row_P < bottom + 2 * reach)
        here &= (column_P >= 0) & (column_P < width + 2 * reach)
        near = np.zeros((bottom - top + 2 * reach, width + 2 * reach), np.uint8)
        near[row_P[here] - top, column_P[here]] = 1
        for axis in (0, 1):
            near = maximum_filter1d(near, 2 * reach + 1, axis=axis, mode="constant")
        rows, columns = np.nonzero(near[reach:-reach, reach:-reach])
        for first in range(0, len(rows), _PIXELS):
            yield rows[first : first + _PIXELS] + top, columns[first : first + _PIXELS]


def _to_outline(center_Q2: Float, tree: Any, start_P2: Float, end_P2: Float) -> tuple[Float, Float]:
    """The way from each pixel's centre to the nearest point of the outline, and its length, px."""
    _, nearest = tree.query(center_Q2, k=min(3, len(start_P2)))
    nearest_Q3 = nearest.reshape(len(center_Q2), -1)
    start, step = start_P2[nearest_Q3], (end_P2 - start_P2)[nearest_Q3]
    way = center_Q2[:, None] - start
    along = (way * step).sum(axis=-1) / np.maximum((step**2).sum(axis=-1), 1e-18)
    offset = way - along.clip(0, 1)[..., None] * step
    distance = np.hypot(offset[..., 0], offset[..., 1])
    best = np.arange(len(center_Q2)), distance.argmin(axis=1)
    distance_Q, offset_Q2 = distance[best], offset[best]
    # On the edge itself, the way there has no direction: the edge's own tells it.
    on_edge_Q = distance_Q < 1e-6
    step_Q2 = step[best][on_edge_Q]
    offset_Q2[on_edge_Q] = np.stack([-step_Q2[:, 1], step_Q2[:, 0]], axis=1)
    return offset_Q2, distance_Q


def _half_plane(inside_Q: Float, normal_Q2: Float) -> Float:
    """The share of a pixel that a straight edge covers.

    Args:
        inside_Q: distance of its centre to the edge, px; positive where the centre is covered.
        normal_Q2: the edge's normal, of any length and sign.
    """
    across = np.abs(normal_Q2) / np.maximum(np.hypot(*normal_Q2.T), 1e-18)[:, None]
    longer, shorter = across.max(axis=1), across.min(axis=1)
    # How far the edge is from the corner that it cuts off, and the area of what it cuts off there.
    deep = np.maximum((longer + shorter) / 2 - np.abs(inside_Q), 0)
    triangle = deep**2 / np.maximum(2 * longer * shorter, 1e-18)
    cut_off = np.where(deep < shorter, triangle, (deep - shorter / 2) / longer)
    return np.asarray(np.where(inside_Q > 0, 1 - cut_off, cut_off))
