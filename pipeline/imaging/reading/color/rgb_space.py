"""RGB spaces that are three curves and a matrix, converted to sRGB by exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.pixels.color import linear_to_srgb

# Shape suffixes: H height, W width, C colour channel, L level of a sample, N pixel.

Float = NDArray[np.float32]

_STRIP_PIXELS = 1 << 14
"""Pixels at a time: a strip of floats stays in a core's cache, where a whole picture of them would
cost five times the time and 12 bytes a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class RgbSpace:
    """What RGB samples mean: one curve for each channel, then one matrix."""

    linear_CL: Float
    """Linear light of every level of a sample, 256 or 65536 of them; white is 1."""
    to_srgb_33: Float
    """The matrix from this space's linear RGB to linear sRGB, 3 x 3, for a column on its right."""

    def to_linear_srgb(self, values_NC: NDArray[Any]) -> Float:
        """Linear sRGB of samples whose type has as many levels as the curves: 3 x N."""
        linear_3N = np.empty((3, len(values_NC)), np.float32)
        for channel in range(3):
            self.linear_CL[channel].take(values_NC[:, channel], out=linear_3N[channel], mode="clip")
        return self.to_srgb_33 @ linear_3N


def to_srgb8_by(
    to_linear_srgb: Callable[[NDArray[Any]], Float], values_HWC: NDArray[Any]
) -> NDArray[np.uint8]:
    """Convert samples to sRGB and round them once.

    Colours that sRGB does not have are clipped in linear light, channel by channel, which is what
    relative colorimetric conversion to a display's profile does.

    Args:
        to_linear_srgb: from samples, N x C, to linear sRGB, 3 x N, which may lie outside [0, 1].
        values_HWC: any type.

    Returns:
        HWC, sRGB-encoded.
    """
    height, width, channels = values_HWC.shape
    values_NC = values_HWC.reshape(-1, channels)
    rgb_N3 = np.empty((height * width, 3), np.uint8)
    for start in range(0, len(values_NC), _STRIP_PIXELS):
        strip = slice(start, start + _STRIP_PIXELS)
        rgb_N3[strip] = _encoded8(to_linear_srgb(values_NC[strip])).T
    return rgb_N3.reshape(height, width, 3)


def _encoded8(linear: Float) -> NDArray[np.uint8]:
    """Linear light as 8-bit sRGB, clipped to [0, 1]; changes `linear`."""
    np.clip(linear, 0, 1, out=linear)
    linear *= np.float32(65535)
    linear += np.float32(0.5)
    return _encoding().take(linear.astype(np.uint16), mode="clip")


@cache
def _encoding() -> NDArray[np.uint8]:
    """8-bit sRGB of linear light in steps of 1/65535: where it is steepest, a step is .05 level."""
    linear = np.arange(65536, dtype=np.float32) / np.float32(65535)
    return (linear_to_srgb(linear) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
