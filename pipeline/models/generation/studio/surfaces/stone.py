"""Mineral slabs: marble, slate, concrete, rough stone and terrazzo."""

from __future__ import annotations

import numpy as np

from pipeline.models.generation.studio.cellular_noise import cells
from pipeline.models.generation.studio.colors import Rgb, blend, luminance
from pipeline.models.generation.studio.noise import smoothstep
from pipeline.models.generation.studio.surfaces.material import (
    Float,
    Material,
    Patch,
    mixed,
    tinted,
    vein,
)


def marble(patch: Patch) -> Material:
    """Clouds and veins, drawn out along one slant by the pressure that made the stone."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    slant = rng.choice((-1, 1)) * rng.uniform(0.45, 0.9)
    c, s = np.float32(np.cos(slant)), np.float32(np.sin(slant))
    x = ground.x_HW * c + ground.z_HW * s
    z = ground.z_HW * c - ground.x_HW * s
    fine = ground.footprint
    warp_x = noise.fbm(x, z, wavelength=1.3, octaves=5, gain=0.42, footprint=fine)
    warp_z = noise.fbm(x, z, wavelength=1.1, octaves=5, gain=0.42, footprint=fine)
    x = x + np.float32(0.11) * warp_x
    z = z + np.float32(0.09) * warp_z
    long = (4.2, 1.0)
    broad = noise.fbm(x, z, wavelength=0.95, octaves=3, gain=0.4, footprint=fine, stretch=long)
    thin = noise.fbm(x, z, wavelength=0.5, octaves=3, gain=0.45, footprint=fine, stretch=long)
    presence = smoothstep(-0.5, 1.3, warp_x)
    bold = vein(broad, 0.085, fine, 0.95) * (0.12 + 0.88 * presence)
    halo = vein(broad, 0.6, fine, 0.95) * presence
    hair = vein(thin, 0.05, fine, 0.5) * smoothstep(0.1, 1.6, warp_z)
    cloud = noise.fbm(x, z, wavelength=0.7, octaves=4, gain=0.55, footprint=fine, stretch=long)
    if luminance(patch.tone) > 0.25:
        shade = 1 + 0.1 * np.maximum(cloud, -1) + 0.35 * halo
        base = tinted(blend(patch.tone, (0.74, 0.745, 0.75), 0.15), shade)
        ink: Rgb = blend(patch.tone, (0.13, 0.135, 0.15), 0.85)
        cover = np.clip(0.5 * bold + 0.3 * hair + 0.2 * halo, 0, 0.8)
    else:
        base = tinted(patch.tone, 1 - 0.09 * cloud - 0.1 * halo)
        ink = blend(patch.tone, (0.8, 0.78, 0.74), 0.8)
        cover = np.clip(0.62 * bold + 0.3 * hair + 0.02 * halo, 0, 0.8)
    return Material(albedo_CHW=mixed(base, ink, cover), gloss=0.3)


def concrete(patch: Patch) -> Material:
    """Cast and trowelled: broad stains, fine sand, a few air holes."""
    ground, noise = patch.ground, patch.noise
    fine = ground.footprint
    x, z = ground.x_HW, ground.z_HW
    stain = noise.fbm(x, z, wavelength=1.8, octaves=5, gain=0.6, footprint=fine)
    trowel = noise.fbm(x, z, wavelength=0.3, octaves=3, footprint=fine, stretch=(3.5, 1.0))
    grit = noise.fbm(x, z, wavelength=0.022, octaves=3, gain=0.8, footprint=fine)
    rough = noise.relief(
        x, z, wavelength=0.25, octaves=5, gain=0.8, footprint=fine, toward=patch.toward
    )
    holes = smoothstep(2.3, 2.9, noise.fbm(x, z, wavelength=0.06, octaves=1, footprint=fine))
    thickness = 1 - 0.085 * stain - 0.035 * trowel - 0.04 * grit
    albedo = tinted(patch.tone, thickness) * ((1 + 0.035 * rough) * (1 - 0.5 * holes))
    return Material(albedo_CHW=albedo, gloss=0.05)


def slate(patch: Patch) -> Material:
    """Split rock: shallow terraces in the light, a cool satin surface."""
    ground, noise = patch.ground, patch.noise
    fine = ground.footprint
    x, z = ground.x_HW, ground.z_HW
    sheet = noise.fbm(x, z, wavelength=0.9, octaves=5, gain=0.55, footprint=fine, stretch=(1.6, 1))
    ledge = noise.relief(
        x + 0.1 * sheet, z, wavelength=0.5, octaves=6, gain=0.7, footprint=fine, toward=patch.toward
    )
    split = vein(sheet - 0.6, 0.03, fine, 0.9) + vein(sheet + 0.5, 0.03, fine, 0.9)
    grit = noise.fbm(x, z, wavelength=0.02, octaves=3, gain=0.8, footprint=fine)
    thickness = 1 - 0.06 * sheet - 0.035 * grit + 0.1 * split
    relief = 1 + 0.16 * np.tanh(ledge) * (1 - 0.3 * split)
    return Material(albedo_CHW=tinted(patch.tone, thickness) * relief, gloss=0.1)


def stone(patch: Patch) -> Material:
    """A weathered slab: lumps, grain and mineral specks."""
    ground, noise = patch.ground, patch.noise
    fine = ground.footprint
    x, z = ground.x_HW, ground.z_HW
    hue = noise.fbm(x, z, wavelength=1.2, octaves=4, gain=0.6, footprint=fine)
    lumps = noise.relief(
        x, z, wavelength=0.7, octaves=7, gain=0.72, footprint=fine, toward=patch.toward
    )
    grit = noise.fbm(x, z, wavelength=0.03, octaves=4, gain=0.85, footprint=fine)
    specks = smoothstep(1.7, 2.4, noise.fbm(x, z, wavelength=0.02, octaves=1, footprint=fine))
    thickness = 1 - 0.1 * hue - 0.06 * grit + 0.25 * specks
    return Material(
        albedo_CHW=tinted(patch.tone, thickness) * (1 + np.float32(0.2) * np.tanh(lumps)),
        gloss=0.02,
    )


def terrazzo(patch: Patch) -> Material:
    """Polished chips of marble, two sizes, in a cement of the tone asked for."""
    ground = patch.ground
    albedo = tinted(patch.tone, np.ones_like(ground.x_HW))
    cloud = patch.noise.fbm(
        ground.x_HW, ground.z_HW, wavelength=1.0, octaves=3, footprint=ground.footprint
    )
    albedo = albedo * (1 + 0.02 * cloud)
    for spacing, share in ((0.045, 0.5), (0.12, 0.45)):
        albedo = _chips(patch, albedo, spacing, share)
    return Material(albedo_CHW=albedo, gloss=0.2)


_CHIPS: tuple[Rgb, ...] = (
    (0.78, 0.75, 0.70),
    (0.50, 0.33, 0.20),
    (0.14, 0.13, 0.13),
    (0.55, 0.22, 0.13),
    (0.30, 0.34, 0.30),
    (0.62, 0.55, 0.43),
)


def _chips(patch: Patch, albedo_CHW: Float, spacing: float, share: float) -> Float:
    ground, rng = patch.ground, patch.noise.rng
    bend = patch.noise.fbm(
        ground.x_HW, ground.z_HW, wavelength=spacing, octaves=2, footprint=ground.footprint
    )
    mosaic = cells(
        ground.x_HW / np.float32(spacing) + 0.12 * bend,
        ground.z_HW / np.float32(spacing) - 0.12 * bend,
        rng,
    )
    draw = rng.random(mosaic.count).astype(np.float32)
    chosen = draw < share
    inset = rng.uniform(0.12, 0.3, mosaic.count).astype(np.float32)
    soft = np.float32(0.02) + ground.footprint / np.float32(spacing)
    edge = mosaic.border_HW - inset.take(mosaic.index_HW)
    inside = chosen.take(mosaic.index_HW) * np.clip(edge / soft + 0.5, 0, 1)
    paint = np.asarray(_CHIPS, dtype=np.float32)[rng.integers(0, len(_CHIPS), mosaic.count)]
    paint = paint * rng.uniform(0.8, 1.15, (mosaic.count, 1)).astype(np.float32)
    color_CHW = paint.T[:, mosaic.index_HW]
    return albedo_CHW + (color_CHW - albedo_CHW) * (0.85 * inside)
