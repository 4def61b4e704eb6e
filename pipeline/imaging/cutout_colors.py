"""What the colours of a cut-out's soft edge are: the product's own, or mixed with something."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.imaging.color import unit
from pipeline.imaging.solid import Rgb8, hex_of
from pipeline.imaging.tiles import Tile, tiles_with

# Shape suffixes: H height, W width, C colour channel, N pixels.

Float = NDArray[np.float32]

_BLACK: Rgb8 = (0, 0, 0)
_WHITE: Rgb8 = (255, 255, 255)

_SOFT = (0.05, 0.95)
"""Coverage between which a pixel of the edge says something of its colours."""
_CERTAIN = 0.1
"""Coverage below which 8-bit colours that were divided by it are mostly rounding."""
_FEWEST_SOFT = 32

_TILE_PX = 64
_MOST_TILES = 64
"""Looked at, evenly spread: what is asked is the same along the whole outline."""
_NEAR_PX = 21
"""Side of the square in which pure product and pure ground are looked for."""
_FEWEST_NEAR = 5
_SMALL_PX = 7
"""Side of the square in which colour is held against coverage."""

_TOLERANCE = 4 / 255
"""How far out of reach a colour may be for rounding and a lossy codec's noise."""
_MOST_OUT_OF_REACH = 0.015
_OUT_OF_REACH_IF_LOSSY = (0.25, 0.12)
"""More of it may be a lossy codec's noise: up to this share of what straight colours would have out
of reach, and up to this share of the edge."""
_OUT_OF_REACH_IF_STRAIGHT = 0.05
"""Share of the edge that the product's colour nearby would put out of reach, for that to count."""
_CONSTANT = 2 / 255
"""Spread (10th to 90th percentile) of hidden pixels that were painted over, not photographed."""

_FOLLOWS_HIDDEN = 0.58
"""Share of the variance that coverage explains, above which the edge is mixed with what is seen
around it: 0.09 to 0.77 of 24 cut-outs with clean colours, 0.53 to 0.97 of 24 photographs."""
_FOLLOWS_MATTED = 0.55
"""The same of the edge alone, once its matte colour is taken out. What is black under alpha 0 is
most often a network's cut-out, which was multiplied with its photograph."""
_FOLLOWS_STRAIGHT = 0.85
"""The same without a matte colour. Studios deliver straight colours: it takes more to be sure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutoutColors:
    """What has to be undone to have the product's own colours, which then are straight."""

    matte: Rgb8 | None = None
    """A colour they were laid over as `alpha * color + (1 - alpha) * matte`, 8-bit sRGB. Over black
    that is the same as multiplied by alpha. None: over none."""
    is_mixed: bool = False
    """Before that, they were mixed with an old background that nobody has noted."""

    def __str__(self) -> str:
        """As the column alpha_colors has it, see `parse`."""
        laid = "straight" if self.matte is None else f"over {hex_of(self.matte)}"
        if not self.is_mixed:
            return laid
        return "mixed" if self.matte is None else f"mixed {laid}"

    @classmethod
    def parse(cls, text: str) -> CutoutColors:
        """The opposite of `str`.

        >>> CutoutColors.parse("mixed over #000000")
        CutoutColors(matte=(0, 0, 0), is_mixed=True)
        >>> [str(CutoutColors.parse(text)) for text in ("straight", "over #ffffff", "mixed")]
        ['straight', 'over #ffffff', 'mixed']

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(r"straight|(?:(mixed)(?: (?=over)|$))?(?:over #([0-9a-f]{6}))?", text)
        if not text or match is None:
            raise ValueError(f"{text!r} says nothing of a cut-out's colours")
        red, green, blue = bytes.fromhex(match[2]) if match[2] else (0, 0, 0)
        matte = (red, green, blue) if match[2] else None
        return cls(matte=matte, is_mixed=match[1] is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a cut-out's edge says of its colours."""

    colors: CutoutColors
    is_sure: bool
    """False: there is too little of an edge, and they are taken as straight."""


