"""A cut-out's file made whole: what alpha hides, and what lies over its colours, put right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.imaging.file_alpha.edge_colors import CutoutColors
from pipeline.imaging.file_alpha.matte_color import unmixed
from pipeline.imaging.file_alpha.mixture import leads_to_ground
from pipeline.imaging.file_alpha.soft_edge import Edge
from pipeline.imaging.pixels.color import unit
from pipeline.imaging.pixels.strips import strips

# Shape suffixes: H height, W width, C colour channel, N pixels; h and w, of a coarser picture.

Float = NDArray[np.float32]

_BLOCK_PX = 4
"""What is hidden is filled in smoothly: a picture so many times coarser will do to begin with."""

_FAINT = 0.02
"""Coverage below which a pixel is the old background, or what is left of it."""
_CERTAIN = 0.1
"""Coverage from which its colour is more than rounding."""


def made_whole(
    rgb_HWC: NDArray[np.uint8], alpha_HW: Float, colors: CutoutColors
) -> NDArray[np.uint8]:
    """A cut-out's colours, ready to be resampled and laid over, whatever its file had.

    Straight colours stay as they are where alpha is above 0, to the bit; laid over black, white or
    any other colour, they are what lies over it. What alpha hides is painted with the product's
    colours nearby: resampling would mix what stands there (black, most often) into the outline.

    Colours that are mixed with an old background stay mixed, for `estimate_foreground` to tell
    apart. It has to see that background. Where it is not in view, it is continued from the
    faintest pixels of the edge, which show next to nothing else.

    Args:
        rgb_HWC: as the file has it, sRGB.
        alpha_HW: as the file has it, [0, 1].
        colors: what they are.

    Returns:
        sRGB, uint8, same shape.
    """
    own_HWC = rgb_HWC.copy()
    if colors.matte is not None:
        soft_HW = (alpha_HW > 0) & (alpha_HW < 1)
        own_N3 = unmixed(unit(rgb_HWC[soft_HW]), alpha_HW[soft_HW], colors.matte)
        own_HWC[soft_HW] = np.round(own_N3 * np.float32(255)).astype(np.uint8)
    if colors == CutoutColors(is_mixed=True) and leads_to_ground(Edge.of(rgb_HWC, alpha_HW)):
        return own_HWC
    hidden_HW = alpha_HW <= (_FAINT if colors.is_mixed else 0)
    if not hidden_HW.any() or hidden_HW.all():
        return own_HWC
    filled_hwC = _filled(own_HWC, alpha_HW, is_mixed=colors.is_mixed)
    height, width = alpha_HW.shape
    filling = Image.fromarray(filled_hwC).resize(
        (filled_hwC.shape[1] * _BLOCK_PX, filled_hwC.shape[0] * _BLOCK_PX),
        Image.Resampling.BILINEAR,
    )
    own_HWC[hidden_HW] = np.asarray(filling)[:height, :width][hidden_HW]
    return own_HWC


def _filled(rgb_HWC: NDArray[np.uint8], alpha_HW: Float, *, is_mixed: bool) -> NDArray[np.uint8]:
    """The picture in blocks, those that hold nothing filled from coarser and coarser ones.

    Gortler and others 1996, "The lumigraph": pull and push.
    """
    height, width = alpha_HW.shape
    tall, wide = -(-height // _BLOCK_PX), -(-width // _BLOCK_PX)
    means_hw4 = np.empty((tall, wide, 4), dtype=np.float32)
    for rows in strips((tall, width * _BLOCK_PX)):
        pixels = slice(rows.start * _BLOCK_PX, min(rows.stop * _BLOCK_PX, height))
        weight_HW = _weight(alpha_HW[pixels], is_mixed=is_mixed)
        for channel in range(3):
            weighted_HW = unit(rgb_HWC[pixels, :, channel]) * weight_HW
            means_hw4[rows, :, channel] = _coarser(weighted_HW, _BLOCK_PX)
        means_hw4[rows, :, 3] = _coarser(weight_HW, _BLOCK_PX)
    filled_hwC = _pushed(means_hw4)
    return np.asarray(np.round(np.clip(filled_hwC, 0, 1) * 255), dtype=np.uint8)


def _weight(alpha_HW: Float, *, is_mixed: bool) -> Float:
    """The weight of a pixel as evidence of the colour of the product, or of the background."""
    if not is_mixed:
        return alpha_HW
    weight_HW = (1 - alpha_HW) ** 4 * np.minimum(np.float32(1), alpha_HW / np.float32(_CERTAIN))
    return np.where(alpha_HW <= _FAINT, np.float32(0), weight_HW)


def _pushed(means_hw4: Float) -> Float:
    """Colour everywhere, from means of weighted colour and their weights."""
    weight_hw1 = means_hw4[..., 3:]
    color_hwC = means_hw4[..., :3] / np.maximum(weight_hw1, np.float32(1e-6))
    tall, wide = weight_hw1.shape[:2]
    if (tall, wide) == (1, 1):
        return np.asarray(color_hwC, dtype=np.float32)
    planes_hw = np.moveaxis(means_hw4, -1, 0)
    coarser_hwC = _pushed(np.stack([_coarser(plane_hw, 2) for plane_hw in planes_hw], axis=-1))
    size = coarser_hwC.shape[1] * 2, coarser_hwC.shape[0] * 2
    around_hwC = np.empty_like(color_hwC)
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(coarser_hwC[..., channel]))
        smooth = plane.resize(size, Image.Resampling.BILINEAR)
        around_hwC[..., channel] = np.asarray(smooth)[:tall, :wide]
    trust_hw1 = np.minimum(np.float32(1), weight_hw1 * np.float32(4))
    return np.asarray(trust_hw1 * color_hwC + (1 - trust_hw1) * around_hwC, dtype=np.float32)


def _coarser(plane_HW: Float, side_px: int) -> Float:
    """Means over squares; those at the far edges may be smaller."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane_HW)).reduce(side_px))
