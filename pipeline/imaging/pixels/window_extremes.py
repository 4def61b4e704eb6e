"""Smallest and largest values in a window, by doubling: few passes, however wide it is."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width.

Plane = TypeVar("Plane", bound=NDArray[Any])


def extreme(plane_HW: Plane, radius_px: int, kind: Literal["min", "max"]) -> Plane:
    """The minimum or maximum over the square window around each pixel.

    The extreme of a window of `2n` is that of two windows of `n`; what is missing to an odd width
    is a window that overlaps. scipy.ndimage gives the same numbers and looks at one pixel at a
    time: for windows of 5 px this is three times as fast.

    Args:
        plane_HW: any ordered dtype.
        radius_px: the window is `2 * radius_px + 1` px wide; beyond the frame the edge repeats.
        kind: which.

    Returns:
        Same shape and dtype.
    """
    for axis in (0, 1):
        plane_HW = _along(plane_HW, radius_px, np.minimum if kind == "min" else np.maximum, axis)
    return plane_HW


def _along(plane_HW: Any, radius_px: int, better: np.ufunc, axis: int) -> Any:
    if radius_px == 0:
        return plane_HW
    margins = [(0, 0), (0, 0)]
    margins[axis] = (radius_px, radius_px)
    found_HW = np.pad(plane_HW, margins, mode="edge")
    width = 1
    while 2 * width <= 2 * radius_px + 1:
        found_HW = _joined(found_HW, width, better, axis)
        width *= 2
    missing = 2 * radius_px + 1 - width
    return _joined(found_HW, missing, better, axis) if missing else found_HW


def _joined(plane_HW: Any, step: int, better: np.ufunc, axis: int) -> Any:
    """Each value with the one `step` further."""
    if axis == 0:
        return better(plane_HW[:-step], plane_HW[step:])
    return better(plane_HW[:, :-step], plane_HW[:, step:])