def tell(rgb_HWC: NDArray[np.uint8], alpha_HW: Float) -> Told:
    """Tell from a cut-out's soft edge what its colours are.

    Colours that were laid over black are nowhere brighter than their alpha; over white, nowhere
    darker than what shines through. Others are, as soon as the product is not itself as dark or as
    bright, and then it makes no difference. So one pass over the edge tells those apart; the same
    holds for any other colour that fills all that alpha hides.

    A mixture with an old background follows alpha: within a few pixels, its colour is a straight
    line from the background's to the product's. The product's own colours have no reason to.

    A square of 64 px at a time, at most 64 of them: some 0.1 s for a picture of any size.

    Args:
        rgb_HWC: as the file has it, sRGB.
        alpha_HW: as the file has it, [0, 1].
    """
    soft_HW = (alpha_HW > _SOFT[0]) & (alpha_HW < _SOFT[1])
    tiles = _spread(tiles_with(soft_HW, side_px=_TILE_PX))
    edge = _Edge.of(rgb_HWC, alpha_HW, soft_HW, tiles)
    if len(edge.alpha_N) < _FEWEST_SOFT:
        return Told(colors=CutoutColors(), is_sure=False)
    matte = _matte(edge)
    if matte is None and edge.shows_ground:
        is_mixed = _followed(
            rgb_HWC, alpha_HW, soft_HW, tiles, matte=None, above=-1
        ) > _FOLLOWS_HIDDEN and edge.mixed_misfit() < edge.misfit(None)
        return Told(colors=CutoutColors(is_mixed=is_mixed), is_sure=True)
    followed = _followed(rgb_HWC, alpha_HW, soft_HW, tiles, matte=matte, above=_CERTAIN)
    enough = _FOLLOWS_STRAIGHT if matte is None else _FOLLOWS_MATTED
    return Told(colors=CutoutColors(matte=matte, is_mixed=followed > enough), is_sure=True)


