"""Pictures cropped to what is to be shown of them, and turned upright."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.samples import Samples

# Shape suffixes: H height, W width, C colour channel.


def lies_on_its_side(orientation: int) -> bool:
    """Whether width and height change places when it is turned.

    >>> lies_on_its_side(6), lies_on_its_side(3)
    (True, False)
    """
    return orientation >= 5


def cropped(samples: Samples, part: tuple[int, int, int, int]) -> Samples:
    """A part of a picture: left, top, width and height of it.

    Raises:
        RowError: `corrupt_image`, where the picture has no such part.
    """
    left, top, width, height = part
    window = slice(top, top + height), slice(left, left + width)
    values_HWC: NDArray[Any] = samples.values_HWC[window]
    if values_HWC.shape[:2] != (height, width):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "what is to be shown lies outside of the picture")

    def part_of(levels_HW: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if levels_HW is None else np.ascontiguousarray(levels_HW[window])

    return replace(
        samples,
        values_HWC=np.ascontiguousarray(values_HWC),
        alpha_HW=part_of(samples.alpha_HW),
        selection_HW=part_of(samples.selection_HW),
    )


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
