"""Boards of plain-sawn timber: growth rings, fibres, pores and the gaps between boards."""

from __future__ import annotations

import numpy as np

from pipeline.models.generation.studio.noise import smoothstep
from pipeline.models.generation.studio.surfaces.material import (
    Float,
    Material,
    Patch,
    line,
    tinted,
)

_BOARD = 0.62  # width of a board, in products
_RINGS = 17.0  # growth rings per product length
_GAP = 0.005  # half the gap between two boards


def wood(patch: Patch) -> Material:
    """Boards lying across the picture, a few degrees askew, each from another part of a log."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    yaw = rng.choice((-1, 1)) * rng.uniform(0.03, 0.16)
    c, s = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    along = ground.x_HW * c + ground.z_HW * s
    across = ground.z_HW * c - ground.x_HW * s + np.float32(rng.uniform(0.2, 0.45))
    place = across / np.float32(_BOARD)
    index = np.floor(place).astype(np.int32) & 63
    rim = (place - np.floor(place) - np.float32(0.5)) * np.float32(_BOARD)

    def per_board(low: float, high: float) -> Float:
        drawn: Float = rng.uniform(low, high, 64).astype(np.float32)
        return np.asarray(drawn[index])

    # Each board reads the log elsewhere: a large random shift along the grain.
    along = along + per_board(-40, 40)
    fine = ground.footprint
    sway = noise.fbm(along, across, wavelength=0.45, octaves=3, footprint=fine, stretch=(5.0, 1.0))
    pith = rim - per_board(-0.45, 0.45) + sway * np.float32(0.018)
    depth = per_board(0.12, 0.6) + np.float32(0.02) * along * per_board(0.3, 1.6)
    radius = np.hypot(pith, depth + sway * np.float32(0.03))
    rings = _rings(radius, fine)
    fibre = noise.fbm(
        along, across, wavelength=0.05, octaves=4, gain=0.75, footprint=fine, stretch=(22.0, 1.0)
    )
    pores = smoothstep(
        1.1,
        2.4,
        noise.fbm(along, across, wavelength=0.014, octaves=2, footprint=fine, stretch=(14.0, 1.0)),
    )
    cloud = noise.fbm(along, across, wavelength=1.1, octaves=2, footprint=fine, stretch=(3.0, 1.0))
    thickness = (
        1 + 0.085 * rings + 0.085 * fibre + 0.22 * pores + 0.07 * cloud + per_board(-0.13, 0.13)
    )
    gap = line(np.float32(_BOARD / 2) - np.abs(rim), _GAP, ground.footprint_z_H1)
    worn = line(np.float32(_BOARD / 2) - np.abs(rim), 4 * _GAP, ground.footprint_z_H1)
    albedo = tinted(patch.tone, thickness) * (1 - 0.82 * gap) * (1 - 0.12 * worn)
    return Material(albedo_CHW=albedo, gloss=0.14)


def _rings(radius_HW: Float, footprint_H1: Float) -> Float:
    """Sawtooth of early to late wood: three harmonics, each left out when too fine."""
    phase = radius_HW * np.float32(2 * np.pi * _RINGS)
    total = np.zeros_like(radius_HW)
    for k in (1, 2, 3):
        seen = smoothstep(1.6, 5.0, (1 / (_RINGS * k)) / footprint_H1)
        total += np.sin(phase * np.float32(k)) * (seen / np.float32(k))
    return total
