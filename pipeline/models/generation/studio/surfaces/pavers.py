"""Floors laid in a pattern, and the plain polished sheet."""

from __future__ import annotations

import numpy as np

from pipeline.models.generation.studio.surfaces.material import Material, Patch, line, mixed, tinted

_TILE = 0.7  # side of a tile, in products
_GROUT = 0.007  # half the width of a joint


def tiles(patch: Patch) -> Material:
    """Square glazed tiles with pale joints, each fired a little differently."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    shift_x, shift_z = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7)
    u = ground.x_HW / np.float32(_TILE) + np.float32(shift_x)
    v = ground.z_HW / np.float32(_TILE) + np.float32(shift_z)
    index = (np.floor(v).astype(np.int32) & 31) * 32 + (np.floor(u).astype(np.int32) & 31)
    fired = rng.uniform(-0.06, 0.06, 1024).astype(np.float32).take(index)
    cloud = noise.fbm(
        ground.x_HW, ground.z_HW, wavelength=0.5, octaves=5, footprint=ground.footprint
    )
    from_x = (np.abs(u - np.floor(u) - 0.5) - np.float32(0.5)) * np.float32(_TILE)
    from_z = (np.abs(v - np.floor(v) - 0.5) - np.float32(0.5)) * np.float32(_TILE)
    joint = np.maximum(
        line(from_x, _GROUT, ground.footprint_x_H1), line(from_z, _GROUT, ground.footprint_z_H1)
    )
    albedo = tinted(patch.tone, 1 + fired + 0.025 * cloud)
    dark = sum(patch.tone) < 0.9
    grout = (0.2, 0.19, 0.18) if dark else (0.42, 0.41, 0.39)
    return Material(albedo_CHW=mixed(albedo, grout, np.float32(0.8) * joint), gloss=0.22)


def acrylic(patch: Patch) -> Material:
    """A polished sheet without texture: all it shows is a soft mirror image."""
    flat = np.ones_like(patch.ground.x_HW)
    return Material(albedo_CHW=tinted(patch.tone, flat), gloss=0.6)


def plain(patch: Patch) -> Material:
    """A painted or papered plane; the finest tooth of paper and nothing else."""
    ground = patch.ground
    tooth = patch.noise.fbm(
        ground.x_HW, ground.z_HW, wavelength=0.02, octaves=2, footprint=ground.footprint
    )
    return Material(albedo_CHW=tinted(patch.tone, 1 + 0.008 * tooth), gloss=0.02)


def brick(patch: Patch) -> Material:
    """Running bond: rows shifted by half a brick, recessed mortar, no two bricks of one colour."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    length, rise = np.float32(0.46), np.float32(0.15)
    v = ground.z_HW / rise + np.float32(rng.uniform(0, 1))
    course = np.floor(v)
    u = ground.x_HW / length + np.float32(rng.uniform(0, 1)) + 0.5 * (course % 2)
    index = (course.astype(np.int32) & 31) * 32 + (np.floor(u).astype(np.int32) & 31)
    fired = rng.normal(0, 0.13, 1024).astype(np.float32).take(index)
    fine = ground.footprint
    rough = noise.relief(
        ground.x_HW, ground.z_HW, wavelength=0.15, octaves=5, gain=0.75, footprint=fine,
        toward=patch.toward,
    )  # fmt: skip
    stain = noise.fbm(ground.x_HW, ground.z_HW, wavelength=0.9, octaves=5, gain=0.6, footprint=fine)
    wobble = noise.fbm(ground.x_HW, ground.z_HW, wavelength=0.07, octaves=3, footprint=fine) * 0.003
    from_x = (np.abs(u - np.floor(u) - 0.5) - np.float32(0.5)) * length + wobble
    from_z = (np.abs(v - course - 0.5) - np.float32(0.5)) * rise + wobble
    joint = np.maximum(
        line(from_x, 0.011, ground.footprint_x_H1), line(from_z, 0.011, ground.footprint_z_H1)
    )
    albedo = tinted(patch.tone, 1 + fired - 0.07 * stain) * (1 + 0.07 * rough)
    lime = max(patch.tone)
    mortar = (0.3 + 0.5 * lime, 0.285 + 0.48 * lime, 0.26 + 0.45 * lime)
    return Material(albedo_CHW=mixed(albedo, mortar, np.float32(0.75) * joint))
