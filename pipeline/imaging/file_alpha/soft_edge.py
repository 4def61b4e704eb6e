"""The part of a cut-out's soft edge that says what its colours are, and the colours around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from pipeline.imaging.compositing.solid_colors import Rgb8
from pipeline.imaging.pixels.color import unit
from pipeline.imaging.pixels.tiles import Tile, tiles_with

# Shape suffixes: H height, W width, C colour channel, N pixels.

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

_NEAR_PX = 21
"""Side of the square in which pure product, pure ground and shadows are looked for."""
_FEWEST_NEAR = 5

_SOFT = (0.05, 0.95)
"""Coverage between which a pixel of the edge says something of its colours."""
FEWEST_SOFT = 32
"""Pixels of an edge, below which nothing is made of it."""

_TILE_PX = 64
_PATCH_PX = 16
"""Side of the squares over which colours of the edge are averaged: texture evens out."""
_PATCHES = _TILE_PX // _PATCH_PX
_MOST_TILES = 64
"""Looked at, evenly spread: what is asked is the same along the whole outline."""

_CONSTANT = 2 / 255
"""Spread (10th to 90th percentile) of hidden pixels that were painted over, not photographed."""

_STEEP_PX = 9
"""Side of the square in which an edge goes from the product to nothing."""
_PRODUCT, _NOTHING = 0.95, 0.02
_LARGE_SHARE = 0.1
"""The least share of the soft pixels that lie on steep edges, [0, 1]; with fewer the outline is
feathered."""

_FLAT_PX = 5
_FAINT = 0.6
"""Coverage that a shadow does not reach."""
_SAME = 4
"""Levels by which a shadow's colour may vary: it has one, whatever its coverage."""
_OTHER = 24
"""Levels by which it must differ from the product's nearby."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """Pixels of the soft edge, and the pure colours around each; NaN where there are none."""

    observed_N3: Float
    alpha_N: Float
    product_N3: Float
    ground_N3: Float
    patch_N: NDArray[np.intp]
    """The small patch of the picture that each pixel lies in, by number."""
    hidden_N3: Float
    """Pixels that alpha hides, near the edge: not those of the edge."""
    rgb_HWC: NDArray[np.uint8]
    alpha_HW: Float
    at_HW: Mask
    """The pixels of the picture that the edge consists of."""
    tiles: list[Tile]
    """The parts of the picture that were looked at."""
    share: float
    """The part that the edge is of all that is soft there; the rest is shadows, or lies beside
    them."""

    @classmethod
    def of(cls, rgb_HWC: NDArray[np.uint8], alpha_HW: Float) -> Edge:
        """Find it: between the product and nothing, away from shadows.

        A square of 64 px at a time, at most 64 of them, whatever the size of the picture.

        Args:
            rgb_HWC: as the file has it, sRGB.
            alpha_HW: as the file has it, [0, 1].
        """
        soft_HW = (alpha_HW > _SOFT[0]) & (alpha_HW < _SOFT[1])
        tiles = _spread(tiles_with(soft_HW, side_px=_TILE_PX))
        edge_HW = _beside_product(rgb_HWC, alpha_HW, soft_HW, tiles)
        parts: list[list[Float]] = [[], [], [], [], []]
        patches: list[NDArray[np.intp]] = [np.empty(0, dtype=np.intp)]
        for tile in tiles:
            near, inner = tile.widened(_NEAR_PX // 2, alpha_HW.shape)
            at_HW = np.zeros(alpha_HW[near].shape, dtype=np.bool_)
            at_HW[inner] = edge_HW[tile.region]
            seen_HWC, given_HW = unit(rgb_HWC[near]), alpha_HW[near]
            found = (
                seen_HWC[at_HW],
                given_HW[at_HW],
                _mean_color(seen_HWC, given_HW >= 0.98, at_HW),
                _mean_color(seen_HWC, given_HW <= 0, at_HW),
                seen_HWC[given_HW <= 0][::7],
            )
            for part, values in zip(parts, found, strict=True):
                part.append(values)
            y_N, x_N = np.nonzero(edge_HW[tile.region])
            first = (len(patches) - 1) * _PATCHES**2
            patches.append(first + y_N // _PATCH_PX * _PATCHES + x_N // _PATCH_PX)
        shapes = ((0, 3), (0,), (0, 3), (0, 3), (0, 3))
        joined = [
            np.concatenate([np.empty(shape, dtype=np.float32), *part])
            for shape, part in zip(shapes, parts, strict=True)
        ]
        observed_N3, alpha_N, product_N3, ground_N3, hidden_N3 = joined
        return cls(
            observed_N3=observed_N3,
            alpha_N=alpha_N,
            product_N3=product_N3,
            ground_N3=ground_N3,
            patch_N=np.concatenate(patches),
            hidden_N3=hidden_N3,
            rgb_HWC=rgb_HWC,
            alpha_HW=alpha_HW,
            at_HW=edge_HW,
            tiles=tiles,
            share=len(alpha_N) / max(1, sum(int(soft_HW[tile.region].sum()) for tile in tiles)),
        )

    def __len__(self) -> int:
        return len(self.alpha_N)

    @property
    def painted(self) -> Rgb8 | None:
        """The one colour of all that alpha hides; None: there are several, or nothing is hidden."""
        if not len(self.hidden_N3):
            return None
        low, middle, high = np.percentile(self.hidden_N3, (10, 50, 90), axis=0)
        if (high - low).max() > _CONSTANT:
            return None
        red, green, blue = (int(level) for level in np.round(middle * 255))
        return red, green, blue

    @property
    def shows_ground(self) -> bool:
        """Whether something that may be the old background is seen where alpha is 0."""
        return bool(len(self.hidden_N3)) and self.painted is None


def _beside_product(
    rgb_HWC: NDArray[np.uint8], alpha_HW: Float, soft_HW: Mask, tiles: list[Tile]
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
    """
    clear_HW, steep_HW = np.zeros_like(soft_HW), np.zeros_like(soft_HW)
    for tile in tiles:
        near, inner = tile.widened(_NEAR_PX, alpha_HW.shape)
        given_HW = alpha_HW[near]
        at_HW = soft_HW[tile.region]
        shadow_HW = _shadow(rgb_HWC[near], given_HW)
        if shadow_HW.any():
            at_HW = at_HW & ~maximum_filter(shadow_HW, _NEAR_PX)[inner]
        clear_HW[tile.region] = at_HW
        highest_HW = maximum_filter(given_HW, _STEEP_PX)[inner]
        lowest_HW = minimum_filter(given_HW, _STEEP_PX)[inner]
        steep_HW[tile.region] = at_HW & (highest_HW >= _PRODUCT) & (lowest_HW <= _NOTHING)
    enough = max(FEWEST_SOFT, _LARGE_SHARE * np.count_nonzero(clear_HW))
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
        away_N3 = seen_HWC[flat_HW] - _mean_color(seen_HWC, alpha_HW >= 0.98, flat_HW)
        flat_HW[flat_HW] = ~(np.abs(away_N3).max(axis=1) < _OTHER / 255)
    return flat_HW


def _mean_color(seen_HWC: Float, mask_HW: Mask, at_HW: Mask) -> Float:
    """Mean colour of the masked pixels around some others; NaN where there are too few."""
    weight_HW = mask_HW.astype(np.float32)
    share_N = uniform_filter(weight_HW, _NEAR_PX, mode="constant")[at_HW]
    share_N[share_N * _NEAR_PX**2 < _FEWEST_NEAR] = np.nan
    planes = (
        uniform_filter(seen_HWC[..., channel] * weight_HW, _NEAR_PX, mode="constant")[at_HW]
        for channel in range(3)
    )
    return np.stack([plane_N / share_N for plane_N in planes], axis=-1)


def _spread(tiles: list[Tile]) -> list[Tile]:
    step = -(-len(tiles) // _MOST_TILES)
    return tiles[::step] if tiles else tiles


def mean_difference(observed_N3: Float, expected_N3: Float) -> float:
    """Infinite where nothing is expected anywhere."""
    difference_N3 = np.abs(observed_N3 - expected_N3)
    known_N3 = difference_N3[~np.isnan(difference_N3)]
    return float(known_N3.mean()) if known_N3.size else float("inf")
