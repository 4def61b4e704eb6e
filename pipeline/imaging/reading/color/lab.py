"""CIE Lab to sRGB, by its formula."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.reading.color.primaries import D50_XYZ, d50_to_srgb
from pipeline.imaging.reading.color.rgb_space import to_srgb8_by

# Shape suffixes: H height, W width, C colour channel, N pixel.


def lab_to_srgb8(lab_HWC: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert Lab of the D50 white, encoded as ICC.1:2022 does (table 12); clipped to sRGB.

    Little CMS converts 8-bit Lab by a table of 33 steps, up to four levels off in dark colours
    that sRGB has.

    Args:
        lab_HWC: uint8 or uint16. L* 100 is full scale; a* and b* -128 are 0 and 127 full scale.
    """
    return to_srgb8_by(_linear_srgb, lab_HWC)


def _linear_srgb(lab_N3: NDArray[Any]) -> NDArray[np.float32]:
    """CIE 15:2018, 8.2.1.2, read backwards: from encoded samples to 3 x N."""
    unit_3N = lab_N3.T * np.float32(1 / np.iinfo(lab_N3.dtype).max)
    f_3N = np.empty_like(unit_3N)
    f_3N[1] = unit_3N[0] * np.float32(100 / 116) + np.float32(16 / 116)
    f_3N[0] = f_3N[1] + (unit_3N[1] * np.float32(255) - 128) * np.float32(1 / 500)
    f_3N[2] = f_3N[1] - (unit_3N[2] * np.float32(255) - 128) * np.float32(1 / 200)
    toe_3N = (f_3N - np.float32(4 / 29)) * np.float32(3 * (6 / 29) ** 2)
    relative_3N = np.where(f_3N > np.float32(6 / 29), f_3N * f_3N * f_3N, toe_3N)
    return _relative_to_srgb() @ relative_3N


@cache
def _relative_to_srgb() -> NDArray[np.float32]:
    """The matrix from XYZ, as parts of the D50 white's, to linear sRGB; 3 x 3, for a column."""
    relative_33: NDArray[np.float32] = (d50_to_srgb() * D50_XYZ).astype(np.float32)
    return relative_33
