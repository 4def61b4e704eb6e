"""Pictures turned upright."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width, C colour channel.


def lies_on_its_side(orientation: int) -> bool:
    """Whether width and height change places when it is turned.

    >>> lies_on_its_side(6), lies_on_its_side(3)
    (True, False)
    """
    return orientation >= 5


def turned(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn HW or HWC from how it is stored to upright (EXIF 2.32, tag 274). Contiguous."""
    if orientation == 1:
        return picture
    pixels: NDArray[Any] = picture
    if picture.ndim == 3:  # whole pixels are moved twice as fast as one channel after the other
        pixels = np.ascontiguousarray(picture).view(f"V{picture.itemsize * picture.shape[2]}")
        pixels = pixels[..., 0]
    if lies_on_its_side(orientation):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    upright = np.ascontiguousarray(pixels).view(picture.dtype)
    return upright.reshape(*pixels.shape, *picture.shape[2:])
