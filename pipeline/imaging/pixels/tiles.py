"""The squares of a picture in which something happens: outlines are thin, photographs large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width.

Region = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of pixels; those of one picture do not overlap."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def region(self) -> Region:
        """The slices that index a picture's rows and columns in this tile."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def widened(self, margin_px: int, shape: tuple[int, ...]) -> tuple[Region, Region]:
        """The tile with its surroundings, and where in that it lies itself.

        Args:
            margin_px: on each side, as far as the picture goes.
            shape: of the picture: height, width and whatever else.
        """
        top, left = max(0, self.top - margin_px), max(0, self.left - margin_px)
        bottom = min(shape[0], self.bottom + margin_px)
        right = min(shape[1], self.right + margin_px)
        inner = slice(self.top - top, self.bottom - top), slice(self.left - left, self.right - left)
        return (slice(top, bottom), slice(left, right)), inner

    def around(self, mask_HW: NDArray[np.bool_]) -> Tile:
        """The part of the tile that holds all of the mask that it holds, which must be some."""
        held_HW = mask_HW[self.region]
        rows = np.flatnonzero(held_HW.any(axis=1))
        columns = np.flatnonzero(held_HW.any(axis=0))
        return Tile(
            top=self.top + int(rows[0]),
            left=self.left + int(columns[0]),
            bottom=self.top + int(rows[-1]) + 1,
            right=self.left + int(columns[-1]) + 1,
        )


def tiles_with(mask_HW: NDArray[np.bool_], *, side_px: int) -> list[Tile]:
    """The tiles of a grid that hold any of the mask, row by row."""
    height, width = mask_HW.shape
    tops, lefts = range(0, height, side_px), range(0, width, side_px)
    by_row = np.logical_or.reduceat(mask_HW, tops, axis=0)
    occupied = np.logical_or.reduceat(by_row, lefts, axis=1)
    return [
        Tile(tops[y], lefts[x], min(tops[y] + side_px, height), min(lefts[x] + side_px, width))
        for y, x in np.argwhere(occupied).tolist()
    ]
