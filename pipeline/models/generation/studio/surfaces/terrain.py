"""Ground in the open: sand, snow, grass, moss, pebbles, fallen leaves and water."""

from __future__ import annotations

import numpy as np

from pipeline.models.generation.studio.cellular_noise import cells
from pipeline.models.generation.studio.noise import smoothstep
from pipeline.models.generation.studio.surfaces.material import Material, Patch, tinted


def sand(patch: Patch) -> Material:
    """Grains under wind ripples that come and go."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    x, z, fine = ground.x_HW, ground.z_HW, ground.footprint
    yaw = rng.uniform(-0.35, 0.35)
    sway = noise.fbm(x, z, wavelength=0.9, octaves=4, gain=0.45, footprint=fine)
    pitch = 0.26
    phase = (z * np.float32(np.cos(yaw)) + x * np.float32(np.sin(yaw))) / pitch + 0.42 * sway
    seen = smoothstep(1.6, 5.0, pitch / ground.footprint_z_H1)
    wave = phase * np.float32(2 * np.pi)
    ripple = (np.sin(wave) + 0.35 * np.sin(2 * wave + 0.7)) * seen
    gusts = smoothstep(-0.8, 1.0, noise.fbm(x, z, wavelength=1.8, octaves=2, footprint=fine))
    lumps = noise.relief(
        x, z, wavelength=0.5, octaves=6, gain=0.62, footprint=fine, toward=patch.toward
    )
    grain = noise.fbm(x, z, wavelength=0.016, octaves=3, gain=0.9, footprint=fine)
    light = 1 + 0.085 * ripple * gusts + 0.07 * np.tanh(lumps)
    return Material(albedo_CHW=tinted(patch.tone, 1 - 0.13 * grain) * light)


def snow(patch: Patch) -> Material:
    """Soft drifts; what turns from the light is lit by the sky and goes blue."""
    ground, noise = patch.ground, patch.noise
    x, z, fine = ground.x_HW, ground.z_HW, ground.footprint
    drift = noise.relief(
        x, z, wavelength=1.3, octaves=3, gain=0.5, footprint=fine, toward=patch.toward
    )
    crust = noise.relief(
        x, z, wavelength=0.12, octaves=4, gain=0.75, footprint=fine, toward=patch.toward
    )
    sparkle = smoothstep(2.4, 3.2, noise.fbm(x, z, wavelength=0.014, octaves=1, footprint=fine))
    facing = 0.12 * np.tanh(drift) + 0.035 * crust
    blue = np.asarray((1.25, 1.0, 0.7), dtype=np.float32)[:, None, None]
    tone = np.asarray(patch.tone, dtype=np.float32)[:, None, None]
    albedo = tone * (1.06 + facing * blue) + 0.2 * sparkle
    return Material(albedo_CHW=albedo.astype(np.float32))


def grass(patch: Patch) -> Material:
    """A lawn: sheets of upright blades leaning their own ways, the nearest blade wins."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    x, z, fine = ground.x_HW, ground.z_HW, ground.footprint_x_H1
    tussock = noise.fbm(x, z, wavelength=0.6, octaves=4, gain=0.6, footprint=fine)
    patchy = noise.fbm(x, z, wavelength=2.0, octaves=3, footprint=fine)
    crown = np.full_like(x, -4.0)
    for _ in range(4):
        # A blade stands up, so in the picture it covers far more depth than breadth.
        lean = np.float32(rng.uniform(-0.12, 0.12))
        bend = noise.fbm(x, z, wavelength=0.5, octaves=1, footprint=fine) * np.float32(0.012)
        blade = noise.fbm(
            x + z * lean + bend, z, wavelength=0.03, octaves=2, gain=0.6, footprint=fine,
            stretch=(1.0, 11.0),
        )  # fmt: skip
        crown = np.maximum(crown, blade)
    # Where blades melt into the blur their maximum is gone too: fade to its mean, not to black.
    seen = smoothstep(1.6, 7.0, 0.03 / fine)
    lit = 0.5 + (smoothstep(-0.7, 2.6, crown) - 0.5) * seen
    level = np.clip(lit + 0.09 * tussock + 0.05 * patchy, 0, 1.2)
    straw = np.asarray((1.3, 1.08, 0.8), dtype=np.float32)[:, None, None]
    warmth = np.clip(0.2 + 0.2 * patchy + 0.8 * (lit - 0.5), 0, 1)
    albedo = tinted(patch.tone, 1.25 - 0.3 * level) * (0.22 + 1.3 * level)
    return Material(albedo_CHW=albedo * (1 + (straw - 1) * warmth))


