"""The pinhole camera: from where the product is in the frame to what each pixel sees of the set.

The film plane is kept vertical (a shift lens, as product photographers use), so upright things stay
upright and every picture row of the ground lies at one depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width. Lengths are in frame heights as seen at the product's depth.

Float = NDArray[np.float32]

_ELEVATION_DEG = 15.0  # how steeply the camera looks down on the ground at the product
_COVERED = 0.5  # alpha above which a pixel counts as product


@dataclass(frozen=True, kw_only=True, slots=True)
class Framing:
    """Where the product stands, in fractions of the frame height."""

    aspect: float
    """Width over height of the frame."""
    contact_x: float
    contact_y: float
    """The middle of the product and the line it stands on; `contact_x` in frame heights too."""
    vanish_y: float
    """Row where the ground plane would meet infinity."""
    scale: float
    """Length of one unit of surface texture: about the size of the product."""

    @property
    def rise(self) -> float:
        """Height of the camera above the ground."""
        return self.contact_y - self.vanish_y

    @property
    def focal(self) -> float:
        """Focal length, which equals the depth of the product."""
        return self.rise / float(np.tan(np.radians(_ELEVATION_DEG)))

    def row_of(self, nearness: float) -> float:
        """Picture row of the ground at 1/`nearness` times the product's depth."""
        return self.vanish_y + self.rise * nearness


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """The part of the ground plane seen by a block of pixel rows, in units of surface texture."""

    x_HW: Float
    """Across, 0 at the product."""
    z_HW: Float
    """Away from the camera, 0 at the product; shape (H, 1)."""
    nearness_H1: Float
    """Product's depth over this row's depth: 1 at the product, 0 at the vanishing line."""
    footprint_x_H1: Float
    footprint_z_H1: Float
    """Lengths on the ground that one pixel and its circle of confusion cover, across and away."""

    @property
    def footprint(self) -> Float:
        """The footprint of patterns without direction: the geometric mean of both; shape (H, 1)."""
        return np.asarray(np.sqrt(self.footprint_x_H1 * self.footprint_z_H1), dtype=np.float32)


def frame(alpha_HW: Float, *, open_air: bool) -> Framing:
    """Find the camera that would have photographed this product standing on a ground.

    Args:
        alpha_HW: coverage, [0, 1]; an empty one stands for a product of usual size in the middle.
        open_air: the ground reaches the horizon, which then wants to be higher in the frame than
        the
            back edge of a table.
    """
    height, width = alpha_HW.shape
    aspect = width / height
    covered = alpha_HW > _COVERED
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if rows.size:
        top, bottom = rows[0] / height, (rows[-1] + 1) / height
        left, right = columns[0] / height, (columns[-1] + 1) / height
    else:
        top, bottom, left, right = 0.35, 0.82, 0.3 * aspect, 0.7 * aspect
    contact_y = float(max(bottom, 0.35))
    rise = float(np.clip(0.45 * (bottom - top), 0.2, 0.38)) * (1.0 if open_air else 1.5)
    size = float(np.sqrt((bottom - top) * (right - left)))
    side = min(1.0, aspect)
    return Framing(
        aspect=aspect,
        contact_x=float((left + right) / 2),
        contact_y=contact_y,
        vanish_y=contact_y - rise,
        scale=float(np.clip(size, 0.4 * side, 0.8 * side)),
    )


def ground(framing: Framing, *, height: int, width: int, first_row: int, aperture: float) -> Ground:
    """What rows `first_row` to the bottom see of the ground.

    Args:
        framing: the camera.
        height: of the picture, pixels.
        width: of the picture, pixels.
        first_row: must lie under the vanishing line.
        aperture: diameter of the circle of confusion of a point at infinity, in frame heights.
    """
    y = (np.arange(first_row, height, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
    # Beyond 50 times the product's depth nothing is resolved; the floor keeps coordinates finite.
    nearness = np.maximum((y - framing.vanish_y) / framing.rise, 0.02).astype(np.float32)[:, None]
    blur = np.hypot(1 / height, aperture * np.abs(1 - nearness))
    foreshortening = framing.focal / framing.rise
    footprint_x = blur / nearness / framing.scale
    return Ground(
        x_HW=((x[None, :] - framing.contact_x) / nearness / framing.scale).astype(np.float32),
        z_HW=((1 / nearness - 1) * framing.focal / framing.scale).astype(np.float32),
        nearness_H1=nearness,
        footprint_x_H1=footprint_x.astype(np.float32),
        footprint_z_H1=(footprint_x * foreshortening / nearness).astype(np.float32),
    )
