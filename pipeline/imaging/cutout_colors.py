"""What the colours of a cut-out's soft edge are: the product's own, or mixed with something."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.imaging.color import unit
from pipeline.imaging.cutout_edge import NEAR_PX, edge_beside_product, mean_color
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
_SMALL_PX = 7
"""Side of the square in which colour is held against coverage."""

_TOLERANCE = 4 / 255
"""How far out of reach a colour may be for rounding and a lossy codec's noise."""
_MOST_OUT_OF_REACH = 0.015
_OUT_OF_REACH_IF_STRAIGHT = 0.05
"""Share of the edge that the product's colour nearby would put out of reach, for that to count."""
_NOISE = 0.06
"""What is out of reach, as a part of what the product's colour nearby would put there: up to 0.04
of what was laid over black and then went through a lossy codec, 0.7 or more of straight colours."""
_CLEARLY_LESS = 0.6
"""Of two misfits, the part that the smaller may be of the larger to count."""
_ALIKE = 8 / 255
"""How far colours may lie apart where coverage is low and all of them are one colour's: 2 to 5
levels over grey, 14 or more if straight."""
_ALIKE_FOR = 0.2
"""The same, as a part of how far they lie from the product's colour nearby."""
_LOW, _LOWER = 0.6, 0.25
"""Coverage below which a colour that lies under the edge is estimated, and held against it."""
_CONSTANT = 2 / 255
"""Spread (10th to 90th percentile) of hidden pixels that were painted over, not photographed."""

_EVENLY = 0.35
"""Difference from the product's colour at half its coverage, as a part of that where it is faint,
from which it is even: a mixture has 0.55, next to a shadow of 2 % it is 0.2 or less."""
_LEADS = 0.88
"""The misfit of a mixture with what is seen where alpha is 0, as a part of that of its nearer end:
up to 0.80 of 23 photographs, 0.98 or more of 4 cut-outs whose colours, continued, follow alpha."""
_FOLLOWS_HIDDEN = 0.5
"""Share of the variance that coverage explains, above which the edge is mixed with what is seen
around it: 0.09 to 0.77 of 24 cut-outs with clean colours, 0.53 to 0.97 of 24 photographs."""
_FOLLOWS_MATTED = 0.55
"""The same of the edge alone, once its matte colour is taken out. What is black under alpha 0 is
most often a network's cut-out, which was multiplied with its photograph."""
_FOLLOWS_STRAIGHT = 0.85
"""The same without a matte colour. Studios deliver straight colours: it takes more to be sure."""
_FOLLOWS_PERHAPS = 0.6
"""Above it, straight colours are no more than the likelier answer."""


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
    """False: too little of an edge tells, or it is undecided, and they are taken as straight: where
    that is wrong, it does the least harm."""