def moss(patch: Patch) -> Material:
    """Cushions of moss: soft lumps with bright tips."""
    ground, noise = patch.ground, patch.noise
    x, z, fine = ground.x_HW, ground.z_HW, ground.footprint
    lump = noise.fbm(x, z, wavelength=0.4, octaves=3, gain=0.5, footprint=fine)
    slope = noise.relief(
        x, z, wavelength=0.3, octaves=3, gain=0.7, footprint=fine, toward=patch.toward
    )
    tips = noise.fbm(x, z, wavelength=0.035, octaves=3, gain=0.85, footprint=fine)
    light = (0.8 + 0.2 * np.tanh(slope)) * (1 + 0.3 * np.tanh(tips) + 0.07 * lump)
    albedo = tinted(patch.tone, 1 - 0.12 * np.tanh(tips) - 0.08 * lump)
    return Material(albedo_CHW=albedo * np.maximum(light, 0.1))


def pebbles(patch: Patch) -> Material:
    """Rounded stones of many greys."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    fine = ground.footprint
    spacing = 0.13
    field = cells(ground.x_HW / np.float32(spacing), ground.z_HW / np.float32(spacing), rng)
    gap = smoothstep(0.0, 0.28, field.border_HW + 0.1 * fine / spacing)
    seen = smoothstep(1.2, 4.0, spacing / fine)
    c, s = np.float32(np.cos(patch.toward)), np.float32(np.sin(patch.toward))
    dome = 1 + 0.55 * (field.dx_HW * c + field.dy_HW * s) * seen
    grain = noise.fbm(
        ground.x_HW, ground.z_HW, wavelength=0.05, octaves=4, gain=0.7, footprint=fine
    )
    each = rng.uniform(0.55, 1.35, field.count).astype(np.float32).take(field.index_HW)
    albedo = tinted(patch.tone, 1 + (each - 1) * seen - 0.06 * grain)
    shade = 1 - (1 - (0.22 + 0.78 * gap)) * (0.3 + 0.7 * seen)
    return Material(albedo_CHW=albedo * (dome * shade), gloss=0.03)


_LEAF_TONES = ((0.42, 0.13, 0.03), (0.55, 0.27, 0.05), (0.22, 0.07, 0.03), (0.36, 0.2, 0.07))


def leaves(patch: Patch) -> Material:
    """A litter of autumn leaves, two sheets deep."""
    ground, noise, rng = patch.ground, patch.noise, patch.noise.rng
    fine = ground.footprint
    albedo = tinted((0.05, 0.03, 0.018), np.ones_like(ground.x_HW))
    for spacing in (0.1, 0.15):
        bend = noise.fbm(
            ground.x_HW, ground.z_HW, wavelength=spacing, octaves=3, gain=0.6, footprint=fine
        )
        field = cells(
            ground.x_HW / np.float32(spacing) + 0.1 * bend,
            ground.z_HW / np.float32(1.25 * spacing) - 0.1 * bend,
            rng,
        )
        palette = np.asarray(_LEAF_TONES, dtype=np.float32)
        paint = palette[rng.integers(0, len(palette), field.count)]
        paint = paint * rng.uniform(0.6, 1.3, (field.count, 1)).astype(np.float32)
        c, s = np.float32(np.cos(patch.toward)), np.float32(np.sin(patch.toward))
        curl = 1 + 0.5 * (field.dx_HW * c + field.dy_HW * s)
        rim = np.minimum(0.1 + 0.1 * fine / spacing, 0.14)
        cover = smoothstep(0.5 * rim, 2 * rim, field.border_HW)
        shaded = albedo * np.float32(0.55)
        albedo = np.asarray(
            shaded + (paint.T[:, field.index_HW] * curl - shaded) * cover, dtype=np.float32
        )
    return Material(albedo_CHW=albedo)


def water(patch: Patch) -> Material:
    """Rippled water: nearly all of it is the mirror image of what stands behind."""
    ground, noise = patch.ground, patch.noise
    x, z = ground.x_HW, ground.z_HW * np.float32(0.8)
    swell = noise.relief(
        x, z, wavelength=0.9, octaves=6, gain=0.62, footprint=ground.footprint, toward=np.pi / 2
    )
    depth = np.ones_like(x) - 0.12 * swell
    # A facet tilted by a moves the mirror image by 2a; seen from afar the throw shrinks with
    # nearness.
    return Material(
        albedo_CHW=tinted(patch.tone, depth), gloss=1.0, tilt_HW=swell * np.float32(0.045)
    )
