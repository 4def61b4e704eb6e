"""Blur-fusion: the foreground's colour from a wide blur and a narrow one.

Forte 2021, "Approximate fast foreground colour estimation", ICIP.
Written with operators alone, so that whoever brings a box blur can run it on arrays of any library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from pipeline.imaging.pixels.tiles import Tile

# Shape suffixes: H height, W width, C colour channel, 1 a single channel.

Float = NDArray[np.float32]
BoxBlur = Callable[[Any, int], Any]
"""Mean over a square window of so many px, of every channel; edges repeated."""
Crop = Callable[[Any], Any]
"""Cuts the same frame off arrays of any number of channels."""

_WIDE_PX, _NARROW_PX = 91, 7
"""Far enough to find pure colours first, then near enough to follow texture."""
NARROW_REACH_PX = _NARROW_PX // 2
"""The distance in px up to which the narrow blur looks around a pixel."""
REACH_PX = _WIDE_PX // 2 + NARROW_REACH_PX
"""The distance in px up to which both blurs look: no colour depends on anything further away."""

_TINY = 1e-5

_GRID = np.float32(12)
"""Added to a value from -4 to 4 and taken away again, it rounds it to a multiple of 2**-20."""


def blur_fusion(observed_HWC: Float, alpha_HW: Float, tile: Tile) -> Float:
    """Estimate the foreground's colour in a tile of a picture, see `fuse`.

    The colour of a pixel is the same to the bit, however much of its picture is given, if that is
    `REACH_PX` to all sides of it, or as far as the picture goes.

    Args:
        observed_HWC: the photograph, [0, 1].
        alpha_HW: coverage, [0, 1].
        tile: what to estimate; the rest is its surroundings.

    Returns:
        The tile's colour, [0, 1].
    """
    near, inner = tile.widened(NARROW_REACH_PX, alpha_HW.shape)
    fused_HWC = fuse(
        observed_HWC, alpha_HW[..., np.newaxis], blur=box_blur, crop=lambda image: image[near]
    )
    return np.asarray(np.clip(fused_HWC[inner], 0, 1), dtype=np.float32)


def fuse(observed: Any, alpha: Any, *, blur: BoxBlur, crop: Crop = lambda image: image) -> Any:
    """Mean foreground and background colours nearby, corrected until they explain the pixel.

    Each round takes the means of both colours, weighted by how much of each a pixel holds, and
    adds what `alpha * foreground + (1 - alpha) * background` then lacks of the observed colour.

    Args:
        observed: the photograph, [0, 1], any layout that `blur` understands.
        alpha: coverage, [0, 1], broadcasts against `observed`.
        blur: a box blur.
        crop: cuts off what only the wide blur has to see, before the narrow one.

    Returns:
        The foreground's colour, not clipped, in what `crop` leaves.
    """
    near_foreground, near_background = _means(observed, observed, alpha, _WIDE_PX, blur)
    observed, background, cropped_alpha = crop(observed), crop(near_background), crop(alpha)
    foreground = _explaining(observed, cropped_alpha, crop(near_foreground), background)
    near = _means(foreground, background, cropped_alpha, _NARROW_PX, blur)
    return _explaining(observed, cropped_alpha, *near)


def _means(
    foreground: Any, background: Any, alpha: Any, window_px: int, blur: BoxBlur
) -> tuple[Any, Any]:
    """Both colours over a window, each weighted by how much of it a pixel holds."""
    near_alpha = blur(alpha, window_px)
    near_foreground = blur(foreground * alpha, window_px) / (near_alpha + _TINY)
    near_background = blur(background * (1 - alpha), window_px) / (1 - near_alpha + _TINY)
    return near_foreground, near_background


def _explaining(observed: Any, alpha: Any, foreground: Any, background: Any) -> Any:
    """The foreground, moved by what the two colours lack of the observed one."""
    explained = alpha * foreground + (1 - alpha) * background
    return foreground + alpha * (observed - explained)


def box_blur(image_HWC: Float, window_px: int) -> Float:
    """Exact: sums of values on a grid are, in the doubles that scipy adds them up in.

    It adds what enters a window and subtracts what leaves it, along the whole line, so that of
    values as they come each mean would carry the rounding of all the means before it.
    """
    for axis in (0, 1):
        on_grid_HWC = image_HWC + _GRID
        on_grid_HWC -= _GRID
        image_HWC = uniform_filter1d(on_grid_HWC, window_px, axis=axis, mode="nearest")
    return image_HWC
