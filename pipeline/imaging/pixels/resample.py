"""Resizing, for 8-bit pictures and for float ones."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Shape suffixes: H height, W width, C colour channel.

ImageT = TypeVar("ImageT", NDArray[np.uint8], NDArray[np.float32])


Region = tuple[float, float, float, float]
"""Left, top, right and bottom edge of a part of a picture, px; edges may lie within a pixel."""


Kernel = Literal["lanczos", "bicubic"]


def resize(
    image: ImageT,
    height: int,
    width: int,
    *,
    region: Region | None = None,
    kernel: Kernel = "lanczos",
) -> ImageT:
    """Resample to another size; at the same size, a copy with every value unchanged.

    Lanczos overshoots at hard edges. Pillow clips 8-bit results to their range; float ones are
    clipped here to [0, 1], which is therefore the range they must come in.

    Args:
        image: uint8 HW or HWC with 3 channels, or float32 HW or HWC in [0, 1].
        height: of the result, in px.
        width: of the result, in px.
        region: the part to resample; None: all of it.
        kernel: 'bicubic' is a little softer. Beyond a hard edge Lanczos has an echo, 3 % of the
            step two pixels away; bicubic only undershoots there, which clipping removes.

    Raises:
        ValueError: another dtype or number of dimensions, or an empty size.
    """
    if image.dtype not in (np.uint8, np.float32) or image.ndim not in (2, 3):
        raise ValueError(f"cannot resize {image.dtype} of shape {image.shape}")
    whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    if region is None or region == whole:
        if image.shape[:2] == (height, width):
            return image.copy()
        region = whole
    elif (region[2] - region[0], region[3] - region[1]) == (width, height) and all(
        edge == int(edge) for edge in region
    ):
        return image[int(region[1]) : int(region[3]), int(region[0]) : int(region[2])].copy()
    # Pillow's only float mode has one channel.
    one_by_one = image.dtype == np.float32 and image.ndim == 3
    planes = np.moveaxis(image, -1, 0) if one_by_one else [image]
    resized = [_resize_plane(plane, height, width, region, kernel) for plane in planes]
    return np.stack(resized, axis=-1) if one_by_one else resized[0]


def _resize_plane(
    plane: NDArray[Any], height: int, width: int, region: Region, kernel: Kernel
) -> NDArray[Any]:
    picture = Image.fromarray(np.ascontiguousarray(plane))
    resampling = Image.Resampling[kernel.upper()]
    resized = np.array(picture.resize((width, height), resampling, box=region))
    return np.clip(resized, 0, 1, out=resized) if resized.dtype == np.float32 else resized
