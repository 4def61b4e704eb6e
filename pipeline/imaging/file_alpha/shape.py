"""Whether the shape that an alpha channel shows can be a product's, or is the frame's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import find_objects, label

# Shape suffixes: H height, W width; h and w, of a coarser picture.

Float = NDArray[np.float32]

_LOOKED_AT_PX = 512
"""Longer side at which the shape is looked at."""
_LEAST_HIDDEN = 0.015
"""Share of the picture: a strip, a border, small corners or stray pixels hide less."""
_CONVEX = 0.985
"""Share of its convex hull that a shape fills. Rectangles, rounded and turned ones and ellipses:
0.994 and more; of 24 products, one apricot did (0.993), the next was a tractor (0.955)."""
_FILLS_BOX = 0.9
"""Share of its own upright rectangle that a shape fills: perforated, torn and stitched frames do,
and of 24 products none (the fullest, 0.79)."""
_QUADRILATERAL = 0.985
"""Share of a convex shape that its four corners enclose, for it to have no more than these."""
_ASKEW = 0.04
"""Radians between opposite sides, from which a rectangle was seen in perspective."""
_FOUR = 4
_FEWEST_FOR_HULL = 64
"""Pixels at that size."""
_SMALL = 0.01
"""Share of all that is opaque; smaller pieces do not count."""
_FOLLOWS_FRAME = 0.45
"""Share of the frame's sides that are opaque: rounded corners leave 0.5 and more."""


class ShapeKind(StrEnum):
    """The kinds of shape that an alpha channel may have."""

    PRODUCT = auto()
    """An outline that no frame has: not convex, or a rectangle in perspective."""
    NOTHING_HIDDEN = auto()
    """No outline: next to nothing is hidden, or everything is as faint as everything else."""
    FILLS_FRAME = auto()
    """Convex or nearly rectangular, and reaching the frame on all sides: rounded corners, an
    ellipse, a turned or stitched photograph; or something round that was cropped tightly."""
    WITHIN_MARGIN = auto()
    """A rectangle with a margin on one side at least: a padded or perforated photograph, or a box,
    a book, a ball."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The shape that an alpha channel shows."""

    kind: ShapeKind
    box: tuple[slice, slice]
    """Rows and columns that hold anything more than faint."""


def shape_of(alpha_HW: Float) -> Shape:
    """Look at the shape of what is opaque; some 10 ms a megapixel.

    Args:
        alpha_HW: coverage, [0, 1].
    """
    solid_HW = alpha_HW > 0.5
    rows, columns = np.flatnonzero(solid_HW.any(axis=1)), np.flatnonzero(solid_HW.any(axis=0))
    if not rows.size:
        seen = alpha_HW > 0
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        return Shape(kind=ShapeKind.PRODUCT, box=(slice(0, 0), slice(0, 0)))
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    kind = _kind(alpha_HW, solid_HW, box)
    return Shape(kind=kind, box=box)


def _kind(alpha_HW: Float, solid_HW: NDArray[np.bool_], box: tuple[slice, slice]) -> ShapeKind:
    height, width = alpha_HW.shape
    hidden = 1 - float(solid_HW.mean())
    if hidden < _LEAST_HIDDEN or float((alpha_HW < 0.1 * alpha_HW.max()).mean()) < 0.001:
        return ShapeKind.NOTHING_HIDDEN
    sides = np.concatenate([solid_HW[0], solid_HW[-1], solid_HW[:, 0], solid_HW[:, -1]])
    follows_frame = float(sides.mean()) > _FOLLOWS_FRAME
    fills_box = float(solid_HW[box].mean()) > _FILLS_BOX
    if not (follows_frame or fills_box) and _convexity(alpha_HW) < _CONVEX:
        return ShapeKind.PRODUCT
    reach = max(2, max(height, width) // 200)
    reaches = (
        box[0].start <= reach
        and box[1].start <= reach
        and box[0].stop >= height - reach
        and box[1].stop >= width - reach
    )
    if reaches or follows_frame:
        return ShapeKind.FILLS_FRAME
    return ShapeKind.PRODUCT if _in_perspective(alpha_HW[box]) else ShapeKind.WITHIN_MARGIN


def _in_perspective(alpha_HW: Float) -> bool:
    """Whether a shape is a rectangle seen from the side: a box or a book, and no frame."""
    solid_hw = _coarse(alpha_HW)
    y, x = np.nonzero(solid_hw)
    if len(y) < _FEWEST_FOR_HULL or np.ptp(y) == 0 or np.ptp(x) == 0:
        return False
    hull = _hull(np.stack([x, y], axis=1).astype(np.float64))
    corners = hull.points[hull.vertices]
    while len(corners) > _FOUR:
        before, after = (
            np.roll(corners, 1, axis=0) - corners,
            np.roll(corners, -1, axis=0) - corners,
        )
        cut_off = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
        corners = np.delete(corners, cut_off.argmin(), axis=0)
    if len(corners) < _FOUR or _hull(corners).volume < _QUADRILATERAL * hull.volume:
        return False
    sides = np.roll(corners, -1, axis=0) - corners
    angles = np.arctan2(sides[:, 1], sides[:, 0])
    between = np.abs((angles[:2] - angles[2:]) % (2 * np.pi) - np.pi)
    return bool(between.max() > _ASKEW)


def _coarse(alpha_HW: Float) -> NDArray[np.bool_]:
    """The opaque pixels, at the coarse size at which shapes are looked at."""
    factor = -(-max(alpha_HW.shape) // _LOOKED_AT_PX)
    return np.asarray(Image.fromarray(np.ascontiguousarray(alpha_HW)).reduce(factor)) > 0.5


def _convexity(alpha_HW: Float) -> float:
    """The share of their convex hulls that the opaque pieces fill, all together."""
    solid_hw = _coarse(alpha_HW)
    pieces_hw, _ = label(solid_hw)
    area, hull_area = 0, 0.0
    for number, region in enumerate(find_objects(pieces_hw), start=1):
        piece_hw = pieces_hw[region] == number
        size = int(piece_hw.sum())
        if size >= _SMALL * solid_hw.sum():
            area += size
            hull_area += _hull_area(piece_hw)
    return area / hull_area if hull_area else 0.0


def _hull_area(piece_hw: NDArray[np.bool_]) -> float:
    """The area of the convex hull of a piece's pixels, px; only the ends of rows can touch it."""
    y = np.arange(len(piece_hw))
    left, right = piece_hw.argmax(axis=1), piece_hw.shape[1] - piece_hw[:, ::-1].argmax(axis=1)
    corners = [np.stack([x, y + below], axis=1) for x in (left, right) for below in (0, 1)]
    return float(_hull(np.concatenate(corners)).volume)


def _hull(corners: NDArray[Any]) -> Any:
    from scipy.spatial import ConvexHull  # only now: it takes a tenth of a second to load

    return ConvexHull(corners)
