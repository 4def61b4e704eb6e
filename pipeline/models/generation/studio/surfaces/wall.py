"""Plaster: what walls are made of unless the prompt says."""

from __future__ import annotations

from pipeline.models.generation.studio.surfaces.material import Material, Patch, tinted


def plaster(patch: Patch) -> Material:
    """Brushed on by hand: broad clouds of tone, the faintest strokes."""
    ground, noise = patch.ground, patch.noise
    x, z, fine = ground.x_HW, ground.z_HW, ground.footprint
    cloud = noise.fbm(x, z, wavelength=1.4, octaves=5, gain=0.6, footprint=fine)
    stroke = noise.fbm(x, z, wavelength=0.3, octaves=4, gain=0.65, footprint=fine, stretch=(1, 2.2))
    rough = noise.relief(
        x, z, wavelength=0.35, octaves=5, gain=0.8, footprint=fine, toward=patch.toward
    )
    albedo = tinted(patch.tone, 1 + 0.03 * cloud + 0.014 * stroke)
    return Material(albedo_CHW=albedo * (1 + 0.014 * rough))
