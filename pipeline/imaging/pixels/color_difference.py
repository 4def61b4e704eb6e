"""How different two colours look: CIELAB and the CIEDE2000 difference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.pixels.color import srgb_to_linear

# Shape suffixes: N pixels, 3 the channels or coordinates.

Float = NDArray[np.float32]
Double = NDArray[np.float64]

RGB_TO_XYZ: Double = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""Linear sRGB to CIE XYZ, white at Y = 1 (IEC 61966-2-1)."""

_KNEE = (6 / 29) ** 3
_25_TO_7 = 25.0**7


def srgb_to_lab(rgb_N3: Float) -> Double:
    """CIELAB of sRGB-encoded values in [0, 1], with the white of sRGB (D65); any leading shape."""
    xyz = srgb_to_linear(rgb_N3).astype(np.float64) @ RGB_TO_XYZ.T / RGB_TO_XYZ.sum(axis=1)
    f = np.where(xyz > _KNEE, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e(lab_N3: Double, other_N3: Double) -> Double:
    """CIEDE2000 difference of two arrays of CIELAB colours, 0 or more.

    Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula". Below 1 hardly anyone sees
    a difference; above 3, side by side, most do.
    """
    L1, a1, b1 = np.moveaxis(lab_N3, -1, 0)
    L2, a2, b2 = np.moveaxis(other_N3, -1, 0)
    C_mean_7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(C_mean_7 / (C_mean_7 + _25_TO_7))
    C1, C2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1 = np.degrees(np.arctan2(b1, stretch * a1)) % 360
    h2 = np.degrees(np.arctan2(b2, stretch * a2)) % 360
    grey = C1 * C2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    dH = 2 * np.sqrt(C1 * C2) * np.sin(np.radians(turn / 2))
    h = np.where(
        grey,
        h1 + h2,
        np.where(np.abs(h1 - h2) <= 180, (h1 + h2) / 2, (h1 + h2 + 360) / 2 % 360),
    )
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    T = (
        1
        - 0.17 * np.cos(np.radians(h - 30))
        + 0.24 * np.cos(np.radians(2 * h))
        + 0.32 * np.cos(np.radians(3 * h + 6))
        - 0.20 * np.cos(np.radians(4 * h - 63))
    )
    S_L = 1 + 0.015 * (L - 50) ** 2 / np.sqrt(20 + (L - 50) ** 2)
    S_C, S_H = 1 + 0.045 * C, 1 + 0.015 * C * T
    R_C = 2 * np.sqrt(C**7 / (C**7 + _25_TO_7))
    R_T = -R_C * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    dL, dC = (L2 - L1) / S_L, (C2 - C1) / S_C
    squared = dL**2 + dC**2 + (dH / S_H) ** 2 + R_T * dC * dH / S_H
    return np.asarray(np.sqrt(np.maximum(squared, 0)))
