"""Working on a large picture in overlapping tiles, where anything is to be done at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width (h, w of a tile).

Float = NDArray[np.float32]
Window = tuple[slice, slice]
"""Rows and columns."""


def tiles_over(wanted_HW: NDArray[np.bool_], *, side_px: int, overlap_px: int) -> list[Window]:
    """Windows of one size that together cover every wanted pixel.

    The rectangle around the wanted pixels, widened by `overlap_px` so that what is solved sees
    around itself, is cut into a grid; windows in which nothing is wanted are left out.

    Args:
        wanted_HW: what has to be covered.
        side_px: largest side of a window.
        overlap_px: how far neighbours overlap at least.

    Returns:
        Windows inside the picture, all of the same size, in reading order; none if nothing is
        wanted.
    """
    spans = []
    for axis in (0, 1):
        at = np.flatnonzero(wanted_HW.any(axis=1 - axis))
        if at.size == 0:
            return []
        first = max(0, int(at[0]) - overlap_px)
        stop = min(wanted_HW.shape[axis], int(at[-1]) + 1 + overlap_px)
        spans.append(_steps(first, stop, side_px=side_px, overlap_px=overlap_px))
    return [(rows, cols) for rows in spans[0] for cols in spans[1] if wanted_HW[rows, cols].any()]


def blend(
    shape_HW: tuple[int, int], windows: Sequence[Window], values: Sequence[Float], *, ramp_px: int
) -> Float:
    """Put tiles back where they came from; where they overlap, fade from one to the next.

    Args:
        shape_HW: of the picture.
        windows: as given by `tiles_over`.
        values: one HW array per window, of its size.
        ramp_px: length of the fade, at most the overlap.

    Returns:
        The picture; 0 where no window lies.
    """
    total_HW = np.zeros(shape_HW, dtype=np.float32)
    weight_HW = np.zeros(shape_HW, dtype=np.float32)
    for window, value_hw in zip(windows, values, strict=True):
        height, width = value_hw.shape
        ramp_hw = np.outer(_ramp(height, ramp_px), _ramp(width, ramp_px))
        total_HW[window] += ramp_hw * value_hw
        weight_HW[window] += ramp_hw
    return np.divide(total_HW, weight_HW, out=total_HW, where=weight_HW > 0)


def _steps(first: int, stop: int, *, side_px: int, overlap_px: int) -> list[slice]:
    """Equal spans that cover [first, stop), spread evenly."""
    length = stop - first
    if length <= side_px:
        return [slice(first, stop)]
    count = -(-(length - overlap_px) // (side_px - overlap_px))
    starts = np.linspace(first, stop - side_px, count).round().astype(int)
    return [slice(int(start), int(start) + side_px) for start in starts]


def _ramp(length: int, ramp_px: int) -> Float:
    """1 in the middle, falling towards both ends, never 0: a lone tile must keep its values."""
    from_end = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1
    return np.minimum(from_end / (ramp_px + 1), 1).astype(np.float32)
