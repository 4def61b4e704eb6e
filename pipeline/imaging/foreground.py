"""The foreground's own colour where the photograph shows it mixed with the old background."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.blur_fusion import blur_fusion
from pipeline.imaging.color import unit

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_NEGLIGIBLE_ALPHA = 0.5 / 255
"""Below half an 8-bit step a pixel of foreground cannot show in the composite."""

_CONTEXT_PX = 16
"""Background kept around the foreground, for the estimate to tell the two apart at its border."""

ForegroundSolver = Callable[[Float, Float], Float]
"""From a photograph (HWC, [0, 1]) and its alpha (HW) to the foreground's colour (HWC, [0, 1])."""


def multilevel(observed_HWC: Float, alpha_HW: Float) -> Float:
    """Solve for both colours, smooth where alpha is not, from coarse to fine.

    Germer et al. 2020, "Fast multi-level foreground estimation", arXiv 2006.14970.
    """
    # Imported late: pymatting compiles its kernels on first import, which takes tens of seconds on
    # a machine that has no cache of them yet.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    return np.asarray(estimate_foreground_ml(observed_HWC, alpha_HW), dtype=np.float32)


def estimate_foreground(
    rgb_HWC: NDArray[np.uint8], alpha_HW: Float, *, solver: ForegroundSolver = blur_fusion
) -> Float:
    """Estimate the pure foreground colour of a photograph under its alpha.

    A pixel of the transition band shows `alpha * foreground + (1 - alpha) * background`. Pasting
    that mixture elsewhere carries a rim of the old background along: the halo.

    Only the rectangle around the foreground is solved. That starts the coarsest levels from other
    means than the whole picture would; on average that moves the composite by less than half an
    8-bit step.

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
    box = _foreground_box(alpha_HW)
    if box is None or alpha_HW[box].shape == (1, 1):
        return unit(rgb_HWC)  # nothing to estimate, or nothing around to estimate it from
    # The whole picture in floats is made after the solver, which takes the most memory of all.
    solved_HWC = solver(unit(rgb_HWC[box]), np.ascontiguousarray(alpha_HW[box]))
    foreground_HWC = unit(rgb_HWC)
    mixed_HW = (alpha_HW[box] > _NEGLIGIBLE_ALPHA) & (alpha_HW[box] < 1)
    foreground_HWC[box][mixed_HW] = solved_HWC[mixed_HW]
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
