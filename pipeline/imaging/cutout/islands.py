"""Small pieces of foreground that belong to nothing: networks leave crumbs on busy grounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

# Shape suffixes: H height, W width.

Float = NDArray[np.float32]

_PRESENT = 0.5 / 255
"""Half an 8-bit step: a pixel of less coverage is not part of any piece."""

_TOUCHING = np.ones((3, 3), dtype=np.int8)
"""Corners count as touching, or thin slanting parts would fall to pieces."""


def drop_islands(alpha_HW: Float, *, min_area: float) -> Float:
    """Clear pieces of foreground that together cover less than a stated area.

    A piece is what hangs together at any coverage at all, so a thin strap that fades to a few per
    cent still ties its buckle to the bag. Holes are not touched: the inside of a ring or a handle
    is background, however small. The largest piece always stays.

    Args:
        alpha_HW: coverage, [0, 1].
        min_area: smallest area kept (the sum of alpha), as a fraction of the picture; 0 keeps all.

    Returns:
        Coverage, same height and width; 0 where a piece was dropped, unchanged elsewhere.
    """
    if min_area <= 0:
        return alpha_HW
    pieces_HW, num_pieces = label(alpha_HW > _PRESENT, structure=_TOUCHING)
    if num_pieces < 2:
        return alpha_HW
    areas_px = np.bincount(pieces_HW.ravel(), weights=alpha_HW.ravel())
    kept = areas_px >= min_area * alpha_HW.size
    kept[1 + int(areas_px[1:].argmax())] = True
    kept[0] = True  # the ground between the pieces
    return np.where(kept[pieces_HW], alpha_HW, np.float32(0))