def tell(rgb_HWC: NDArray[np.uint8], alpha_HW: Float) -> Told:
    """Tell from a cut-out's soft edge what its colours are.

    Colours that were laid over black are nowhere brighter than their alpha; over white, nowhere
    darker than what shines through. Others are, as soon as the product is not itself as dark or as
    bright, and then it makes no difference. So one pass over the edge tells those apart; the same
    holds for any other colour that fills all that alpha hides.

    A mixture with an old background follows alpha: within a few pixels, its colour is a straight
    line from the background's to the product's. The product's own colours have no reason to. If the
    background is seen where alpha is 0, the line must lead there, and fit much better than either
    end: hidden colours that only continue the product's say nothing.

    A soft shadow in the alpha channel follows it too, from the product's colour to black. So only
    the edge that lies between the product and nothing is asked, see `edge_beside_product`.

    A square of 64 px at a time, at most 64 of them, whatever the size of the picture.

    Args:
        rgb_HWC: as the file has it, sRGB.
        alpha_HW: as the file has it, [0, 1].
    """
    soft_HW = (alpha_HW > _SOFT[0]) & (alpha_HW < _SOFT[1])
    tiles = _spread(tiles_with(soft_HW, side_px=_TILE_PX))
    edge_HW = edge_beside_product(rgb_HWC, alpha_HW, soft_HW, tiles, fewest=_FEWEST_SOFT)
    edge = _Edge.of(rgb_HWC, alpha_HW, edge_HW, tiles)
    if len(edge.alpha_N) < _FEWEST_SOFT:
        return Told(colors=CutoutColors(), is_sure=False)

    def followed(matte: Rgb8 | None, above: float) -> float:
        return _followed(rgb_HWC, alpha_HW, edge_HW, tiles, matte=matte, above=above)

    matte = _matte(edge)
    if matte is not None:
        is_mixed = followed(matte, _CERTAIN) > _FOLLOWS_MATTED
        return Told(colors=CutoutColors(matte=matte, is_mixed=is_mixed), is_sure=True)
    if edge.shows_ground and edge.leads_to_ground() and followed(None, -1) > _FOLLOWS_HIDDEN:
        return Told(colors=CutoutColors(is_mixed=True), is_sure=True)
    matte = None if edge.shows_ground else edge.estimated_matte()
    if matte is not None:
        return Told(colors=CutoutColors(matte=matte), is_sure=True)
    share = followed(None, _CERTAIN)
    is_mixed = not edge.shows_ground and share > _FOLLOWS_STRAIGHT and edge.leads_away()
    return Told(
        colors=CutoutColors(is_mixed=is_mixed), is_sure=is_mixed or share <= _FOLLOWS_PERHAPS
    )


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
            near, inner = tile.widened(NEAR_PX // 2, alpha_HW.shape)
            at_HW = np.zeros(alpha_HW[near].shape, dtype=np.bool_)
            at_HW[inner] = soft_HW[tile.region]
            seen_HWC, given_HW = unit(rgb_HWC[near]), alpha_HW[near]
            found = (
                seen_HWC[at_HW],
                given_HW[at_HW],
                mean_color(seen_HWC, given_HW >= 0.98, at_HW),
                mean_color(seen_HWC, given_HW <= 0, at_HW),
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
        if self.out_of_reach(self.observed_N3, matte) > _MOST_OUT_OF_REACH:
            return self.noisily_lies_over(matte)
        could_tell = self.out_of_reach(self.product_N3, matte) > _OUT_OF_REACH_IF_STRAIGHT
        return could_tell or self.misfit(matte) <= self.misfit(None)

    def noisily_lies_over(self, matte: Rgb8) -> bool:
        """The same of colours that went through a lossy codec, and are out of reach a little."""
        expected = self.excess(self.product_N3, matte)
        within = self.excess(self.observed_N3, matte) < _NOISE * expected
        others = min(_CLEARLY_LESS * self.misfit(None), self.misfit_of_mixture())
        return within and self.misfit(matte) < others

    def excess(self, color_N3: Float, matte: Rgb8) -> float:
        """How far out of reach colours are, on average, where the product's is known."""
        over = np.asarray(matte, dtype=np.float32) / np.float32(255)
        alpha_N1 = self.alpha_N[:, np.newaxis]
        darkest_N3 = (1 - alpha_N1) * over
        out_N3 = np.maximum(darkest_N3 - color_N3, color_N3 - darkest_N3 - alpha_N1) - _TOLERANCE
        known_N = ~np.isnan(self.product_N3[:, 0])
        return float(np.maximum(out_N3, 0).max(axis=1)[known_N].mean()) if known_N.any() else 0.0

    def estimated_matte(self) -> Rgb8 | None:
        """The one colour that the product's, nearby, must have been laid over; None: there is none.

        Where coverage is low, next to nothing but that colour is left, all along the edge.
        """
        alpha_N1 = self.alpha_N[:, np.newaxis]
        under_N3 = self.observed_N3 - alpha_N1 * self.product_N3
        known_N = ~np.isnan(under_N3[:, 0])
        low_N, lower_N = known_N & (self.alpha_N < _LOW), known_N & (self.alpha_N < _LOWER)
        if lower_N.sum() < _FEWEST_SOFT // 2:
            return None
        color = np.median(under_N3[low_N] / (1 - alpha_N1[low_N]), axis=0)
        if (np.abs(color - 0.5) > 0.5 + _ALIKE).any():
            return None
        left_N3 = under_N3[lower_N] - (1 - alpha_N1[lower_N]) * color
        apart = float(np.abs(left_N3 - np.median(left_N3, axis=0)).mean())
        if apart > min(_ALIKE, _ALIKE_FOR * self.misfit(None, lower_N)):
            return None
        red, green, blue = (int(level) for level in np.round(np.clip(color, 0, 1) * 255))
        matte = red, green, blue
        return matte if self.misfit(matte) < _CLEARLY_LESS * self.misfit(None) else None

    def misfit(self, matte: Rgb8 | None, at_N: NDArray[np.bool_] | None = None) -> float:
        """Mean difference from the product's colour nearby, laid over `matte`."""
        expected_N3 = self.product_N3
        if matte is not None:
            over = np.asarray(matte, dtype=np.float32) / np.float32(255)
            alpha_N1 = self.alpha_N[:, np.newaxis]
            expected_N3 = alpha_N1 * expected_N3 + (1 - alpha_N1) * over
        at = slice(None) if at_N is None else at_N
        return _mean_difference(self.observed_N3[at], expected_N3[at])

    def misfit_of_mixture(self) -> float:
        """Mean difference from a mixture of product and ground; infinite where none is seen."""
        if not self.shows_ground:
            return float("inf")
        alpha_N1 = self.alpha_N[:, np.newaxis]
        mixed_N3 = alpha_N1 * self.product_N3 + (1 - alpha_N1) * self.ground_N3
        return _mean_difference(self.observed_N3, mixed_N3)

    def leads_to_ground(self) -> bool:
        """Whether colours are a mixture with what is seen nearby where alpha is 0.

        They are neither the product's alone nor, as where those were continued, what is seen there.
        """
        known_N = ~np.isnan((self.product_N3 + self.ground_N3)[:, 0])
        ends = (self.product_N3[known_N], self.ground_N3[known_N])
        nearest = min(_mean_difference(self.observed_N3[known_N], end_N3) for end_N3 in ends)
        return self.misfit_of_mixture() < _LEADS * nearest

    def leads_away(self) -> bool:
        """Whether colours leave the product's evenly, as a mixture does, and not at the very end.

        Of a mixture with anything, half is left at half of the coverage. Next to the faint end of a
        shadow, straight colours are the product's own until next to nothing of it is left.
        """
        faint_N = (self.alpha_N > _CERTAIN) & (self.alpha_N < _LOWER)
        half_N = (self.alpha_N > 0.4) & (self.alpha_N < 0.7)
        faint = _mean_difference(self.observed_N3[faint_N], self.product_N3[faint_N])
        half = _mean_difference(self.observed_N3[half_N], self.product_N3[half_N])
        return half > _EVENLY * faint


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


def _mean_difference(observed_N3: Float, expected_N3: Float) -> float:
    """Infinite where nothing is expected anywhere."""
    difference_N3 = np.abs(observed_N3 - expected_N3)
    known_N3 = difference_N3[~np.isnan(difference_N3)]
    return float(known_N3.mean()) if known_N3.size else float("inf")


def _mean(plane_HW: Float) -> Float:
    return np.asarray(uniform_filter(plane_HW, _SMALL_PX, mode="constant"), dtype=np.float32)
