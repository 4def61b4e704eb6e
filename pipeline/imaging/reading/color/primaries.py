"""Sets of primaries by their chromaticities, and the matrices between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

D65 = (0.3127, 0.3290)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
"""The white of ICC profiles' connection space (ICC.1:2022, 7.2.16)."""

_BRADFORD_33 = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""Cone response as ICC.1:2022, annex E.3, has it."""


class NoSuchPrimariesError(ValueError):
    """Chromaticities that no three lights and their white can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Primaries:
    """CIE 1931 x and y of three lights, and of the white that they make together."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


SRGB = Primaries(white=D65, red=(0.64, 0.33), green=(0.30, 0.60), blue=(0.15, 0.06))
"""IEC 61966-2-1 and ITU-R BT.709."""


def to_xyz(primaries: Primaries) -> Matrix:
    """The matrix from linear RGB to XYZ, white having Y = 1 (SMPTE RP 177); 3 x 3, for a column.

    Raises:
        NoSuchPrimariesError: on one line, or with a white that is not between them.
    """
    lights = (primaries.red, primaries.green, primaries.blue)
    if not np.isfinite((primaries.white, *lights)).all() or primaries.white[1] <= 0:
        raise NoSuchPrimariesError("chromaticities of no colour")
    xyz_33 = np.array([(x, y, 1 - x - y) for x, y in lights]).T
    if abs(np.linalg.det(xyz_33)) < 1e-4:  # sRGB's is .067
        raise NoSuchPrimariesError("primaries on one line")
    weights_3 = np.linalg.solve(xyz_33, _xyz(primaries.white))
    if (weights_3 <= 0).any():
        raise NoSuchPrimariesError("a white that is not between its primaries")
    return np.asarray(xyz_33 * weights_3)


def to_srgb(primaries: Primaries) -> Matrix:
    """The matrix from linear RGB of primaries to linear sRGB, white to white; 3 x 3, for a column.

    Adapted by Bradford where the whites differ.

    Raises:
        NoSuchPrimariesError: see `to_xyz`.
    """
    adapted_33 = to_xyz(primaries)
    if primaries.white != SRGB.white:
        adapted_33 = _adapted(_xyz(primaries.white), _xyz(SRGB.white)) @ adapted_33
    return np.asarray(np.linalg.solve(to_xyz(SRGB), adapted_33), np.float64)


def d50_to_srgb() -> Matrix:
    """The matrix from XYZ (D50) to linear sRGB, adapted by Bradford; 3 x 3, for a column."""
    return np.asarray(np.linalg.inv(to_xyz(SRGB)) @ _adapted(D50_XYZ, _xyz(SRGB.white)), np.float64)


def _xyz(white: tuple[float, float]) -> Matrix:
    x, y = white
    return np.array([x / y, 1, (1 - x - y) / y])


def _adapted(white_3: Matrix, into_3: Matrix) -> Matrix:
    """Colours seen under one white as they look under another (Lam 1985; ICC.1:2022, annex E)."""
    gain_3 = (_BRADFORD_33 @ into_3) / (_BRADFORD_33 @ white_3)
    return np.asarray(np.linalg.inv(_BRADFORD_33) @ (gain_3[:, None] * _BRADFORD_33), np.float64)
