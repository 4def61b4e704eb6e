"""A mask that somebody else has made, as the coverage of a photograph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.photo import Photo
from pipeline.imaging.resample import resize

# Shape suffixes: H height, W width, C colour channel.

_MAX_TINT = 8
"""How far the channels of a grey JPEG may differ, in 8-bit levels."""

_MAX_SKEW = 0.01
"""How far the aspects may differ: a pixel of rounding on a thumbnail-sized mask."""


def coverage_from(mask: Photo, size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """Read a decoded mask file as coverage: its alpha channel, or else its grey, white is product.

    A mask of another size is resampled if it has the photograph's aspect; anything else is
    somebody else's mask.

    Args:
        mask: the decoded file.
        size_HW: of the upright photograph.

    Returns:
        Coverage, [0, 1], at `size_HW`.

    Raises:
        RowError: `bad_request`, the file is no mask, or not this photograph's.
    """
    coverage_HW = mask.alpha_HW if mask.alpha_HW is not None else _grey(mask.rgb_HWC)
    height, width = coverage_HW.shape
    if abs((width / height) / (size_HW[1] / size_HW[0]) - 1) > _MAX_SKEW:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"mask_uri: the mask is {width} x {height} px, the photograph "
            f"{size_HW[1]} x {size_HW[0]}: their aspects differ",
        )
    return resize(coverage_HW.astype(np.float32, copy=False), *size_HW)


def _grey(rgb_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    tint = int(np.ptp(rgb_HWC, axis=-1).max())
    if tint > _MAX_TINT:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            "mask_uri: the picture has colours and no alpha channel, so it is no mask: white is "
            "product, black background",
        )
    # Green, which JPEG and every grey profile leave nearest to the level that was stored.
    return np.asarray(rgb_HWC[..., 1], dtype=np.float32) / np.float32(255)
