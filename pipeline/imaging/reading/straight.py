"""Colours that were multiplied by their alpha, divided by it again, at the depth they have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width, C colour channel.


def straightened(values_HWC: NDArray[Any], alpha_HW: NDArray[Any]) -> NDArray[Any]:
    """Premultiplied colours as straight ones, rounded once; what is brighter than its alpha clips.

    Nothing is known of a colour under full transparency: it is 0, as in the file.

    Args:
        values_HWC: colours times alpha; integers fill their type, floats have 1.0 as white.
        alpha_HW: of the same type: full scale, or 1.0, is opaque.
    """
    straight_HWC = np.empty_like(values_HWC)
    if values_HWC.dtype == np.float32:
        divisor_HW = np.where(alpha_HW == 0, np.float32(np.inf), alpha_HW)
        np.divide(values_HWC, divisor_HW[..., None], out=straight_HWC)
        return straight_HWC
    white = np.iinfo(values_HWC.dtype).max
    wide_HW = alpha_HW.astype(np.uint32)
    half_HW = wide_HW // 2
    divisor_HW = np.where(wide_HW == 0, np.uint32(1), wide_HW)
    for channel in range(values_HWC.shape[2]):  # one at a time: four bytes each are much
        scaled_HW = values_HWC[..., channel].astype(np.uint32)
        scaled_HW *= white  # 65535 x 65535 and half of it still fit
        scaled_HW += half_HW
        scaled_HW //= divisor_HW
        np.minimum(scaled_HW, white, out=scaled_HW)
        scaled_HW[wide_HW == 0] = 0
        straight_HWC[..., channel] = scaled_HW
    return straight_HWC


def filled(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Integers of so many bits, spread over 8 or 16 bits so that their white is full scale.

    >>> filled(np.array([0, 2048, 4095], np.uint16), 12)
    array([    0, 32776, 65535], dtype=uint16)
    """
    kind = np.uint8 if bits <= 8 else np.uint16
    if bits in (8, 16):
        return values.astype(kind, copy=False)
    white, levels = np.iinfo(kind).max, 2**bits - 1
    steps = np.arange(levels + 1, dtype=np.uint64)
    table = ((steps * white + levels // 2) // levels).astype(kind)
    spread: NDArray[Any] = table[values]
    return spread
