"""How much light reaches each place of the set: a soft box over a floor and a wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.models.generation.studio.camera import Framing
from pipeline.models.generation.studio.gobo import Gobo, transmission
from pipeline.models.generation.studio.scene import Key

# Shape suffixes: h, w height and width of the reduced grid on which smooth layers are drawn.
# World axes: x right, up, z away from the camera; lengths in frame heights at the product's depth.

Float = NDArray[np.float32]

_DISTANCE = 1.7  # of the soft box from the product
_THROW = 2.2  # the shadow of a gobo is this much larger than the gobo
_BOX = 1.2  # side of the softest box
_SAMPLES = 3  # per side of the box


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The set seen row by row: where each picture row's ray ends, and the normal there."""

    z_h1: Float
    up_h1: Float
    normal_up_h1: Float
    normal_z_h1: Float


def profile(framing: Framing, y_h1: Float, *, wall_nearness: float, radius: float) -> Profile:
    """Follow the ray of each row to a floor that bends into an upright wall.

    Args:
        framing: the camera.
        y_h1: picture rows, fractions of the height.
        wall_nearness: product's depth over the wall's.
        radius: of the bend, as a share of the distance from product to wall.
    """
    m = (y_h1 - framing.vanish_y) / framing.focal  # the ray falls by m per unit of depth
    wall = framing.focal / wall_nearness
    bend = radius * (wall - framing.focal)
    floor_z = np.where(m > 1e-6, framing.rise / np.maximum(m, 1e-6), np.inf)
    # Ray against the circle of the bend, the far root of A z^2 - 2 B z + C = 0.
    a = wall - bend
    A, B = 1 + m * m, a + m * (framing.rise - bend)
    C = a * a + (framing.rise - bend) ** 2 - bend * bend
    arc_z = (B + np.sqrt(np.maximum(B * B - A * C, 0))) / A
    arc_up = framing.rise - m * arc_z
    on_floor = floor_z <= a
    on_arc = ~on_floor & (arc_up < bend) & (bend > 0)
    z = np.where(on_floor, floor_z, np.where(on_arc, arc_z, wall))
    up = np.where(on_floor, 0.0, framing.rise - m * z)
    safe = max(bend, 1e-6)
    normal_up = np.where(on_floor, 1.0, np.where(on_arc, (bend - up) / safe, 0.0))
    normal_z = np.where(on_floor, 0.0, np.where(on_arc, (a - z) / safe, -1.0))
    return Profile(
        z_h1=z.astype(np.float32),
        up_h1=up.astype(np.float32),
        normal_up_h1=normal_up.astype(np.float32),
        normal_z_h1=normal_z.astype(np.float32),
    )


def toward(key: Key) -> tuple[float, float, float]:
    """Unit vector (x, up, z) from the product to the light."""
    azimuth, elevation = np.radians(key.azimuth_deg), np.radians(key.elevation_deg)
    flat = float(np.cos(elevation))
    return flat * float(np.sin(azimuth)), float(np.sin(elevation)), -flat * float(np.cos(azimuth))


def irradiance(
    framing: Framing, shape: Profile, x_1w: Float, *, key: Key, gobo: Gobo | None
) -> Float:
    """Light on the set, h x w; 1 on average over the frame without a gobo.

    Lambert's cosine and the inverse square of the distance, summed over points of a square box that
    faces the product, plus an even fill. The inverse square is what makes a set look like a set:
    the far side of the table and the corners of the wall fall off.
    """
    x = (x_1w - framing.contact_x) * (shape.z_h1 / framing.focal)
    direction = np.asarray(toward(key))
    right, over = _across(direction)
    target = np.asarray((0.0, 0.3 * framing.rise, framing.focal))
    total = np.zeros(np.broadcast_shapes(x.shape, shape.z_h1.shape), dtype=np.float32)
    for i in range(_SAMPLES):
        for j in range(_SAMPLES):
            side = _BOX * key.softness / (_SAMPLES - 1)
            spot = (i - (_SAMPLES - 1) / 2) * side * right + (j - (_SAMPLES - 1) / 2) * side * over
            lamp = (target + _DISTANCE * direction + spot).astype(np.float32)
            dx, du, dz = lamp[0] - x, lamp[1] - shape.up_h1, lamp[2] - shape.z_h1
            square = dx * dx + du * du + dz * dz
            # Half of Lambert's cosine is wrapped round: every real studio has white walls.
            cosine = (shape.normal_up_h1 * du + shape.normal_z_h1 * dz) / np.sqrt(square)
            total += np.maximum(0.25 + 0.75 * cosine, 0.06) / square
    direct = total / _mean_by_part(total, shape.normal_up_h1)
    if gobo is not None:
        aim = _aim(framing, shape, direction)
        dx, du, dz = x - aim[0], shape.up_h1 - aim[1], shape.z_h1 - aim[2]
        u = dx * right[0] + du * right[1] + dz * right[2]
        v = dx * over[0] + du * over[1] + dz * over[2]
        direct = direct * transmission(gobo, u / _THROW, v / _THROW)
    return (key.fill + (1 - key.fill) * direct).astype(np.float32)


def _mean_by_part(total_hw: Float, normal_up_h1: Float) -> Float:
    """What a meter would read: the floor and an upright wall apart, a bend as a whole.

    A photographer lights the wall with a lamp of its own, until it holds its place beside the
    floor.
    """
    flat, upright = normal_up_h1[:, 0] > 0.999, normal_up_h1[:, 0] < 0.001
    mean = np.full_like(normal_up_h1, total_hw.mean())
    if np.all(flat | upright):
        for part, level in ((flat, 1.04), (upright, 0.97)):
            if part.any():
                mean[part] = total_hw[part].mean() / np.float32(level)
    return np.maximum(mean, np.float32(1e-6))


def _aim(framing: Framing, shape: Profile, direction: NDArray[np.float64]) -> Float:
    """Where on the wall the middle of a gobo falls: beside the product, away from the light."""
    far = float(shape.z_h1.max())
    side = -np.sign(direction[0]) * min(0.1, 0.14 * framing.aspect)
    up = framing.rise + (framing.vanish_y - 0.42 * framing.contact_y) * far / framing.focal
    return np.asarray((side * far / framing.focal, up, far), dtype=np.float32)


def _across(direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two unit vectors at right angles to `direction`: level, and over it."""
    right = np.cross((0.0, 1.0, 0.0), direction)
    right = right / max(float(np.linalg.norm(right)), 1e-6)
    return right, np.cross(direction, right)
