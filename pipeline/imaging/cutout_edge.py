"""Where a cut-out's soft edge says what its colours are: between the product and nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from pipeline.imaging.color import unit
from pipeline.imaging.tiles import Tile

# Shape suffixes: H height, W width, C colour channel, N pixels.

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

NEAR_PX = 21
"""Side of the square in which pure product, pure ground and shadows are looked for."""
_FEWEST_NEAR = 5

_STEEP_PX = 9
"""Side of the square in which an edge goes from the product to nothing."""
_PRODUCT, _NOTHING = 0.95, 0.02
_LARGE_SHARE = 0.1
"""Of what is soft, the part that steep edges must be; else it is a feathered outline."""

_FLAT_PX = 5
_FAINT = 0.6
"""Coverage that a shadow does not reach."""
_SAME = 4
"""Levels by which a shadow's colour may vary: it has one, whatever its coverage."""
_OTHER = 24
"""Levels by which it must differ from the product's nearby."""


def edge_beside_product(
    rgb_HWC: NDArray[np.uint8], alpha_HW: Float, soft_HW: Mask, tiles: list[Tile], *, fewest: int
) -> Mask:
    """The pixels of the soft edge with the product on one side, nothing on the other, no shadow.

    A shadow that is part of a cut-out is faint, of one colour, and wide. Between it and the product
    straight colours go from the one's to the other's, as they would if they were mixed with it.

    If too few edges are steep, as with feathered outlines, it is all that is soft but for shadows.

    Args:
        rgb_HWC: as the file has it, sRGB.
        alpha_HW: as the file has it, [0, 1].
        soft_HW: where it is neither the product nor nothing.
        tiles: the parts to look at.
        fewest: pixels that will do.
    """
    clear_HW, steep_HW = np.zeros_like(soft_HW), np.zeros_like(soft_HW)
    for tile in tiles:
        near, inner = tile.widened(NEAR_PX, alpha_HW.shape)
        given_HW = alpha_HW[near]
        at_HW = soft_HW[tile.region]
        shadow_HW = _shadow(rgb_HWC[near], given_HW)
        if shadow_HW.any():
            at_HW = at_HW & ~maximum_filter(shadow_HW, NEAR_PX)[inner]
        clear_HW[tile.region] = at_HW
        highest_HW = maximum_filter(given_HW, _STEEP_PX)[inner]
        lowest_HW = minimum_filter(given_HW, _STEEP_PX)[inner]
        steep_HW[tile.region] = at_HW & (highest_HW >= _PRODUCT) & (lowest_HW <= _NOTHING)
    enough = max(fewest, _LARGE_SHARE * np.count_nonzero(clear_HW))
    return steep_HW if np.count_nonzero(steep_HW) >= enough else clear_HW


def _shadow(rgb_HWC: NDArray[np.uint8], alpha_HW: Float) -> Mask:
    """Faint pixels among faint ones of the same colour, which is not the product's nearby."""
    lowest_HW, highest_HW = minimum_filter(alpha_HW, _FLAT_PX), maximum_filter(alpha_HW, _FLAT_PX)
    flat_HW: Mask = np.asarray((lowest_HW > _NOTHING) & (highest_HW < _FAINT), dtype=np.bool_)
    for channel in range(3):
        if not flat_HW.any():
            return flat_HW
        plane_HW = rgb_HWC[..., channel]
        varies_HW = maximum_filter(plane_HW, _FLAT_PX) - minimum_filter(plane_HW, _FLAT_PX)
        flat_HW &= varies_HW <= _SAME
    if flat_HW.any():
        seen_HWC = unit(rgb_HWC)
        away_N3 = seen_HWC[flat_HW] - mean_color(seen_HWC, alpha_HW >= 0.98, flat_HW)
        flat_HW[flat_HW] = ~(np.abs(away_N3).max(axis=1) < _OTHER / 255)
    return flat_HW


def mean_color(seen_HWC: Float, mask_HW: Mask, at_HW: Mask) -> Float:
    """Mean colour of the masked pixels around some others; NaN where there are too few."""
    weight_HW = mask_HW.astype(np.float32)
    share_N = uniform_filter(weight_HW, NEAR_PX, mode="constant")[at_HW]
    share_N[share_N * NEAR_PX**2 < _FEWEST_NEAR] = np.nan
    planes = (
        uniform_filter(seen_HWC[..., channel] * weight_HW, NEAR_PX, mode="constant")[at_HW]
        for channel in range(3)
    )
    return np.stack([plane_N / share_N for plane_N in planes], axis=-1)
