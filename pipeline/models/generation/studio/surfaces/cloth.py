"""Textiles: linen, velvet, silk and leather."""

from __future__ import annotations

import numpy as np

from pipeline.models.generation.studio.cellular_noise import cells
from pipeline.models.generation.studio.noise import smoothstep
from pipeline.models.generation.studio.surfaces.material import Float, Material, Patch, tinted

_THREADS = 70.0  # per product length


def linen(patch: Patch) -> Material:
    """A plain weave with the uneven threads of flax, lying in soft creases."""
    ground, noise = patch.ground, patch.noise
    x, z = _turned(patch, 0.12)
    fine = ground.footprint
    crease = noise.relief(
        x, z, wavelength=1.6, octaves=3, gain=0.45, footprint=fine, toward=patch.toward
    )
    pitch = 1 / _THREADS
    weft = noise.fbm(x, z, wavelength=pitch * 1.6, octaves=2, footprint=fine, stretch=(30.0, 1.0))
    warp = noise.fbm(x, z, wavelength=pitch * 1.6, octaves=2, footprint=fine, stretch=(1.0, 30.0))
    wobble = noise.fbm(x, z, wavelength=0.5, octaves=2, footprint=fine) * np.float32(0.6)
    seen = smoothstep(1.8, 5.0, pitch / fine)
    turn = np.float32(2 * np.pi * _THREADS / 2)
    weave = np.sin(x * turn + wobble) * np.sin(z * turn - wobble) * seen
    thickness = 1 + 0.07 * weft + 0.07 * warp + 0.1 * weave
    return Material(albedo_CHW=tinted(patch.tone, thickness) * _folded(crease, 0.09))


def velvet(patch: Patch) -> Material:
    """Pile: it swallows light seen along the hairs and glows on the flanks of its folds."""
    noise, fine = patch.noise, patch.ground.footprint
    x, z, facing = _draped(patch, pitch=1.1)
    brushed = noise.fbm(x, z, wavelength=0.5, octaves=4, gain=0.6, footprint=fine, stretch=(2, 1))
    hair = noise.fbm(x, z, wavelength=0.014, octaves=2, gain=0.8, footprint=fine)
    sheen = smoothstep(0.1, 1.0, facing) + 0.3 * smoothstep(0.3, 1.1, -facing)
    light = 0.34 + 0.42 * sheen + 0.03 * brushed
    return Material(albedo_CHW=tinted(patch.tone, 1.12 - 0.14 * sheen + 0.05 * hair) * light)


def silk(patch: Patch) -> Material:
    """Satin folds: a broad diffuse swell with a soft highlight along each ridge."""
    _, _, facing = _draped(patch, pitch=0.8)
    body = 0.66 + 0.26 * facing
    shine = np.exp(-(((facing - 0.72) / 0.2) ** 2)) + 0.3 * np.exp(-(((facing + 0.7) / 0.18) ** 2))
    albedo = tinted(patch.tone, 1.2 - 0.22 * facing) * body
    return Material(albedo_CHW=albedo + 0.16 * shine * (0.3 + 0.7 * albedo), gloss=0.02)


def leather(patch: Patch) -> Material:
    """Hide: a pebbled grain under a satin finish."""
    ground, noise = patch.ground, patch.noise
    x, z = ground.x_HW, ground.z_HW
    fine = ground.footprint
    pebble = cells(x * np.float32(28), z * np.float32(28), noise.rng)
    seen = smoothstep(1.8, 5.0, (1 / 28) / fine)
    valley = (1 - smoothstep(0.0, 0.3, pebble.border_HW)) * seen
    c, s = np.float32(np.cos(patch.toward)), np.float32(np.sin(patch.toward))
    dome = (pebble.dx_HW * c + pebble.dy_HW * s) * seen
    cloud = noise.fbm(x, z, wavelength=0.9, octaves=4, gain=0.55, footprint=fine)
    thickness = 1 + 0.08 * cloud + 0.14 * valley
    return Material(albedo_CHW=tinted(patch.tone, thickness) * (1 + 0.22 * dome), gloss=0.1)


def _draped(patch: Patch, *, pitch: float) -> tuple[Float, Float, Float]:
    """Cloth thrown in long folds: turned coordinates, and how far each place faces the light.

    Folds of cloth are arcs joined by narrow valleys, so the phase is bent to spend longer on the
    arcs.
    """
    ground, noise = patch.ground, patch.noise
    x, z = _turned(patch, 0.5)
    fine = ground.footprint
    sway = noise.fbm(x, z, wavelength=2.2, octaves=3, gain=0.38, footprint=fine, stretch=(1.0, 1.5))
    minor = noise.fbm(x, z, wavelength=0.9, octaves=2, gain=0.4, footprint=fine, stretch=(1.0, 2.0))
    phase = (x + 0.35 * z) * np.float32(2 * np.pi / pitch) + 1.9 * sway
    depth = smoothstep(-1.2, 1.0, noise.fbm(x, z, wavelength=1.7, octaves=1, footprint=fine))
    fold = np.sin(phase + 0.55 * np.sin(phase)) * (0.35 + 0.65 * depth) + 0.28 * minor
    side = 1.0 if np.cos(patch.toward) >= 0 else -1.0
    facing = np.asarray(side * np.tanh(1.1 * fold), dtype=np.float32)
    return x, z, facing


def _folded(slope_HW: Float, strength: float) -> Float:
    return np.asarray(1 + strength * np.tanh(slope_HW), dtype=np.float32)


def _turned(patch: Patch, most: float) -> tuple[Float, Float]:
    """Ground coordinates turned by a random angle: cloth never lies square to the camera."""
    yaw = patch.noise.rng.uniform(-most, most)
    c, s = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    ground = patch.ground
    x: Float = ground.x_HW * c + ground.z_HW * s
    z: Float = ground.z_HW * c - ground.x_HW * s
    return x, z