def unmixed(observed: Float, alpha: Float, matte: Rgb8) -> Float:
    """The colours that were laid over `matte`, [0, 1]; where alpha is 0, there are none to tell.

    Args:
        observed: [0, 1], channels last.
        alpha: coverage, [0, 1], with as many dimensions, or without the channels.
        matte: what they lie over, 8-bit sRGB.
    """
    alpha = alpha[..., np.newaxis]
    over = np.asarray(matte, dtype=np.float32) / np.float32(255)
    own = (observed - (1 - alpha) * over) / np.maximum(alpha, np.float32(0.5 / 255))
    return np.asarray(np.clip(own, 0, 1), dtype=np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edge:
    """Pixels of the soft edge, and the pure colours around each; NaN where there are none."""

    observed_N3: Float
    alpha_N: Float
    product_N3: Float
    ground_N3: Float
    hidden_N3: Float
    """Pixels that alpha hides, near the edge: not those of the edge."""

    @classmethod
    def of(
        cls,
        rgb_HWC: NDArray[np.uint8],
        alpha_HW: Float,
        soft_HW: NDArray[np.bool_],
        tiles: list[Tile],
    ) -> _Edge:
        parts: list[list[Float]] = [[], [], [], [], []]
        for tile in tiles:
            near, inner = tile.widened(_NEAR_PX // 2, alpha_HW.shape)
            at_HW = np.zeros(alpha_HW[near].shape, dtype=np.bool_)
            at_HW[inner] = soft_HW[tile.region]
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
            hidden_N3=hidden_N3,
        )

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

    def out_of_reach(self, color_N3: Float, matte: Rgb8) -> float:
        """The share of pixels that would not be explained by any colour laid over `matte`."""
        over = np.asarray(matte, dtype=np.float32) / np.float32(255)
        alpha_N1 = self.alpha_N[:, np.newaxis]
        darkest_N3 = (1 - alpha_N1) * over
        out_N3 = (color_N3 < darkest_N3 - _TOLERANCE) | (
            color_N3 > darkest_N3 + alpha_N1 + _TOLERANCE
        )
        return float(out_N3.any(axis=1).mean())

    def lies_over(self, matte: Rgb8) -> bool:
        """Whether all of it can have been laid over `matte`, which straight colours could not."""
        out = self.out_of_reach(self.observed_N3, matte)
        out_if_straight = self.out_of_reach(self.product_N3, matte)
        fits_better = self.misfit(matte) <= self.misfit(None)
        if out <= _MOST_OUT_OF_REACH:
            return fits_better or out_if_straight > _OUT_OF_REACH_IF_STRAIGHT
        of_straight, of_edge = _OUT_OF_REACH_IF_LOSSY
        return fits_better and out <= min(of_straight * out_if_straight, of_edge)

    def misfit(self, matte: Rgb8 | None) -> float:
        """Mean difference from the product's colour nearby, laid over `matte`."""
        expected_N3 = self.product_N3
        if matte is not None:
            over = np.asarray(matte, dtype=np.float32) / np.float32(255)
            alpha_N1 = self.alpha_N[:, np.newaxis]
            expected_N3 = alpha_N1 * expected_N3 + (1 - alpha_N1) * over
        return _mean_difference(self.observed_N3, expected_N3)

    def mixed_misfit(self) -> float:
        """The same of a mixture with what is seen nearby where alpha is 0."""
        alpha_N1 = self.alpha_N[:, np.newaxis]
        mixed_N3 = alpha_N1 * self.product_N3 + (1 - alpha_N1) * self.ground_N3
        return _mean_difference(self.observed_N3, mixed_N3)


def _matte(edge: _Edge) -> Rgb8 | None:
    """The colour that the edge was laid over, if it was over one."""
    candidates = dict.fromkeys((_BLACK, _WHITE, edge.painted))
    possible = [matte for matte in candidates if matte is not None and edge.lies_over(matte)]
    return min(possible, key=edge.misfit, default=None)


def _followed(
    rgb_HWC: NDArray[np.uint8],
    alpha_HW: Float,
    soft_HW: NDArray[np.bool_],
    tiles: list[Tile],
    *,
    matte: Rgb8 | None,
    above: float,
) -> float:
    """The share of the variance along the edge that coverage explains, [0, 1].

    Within a small square, colour is regressed on coverage, as closed-form matting assumes (Levin,
    Lischinski and Weiss 2008), over the pixels whose coverage is larger than `above`.
    """
    explained, total = 0.0, 0.0
    for tile in tiles:
        near, inner = tile.widened(_SMALL_PX // 2, alpha_HW.shape)
        given_HW, seen_HWC = alpha_HW[near], unit(rgb_HWC[near])
        if matte is not None:
            seen_HWC = unmixed(seen_HWC, given_HW, matte)
        weight_HW = (given_HW > above).astype(np.float32)
        share_HW = _mean(weight_HW) + np.float32(1e-9)
        center_HW = _mean(weight_HW * given_HW) / share_HW
        spread_HW = _mean(weight_HW * given_HW**2) / share_HW - center_HW**2
        at_HW = (soft_HW & (alpha_HW > _CERTAIN))[tile.region] & (spread_HW[inner] > 0.01)
        for channel in range(3):
            plane_HW = seen_HWC[..., channel]
            level_HW = _mean(weight_HW * plane_HW) / share_HW
            varies_HW = _mean(weight_HW * plane_HW**2) / share_HW - level_HW**2
            together_HW = _mean(weight_HW * plane_HW * given_HW) / share_HW - level_HW * center_HW
            told_HW = together_HW[inner] ** 2 / np.maximum(spread_HW[inner], np.float32(1e-5))
            explained += float(told_HW[at_HW].sum(dtype=np.float64))
            total += float(varies_HW[inner][at_HW].sum(dtype=np.float64))
    return explained / total if total > 0 else 0.0


def _spread(tiles: list[Tile]) -> list[Tile]:
    step = -(-len(tiles) // _MOST_TILES)
    return tiles[::step] if tiles else tiles


def _mean_color(seen_HWC: Float, mask_HW: NDArray[np.bool_], at_HW: NDArray[np.bool_]) -> Float:
    """Mean colour of the masked pixels around some others; NaN where there are too few."""
    weight_HW = mask_HW.astype(np.float32)
    share_N = uniform_filter(weight_HW, _NEAR_PX, mode="constant")[at_HW]
    share_N[share_N * _NEAR_PX**2 < _FEWEST_NEAR] = np.nan
    planes = (
        uniform_filter(seen_HWC[..., channel] * weight_HW, _NEAR_PX, mode="constant")[at_HW]
        for channel in range(3)
    )
    return np.stack([plane_N / share_N for plane_N in planes], axis=-1)


def _mean_difference(observed_N3: Float, expected_N3: Float) -> float:
    """Infinite where nothing is expected anywhere."""
    difference_N3 = np.abs(observed_N3 - expected_N3)
    known_N3 = difference_N3[~np.isnan(difference_N3)]
    return float(known_N3.mean()) if known_N3.size else float("inf")


def _mean(plane_HW: Float) -> Float:
    return np.asarray(uniform_filter(plane_HW, _SMALL_PX, mode="constant"), dtype=np.float32)
