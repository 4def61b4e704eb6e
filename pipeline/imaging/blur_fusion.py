"""Blur-fusion: the foreground's colour from a wide blur and a narrow one.

Forte 2021, "Approximate fast foreground colour estimation", ICIP.
Written with operators alone, so that whoever brings a box blur can run it on arrays of any library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

# Shape suffixes: H height, W width, C colour channel, 1 a single channel.

Float = NDArray[np.float32]
BoxBlur = Callable[[Any, int], Any]
"""Mean over a square window of so many px, of every channel; edges repeated."""

_WINDOWS_PX = (91, 7)
"""Far enough to find pure colours first, then near enough to follow texture."""

_TINY = 1e-5


def blur_fusion(observed_HWC: Float, alpha_HW: Float) -> Float:
    """Estimate the foreground's colour, see `fuse`; HWC in [0, 1]."""
    fused_HWC = fuse(observed_HWC, alpha_HW[..., np.newaxis], blur=_box_blur)
    return np.asarray(np.clip(fused_HWC, 0, 1), dtype=np.float32)


def fuse(observed: Any, alpha: Any, *, blur: BoxBlur) -> Any:
    """Mean foreground and background colours nearby, corrected until they explain the pixel.

    Each round takes the means of both colours, weighted by how much of each a pixel holds, and
    adds what `alpha * foreground + (1 - alpha) * background` then lacks of the observed colour.

    Args:
        observed: the photograph, [0, 1], any layout that `blur` understands.
        alpha: coverage, [0, 1], broadcasts against `observed`.
        blur: a box blur.

    Returns:
        The foreground's colour, not clipped.
    """
    foreground = background = observed
    for window_px in _WINDOWS_PX:
        near_alpha = blur(alpha, window_px)
        near_foreground = blur(foreground * alpha, window_px) / (near_alpha + _TINY)
        near_background = blur(background * (1 - alpha), window_px) / (1 - near_alpha + _TINY)
        explained = alpha * near_foreground + (1 - alpha) * near_background
        foreground = near_foreground + alpha * (observed - explained)
        background = near_background
    return foreground


def _box_blur(image_HWC: Float, window_px: int) -> Float:
    blurred = uniform_filter(image_HWC, (window_px, window_px, 1), mode="nearest")
    return np.asarray(blurred, dtype=np.float32)
