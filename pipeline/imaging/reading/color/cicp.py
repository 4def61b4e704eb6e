"""Colours by number (ITU-T H.273): which primaries and which curve a number stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.libraries.samples import Cicp
from pipeline.imaging.pixels.color import srgb_to_linear
from pipeline.imaging.reading.color.primaries import D65, SRGB, Primaries

Float64 = NDArray[np.float64]

UNSPECIFIED = 2
PQ, HLG = 16, 18

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A = 0.17883277
_HLG_B = 1 - 4 * _HLG_A
_HLG_C = 0.5 - _HLG_A * np.log(4 * _HLG_A)

_BT601_625 = Primaries(white=D65, red=(0.64, 0.33), green=(0.29, 0.60), blue=(0.15, 0.06))
_BT601_525 = Primaries(white=D65, red=(0.630, 0.340), green=(0.310, 0.595), blue=(0.155, 0.070))
_C, _EQUAL_ENERGY, _DCI = (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)

PRIMARIES = {
    1: SRGB,
    UNSPECIFIED: SRGB,
    4: Primaries(white=_C, red=(0.67, 0.33), green=(0.21, 0.71), blue=(0.14, 0.08)),
    5: _BT601_625,
    6: _BT601_525,
    7: _BT601_525,  # SMPTE ST 240
    8: Primaries(white=_C, red=(0.681, 0.319), green=(0.243, 0.692), blue=(0.145, 0.049)),
    9: Primaries(white=D65, red=(0.708, 0.292), green=(0.170, 0.797), blue=(0.131, 0.046)),
    10: Primaries(white=_EQUAL_ENERGY, red=(1, 0), green=(0, 1), blue=(0, 0)),
    11: Primaries(white=_DCI, red=(0.680, 0.320), green=(0.265, 0.690), blue=(0.150, 0.060)),
    12: Primaries(white=D65, red=(0.680, 0.320), green=(0.265, 0.690), blue=(0.150, 0.060)),
    22: Primaries(white=D65, red=(0.630, 0.340), green=(0.295, 0.605), blue=(0.155, 0.077)),
}
"""H.273 (2024), table 2. Unspecified is sRGB, as MIAF has it (ISO/IEC 23000-22, 7.3.6.4)."""

PRIMARY_NAMES = {
    1: "BT.709",
    UNSPECIFIED: "unspecified",
    4: "BT.470 M",
    5: "BT.601 (625 lines)",
    6: "BT.601 (525 lines)",
    7: "SMPTE 240M",
    8: "film",
    9: "BT.2020",
    10: "XYZ",
    11: "DCI-P3",
    12: "Display P3",
    22: "EBU 3213",
}

_SHOWN_AS_SRGB = frozenset([1, UNSPECIFIED, 6, 11, 12, 13, 14, 15])
"""Curves that stills are shown by as if they were sRGB's.

1, 6, 14 and 15 name the curve of a *camera* (BT.709's, which BT.601 and BT.2020 share), and so do
11 and 12 within [0, 1]. Its inverse
is not how such a picture is shown: BT.1886 displays have a gamma of 2.4, computers sRGB's. What
makes stills writes these numbers by habit for sRGB pixels, and browsers show them so: Chromium's
`ui/gfx/color_space.cc` gives them sRGB's curve, and libavif and libheif hand them on unchanged.
"""


def levels_of(cicp: Cicp, num_levels: int) -> Float64:
    """Every level of a sample as a part of white, [0, 1]; a PNG of narrow range by H.273, 8.3.

    What is of narrow range in AVIF or HEIC has been widened by its decoder.
    """
    levels_L = np.linspace(0, 1, num_levels)
    if cicp.is_full_range or not cicp.is_png:
        return levels_L
    return np.clip((levels_L * 255 - 16) / 219, 0, 1)


def linear_of(transfer: int, encoded: Float64) -> Float64 | None:
    """Linear light of samples in [0, 1], white at 1 (H.273, table 3); None: not that of a still.

    What is not shown as sRGB is read backwards as the table has it.
    """
    if transfer in _SHOWN_AS_SRGB:
        return np.asarray(srgb_to_linear(encoded.astype(np.float32)), np.float64)
    if transfer in (4, 5):  # displays of their time
        return np.asarray(encoded ** (2.2 if transfer == 4 else 2.8))
    if transfer == 7:  # SMPTE ST 240
        curve = ((encoded + 0.1115) / 1.1115) ** (1 / 0.45)
        return np.where(encoded < 0.0913, encoded / 4, curve)
    if transfer == 8:
        return encoded
    if transfer in (9, 10):  # logarithms over two decades, and over two and a half
        return np.where(encoded > 0, 10 ** ((encoded - 1) * (2 if transfer == 9 else 2.5)), 0)
    if transfer == 17:  # SMPTE ST 428-1
        return np.asarray(encoded**2.6 * (52.37 / 48))
    return None


def pq_nits(encoded: NDArray[Any] | float) -> Float64:
    """Luminance in cd/m2 of PQ samples in [0, 1]: SMPTE ST 2084, BT.2100-2, table 4."""
    root = np.asarray(encoded, np.float64) ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def pq_encoded(nits: NDArray[Any] | float) -> Float64:
    """The way back: PQ samples of luminance in cd/m2."""
    power = (np.asarray(nits, np.float64) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_scene(encoded: NDArray[Any] | float) -> Float64:
    """Light of the scene, [0, 1], of HLG samples in [0, 1]: BT.2100-2, table 5, inverse OETF."""
    level = np.asarray(encoded, np.float64)
    return np.where(level <= 0.5, level**2 / 3, (np.exp((level - _HLG_C) / _HLG_A) + _HLG_B) / 12)
