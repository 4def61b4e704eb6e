"""What the colours of a cut-out's soft edge are: the product's own, or mixed with something."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.compositing.solid_colors import Rgb8, hex_of
from pipeline.imaging.file_alpha.matte_color import estimated_matte, laid_over
from pipeline.imaging.file_alpha.mixture import followed, leads_to_ground, leaves_evenly
from pipeline.imaging.file_alpha.soft_edge import FEWEST_SOFT, Edge

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_FOLLOWS_MATTED = 0.5
"""Share of the variance that coverage explains, above which the edge by itself is mixed with an old
background, once its matte colour is taken out."""
_FOLLOWS_STRAIGHT = 0.55
"""The least explained share of variance, [0, 1], without a matte colour. Studios deliver straight
colours, so it takes more to be sure of a mixture."""
_FOLLOWS_WIDE = 0.75
"""The least explained share, [0, 1], of an edge so wide, out of focus, that nothing is known of the
product beside it."""
_EVENLY, _AT_ONCE = 0.78, 0.35
"""Bounds of the evenness of an edge that counts as mixed, see `leaves_evenly`: above the 0.2 of
edges next to a shadow, between a mixture's 0.55 and the 1.0 of straight colours. Those of 24
cut-outs that are as even (0.53 to 0.78) follow alpha to 0.46 at most, and those that follow it to
0.5 or more (three) are 0.81 or more."""
_LEAST_SHARE = 0.2
"""The least share of the soft pixels, [0, 1]: 24 cut-outs have 0.25 or more, those with a shadow
0.15 or less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutoutColors:
    """The steps to undo to have the product's own colours, which then are straight."""

    matte: Rgb8 | None = None
    """A colour they were laid over as `alpha * color + (1 - alpha) * matte`, 8-bit sRGB. Over black
    that is the same as multiplied by alpha. None: over none."""
    is_mixed: bool = False
    """Whether, before any matte, the colours were mixed with an old background that nobody has
    noted."""

    def __str__(self) -> str:
        """The text that the column alpha_colors has, see `parse`."""
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
class EdgeEvidence:
    """The evidence of a cut-out's edge about its colours."""

    colors: CutoutColors
    is_sure: bool
    """False: too little of an edge tells, or it is undecided, and they are taken as straight: where
    that is wrong, it does the least harm."""


def weigh_edge(rgb_HWC: NDArray[np.uint8], alpha_HW: Float) -> EdgeEvidence:
    """Tell from a cut-out's soft edge what its colours are.

    Colours that were laid over black are nowhere brighter than their alpha; over white, nowhere
    darker than what shines through. Others are, as soon as the product is not itself as dark or as
    bright, and then it makes no difference. So one pass over the edge tells those apart; the same
    holds for any other colour that fills all that alpha hides.

    A mixture with an old background follows alpha: within a few pixels, its colour is a straight
    line from the background's to the product's, and half the way there at half of the coverage. The
    product's own colours have no reason to. If the background is seen where alpha is 0, the line
    must lead there, and fit better than either end: hidden colours that only continue the product's
    say nothing.

    A soft shadow in the alpha channel follows it too, from the product's colour to black. So only
    the edge that lies between the product and nothing is asked, see `Edge`.

    Args:
        rgb_HWC: as the file has it, sRGB.
        alpha_HW: as the file has it, [0, 1].
    """
    edge = Edge.of(rgb_HWC, alpha_HW)
    if len(edge) < FEWEST_SOFT:
        return EdgeEvidence(colors=CutoutColors(), is_sure=False)
    if (matte := laid_over(edge)) is not None:
        is_mixed = _looks_mixed(edge, matte, _FOLLOWS_MATTED)
        return EdgeEvidence(colors=CutoutColors(matte=matte, is_mixed=is_mixed), is_sure=True)
    if leads_to_ground(edge):
        return EdgeEvidence(colors=CutoutColors(is_mixed=True), is_sure=True)
    if not edge.shows_ground:
        if (matte := estimated_matte(edge)) is not None:
            return EdgeEvidence(colors=CutoutColors(matte=matte), is_sure=True)
        if _looks_mixed(edge, None, _FOLLOWS_STRAIGHT):
            return EdgeEvidence(colors=CutoutColors(is_mixed=True), is_sure=True)
    return EdgeEvidence(
        colors=CutoutColors(), is_sure=not _looks_mixed(edge, None, _FOLLOWS_MATTED)
    )


def _looks_mixed(edge: Edge, matte: Rgb8 | None, follows: float) -> bool:
    """Whether the edge by itself is a mixture: it is even, and coverage explains it.

    Where most of what is soft are shadows, the little that is left beside them does not say.
    """
    if edge.share < _LEAST_SHARE:
        return False
    evenness = leaves_evenly(edge, matte)
    if math.isnan(evenness):
        return followed(edge, matte=matte) > _FOLLOWS_WIDE
    return _AT_ONCE < evenness < _EVENLY and followed(edge, matte=matte) > follows
