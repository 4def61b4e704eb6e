"""Colours that were multiplied by their alpha, divided by it again, at the depth they have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError

# Shape suffixes: H height, W width, C colour channel.

_STRIP = 128
"""Rows at a time."""


def straightened(values_HWC: NDArray[Any], alpha_HW: NDArray[Any]) -> NDArray[Any]:
    """Premultiplied colours as straight ones, rounded once; what is brighter than its alpha clips.

    Nothing is known of a colour under full transparency: it is 0, as in the file.

    Args:
        values_HWC: colours times alpha; integers fill their type, floats have 1.0 as white.
        alpha_HW: of the same type: full scale, or 1.0, is opaque.
    """
    straight_HWC = np.empty_like(values_HWC)
    for top in range(0, len(values_HWC), _STRIP):  # four bytes for each number are much at once
        rows = slice(top, top + _STRIP)
        straight_HWC[rows] = _divided(values_HWC[rows], alpha_HW[rows, :, None])
    return straight_HWC


def _divided(values_HWC: NDArray[Any], alpha_HW1: NDArray[Any]) -> NDArray[Any]:
    if values_HWC.dtype == np.float32:
        return values_HWC / np.where(alpha_HW1 == 0, np.float32(np.inf), alpha_HW1)
    white = np.iinfo(values_HWC.dtype).max
    wide_HW1 = alpha_HW1.astype(np.uint32)
    scaled_HWC = values_HWC.astype(np.uint32)
    scaled_HWC *= white  # 65535 x 65535 and half of it still fit
    scaled_HWC += wide_HW1 // 2
    scaled_HWC //= np.maximum(wide_HW1, 1)
    np.minimum(scaled_HWC, white, out=scaled_HWC)
    scaled_HWC *= wide_HW1 > 0
    return scaled_HWC


def filled(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Integers of so many bits, spread over 8 or 16 bits so that their white is full scale.

    >>> filled(np.array([0, 2048, 4095], np.uint16), 12)
    array([    0, 32776, 65535], dtype=uint16)

    Raises:
        RowError: `corrupt_image`: a number has more bits.
    """
    if not 1 <= bits <= 16:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"numbers of {bits} bits where 16 are the most")
    kind = np.uint8 if bits <= 8 else np.uint16
    if bits in (8, 16):
        return values.astype(kind, copy=False)
    white, levels = np.iinfo(kind).max, 2**bits - 1
    if values.max(initial=0) > levels:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"numbers of more than the {bits} bits announced")
    steps = np.arange(levels + 1, dtype=np.uint64)
    table = ((steps * white + levels // 2) // levels).astype(kind)
    spread: NDArray[Any] = table[values]
    return spread
