"""The foreground's own colour where the photograph shows it mixed with the old background."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.compositing.blur_fusion import REACH_PX, blur_fusion
from pipeline.imaging.pixels.color import unit
from pipeline.imaging.pixels.tiles import Tile, tiles_with

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_NEGLIGIBLE_ALPHA = 0.5 / 255
"""Half an 8-bit step: foreground of less coverage cannot show in the composite."""

_CONTEXT_PX = 16
"""Background kept around the foreground, for the estimate to tell the two apart at its border."""

Solve = Callable[[Float, Float, Tile], Float]
"""A function that takes a photograph (HWC, [0, 1]), its alpha (HW) and a tile, and returns the
foreground's colour in that tile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solver:
    """A method that estimates the foreground's colour."""

    solve: Solve
    reach_px: int | None
    """The distance in px beyond which nothing has a part in a pixel's colour; None: everything has.
    """
    tile_px: int = 256
    """Side of the tiles that are solved one at a time, if it has a reach."""


BLUR_FUSION = Solver(solve=blur_fusion, reach_px=REACH_PX)


def estimate_foreground(
    rgb_HWC: NDArray[np.uint8], alpha_HW: Float, *, solver: Solver = BLUR_FUSION
) -> Float:
    """Estimate the pure foreground colour of a photograph under its alpha.

    A pixel of the transition band shows `alpha * foreground + (1 - alpha) * background`. Pasting
    that mixture elsewhere carries a rim of the old background along: the halo.

    With a solver that has a reach, only tiles that hold mixed pixels are solved, one at a time,
    each with its surroundings: that gives what solving the whole picture would, to the bit, and
    takes as much memory whatever the picture's size. With another, the rectangle around the
    foreground is solved. That starts the coarsest levels of `multilevel` from other means than the
    whole picture would; on average it moves the composite by less than half an 8-bit step.

    Args:
        rgb_HWC: the photograph, sRGB, uint8. Solved as encoded: see `composite.over`.
        alpha_HW: coverage, [0, 1], same height and width.
        solver: the method.

    Returns:
        Straight (not premultiplied) sRGB-encoded colour, [0, 1]. Where alpha is 1 it is the
        photograph's own pixel, exactly `rgb / 255`; where alpha is next to 0 nothing is estimated
        and it is the photograph's too.

    Raises:
        ValueError: the two sizes differ.
    """
    if rgb_HWC.shape != (*alpha_HW.shape, 3):
        raise ValueError(f"image {rgb_HWC.shape} does not fit an alpha of {alpha_HW.shape}")
    mixed_HW = (alpha_HW > _NEGLIGIBLE_ALPHA) & (alpha_HW < 1)
    if solver.reach_px is None:
        return _in_one(rgb_HWC, alpha_HW, mixed_HW, solver.solve)
    foreground_HWC = unit(rgb_HWC)
    for tile in _tiles(mixed_HW, solver.tile_px):
        around, inner = tile.widened(solver.reach_px, alpha_HW.shape)
        place = Tile(inner[0].start, inner[1].start, inner[0].stop, inner[1].stop)
        solved_HWC = solver.solve(unit(rgb_HWC[around]), alpha_HW[around], place)
        mixed = mixed_HW[tile.region]
        foreground_HWC[tile.region][mixed] = solved_HWC[mixed]
    return foreground_HWC


def _tiles(mixed_HW: NDArray[np.bool_], side_px: int) -> Iterator[Tile]:
    """Tiles that hold all the mixed pixels: outlines are thin, so most shrink to a strip."""
    for tile in tiles_with(mixed_HW, side_px=side_px):
        yield tile.around(mixed_HW)


def _in_one(
    rgb_HWC: NDArray[np.uint8], alpha_HW: Float, mixed_HW: NDArray[np.bool_], solve: Solve
) -> Float:
    box = _foreground_box(alpha_HW)
    if box is None or alpha_HW[box].shape == (1, 1):
        return unit(rgb_HWC)  # nothing to estimate, or nothing around to estimate it from
    # The whole picture in floats is made after the solver, which takes the most memory of all.
    alpha = np.ascontiguousarray(alpha_HW[box])
    solved_HWC = solve(unit(rgb_HWC[box]), alpha, Tile(0, 0, *alpha.shape))
    foreground_HWC = unit(rgb_HWC)
    mixed = mixed_HW[box]
    foreground_HWC[box][mixed] = solved_HWC[mixed]
    return foreground_HWC


def _foreground_box(alpha_HW: Float) -> tuple[slice, slice] | None:
    """Rows and columns that hold any foreground, with context; None where there is none."""
    present_HW = alpha_HW > _NEGLIGIBLE_ALPHA
    spans: list[slice] = []
    for axis in (1, 0):
        at = np.flatnonzero(present_HW.any(axis=axis))
        if at.size == 0:
            return None
        spans.append(slice(max(0, int(at[0]) - _CONTEXT_PX), int(at[-1]) + 1 + _CONTEXT_PX))
    return spans[0], spans[1]
