"""A scene to pixels: backdrop, ground and light, put together in linear light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.models.generation.studio import camera, light
from pipeline.models.generation.studio.backdrops import BACKDROPS
from pipeline.models.generation.studio.backdrops.city import sprinkle
from pipeline.models.generation.studio.backdrops.painted_canvas import Canvas, planes
from pipeline.models.generation.studio.camera import Framing, Ground
from pipeline.models.generation.studio.gobo import gobo
from pipeline.models.generation.studio.noise import Noise, Tiles, smoothstep
from pipeline.models.generation.studio.optics import defocus, develop, enlarge
from pipeline.models.generation.studio.scene import Key, Scene
from pipeline.models.generation.studio.surfaces import OPEN_AIR, SURFACES
from pipeline.models.generation.studio.surfaces.material import Material, Patch

# Shape suffixes: C colour channel, H, W the picture; h, w the reduced grid of the smooth layers.

Float = NDArray[np.float32]

_GRID = 384  # long side of the reduced grid: fixed, so that no scene depends on the picture's size
_APERTURE = 0.02  # circle of confusion of the ground at infinity, in frame heights
_TABLE_EDGE, _TABLE_WALL = 0.4, 0.3  # nearness of a table's back edge and of the wall behind it
_SWEEP_WALL, _SWEEP_BEND = 0.42, 0.85
_WALL_BLUR = 0.006
_POLISH = (
    0.85  # a mirror image is darker than what it shows, even where physics would allow all of it
)
_SHORE = {
    "sea": 0.2,
    "sunset_sea": 0.2,
}  # where the sand ends; other open ground runs to the horizon
_OPEN_EDGE = 0.07
_SUN_FALL = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """How the set is photographed, whatever it is."""

    aperture: float
    exposure: float
    vignette: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shoot:
    """One picture being taken: what all the layers share."""

    scene: Scene
    framing: Framing
    lens: Lens
    tiles: Tiles
    seed: int
    height: int
    width: int
    x_1w: Float
    y_h1: Float

    def noise(self, layer: int) -> Noise:
        """A stream of its own per layer: changing one layer leaves the others as they were."""
        stream = np.random.SeedSequence([self.seed, layer])
        return Noise(self.tiles, np.random.Generator(np.random.PCG64(stream)))

    def enlarged(self, layer: Float, first_row: int, last_row: int) -> Float:
        rows = (np.arange(first_row, last_row, dtype=np.float32) + 0.5) / self.height
        columns = (np.arange(self.width, dtype=np.float32) + 0.5) / self.width
        return enlarge(layer, rows.astype(np.float32), columns.astype(np.float32))


def render(
    scene: Scene, alpha_HW: Float, *, seed: int, lens: Lens, tiles: Tiles
) -> tuple[Float, float]:
    """Photograph a scene around a product.

    Returns:
        The picture, H x W x C, sRGB-encoded in [0, 1], and the row of the ground's far edge as a
        fraction of the height.
    """
    height, width = alpha_HW.shape
    shoot = _Shoot(
        scene=replace(scene, key=_nudged(scene.key, seed)),
        framing=camera.frame(alpha_HW, open_air=scene.surface in OPEN_AIR),
        lens=lens,
        tiles=tiles,
        seed=seed,
        height=height,
        width=width,
        x_1w=_axis(width / max(height, width)).reshape(1, -1) * np.float32(width / height),
        y_h1=_axis(height / max(height, width)).reshape(-1, 1),
    )
    if scene.surface == "sweep":
        picture_CHW, edge = _sweep(shoot)
    else:
        picture_CHW, edge = _set(shoot)
    white = planes(shoot.scene.key.white_rgb) * np.float32(shoot.scene.key.exposure * lens.exposure)
    finish = shoot.enlarged(_vignette(shoot)[None], 0, height)
    return develop(picture_CHW * (finish * white)), float(np.clip(edge, 0.0, 1.0))


def _axis(share: float) -> Float:
    count = max(round(_GRID * share), 24)
    return ((np.arange(count, dtype=np.float32) + 0.5) / count).astype(np.float32)


def _nudged(key: Key, seed: int) -> Key:
    """No two photographers hang the lamp in quite the same place."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0])))
    return replace(
        key,
        azimuth_deg=key.azimuth_deg + rng.uniform(-8, 8),
        elevation_deg=float(np.clip(key.elevation_deg + rng.uniform(-4, 4), 8, 88)),
    )


def _vignette(shoot: _Shoot) -> Float:
    dx = shoot.x_1w / np.float32(shoot.framing.aspect) - np.float32(0.5)
    dy = shoot.y_h1 - np.float32(0.5)
    return 1 - np.float32(shoot.lens.vignette) * smoothstep(0.1, 1.0, (dx * dx + dy * dy) * 2)


def _sweep(shoot: _Shoot) -> tuple[Float, float]:
    """Paper that rises from the floor without an edge: only the light tells where it bends."""
    shape = light.profile(shoot.framing, shoot.y_h1, wall_nearness=_SWEEP_WALL, radius=_SWEEP_BEND)
    lit = light.irradiance(shoot.framing, shape, shoot.x_1w, key=shoot.scene.key, gobo=None)
    picture = planes(shoot.scene.surface_tone) * shoot.enlarged(lit[None], 0, shoot.height)
    return picture, shoot.framing.row_of(_SWEEP_WALL)


def _set(shoot: _Shoot) -> tuple[Float, float]:
    """Ground in front, something behind, and the blurred line where they meet."""
    scene, framing = shoot.scene, shoot.framing
    open_air = scene.surface in OPEN_AIR
    edge_nearness = _SHORE.get(scene.backdrop, _OPEN_EDGE) if open_air else _TABLE_EDGE
    if scene.backdrop == "wall":
        edge_nearness = _TABLE_EDGE
    edge = framing.row_of(edge_nearness)
    wall_nearness = _TABLE_WALL if scene.backdrop == "wall" or not open_air else edge_nearness
    # The strip of floor between a table and the wall is out of sight: light the wall down to the
    # edge.
    lit = _light_on(shoot, edge_nearness)
    behind_Chw = _behind(shoot, edge, wall_nearness, lit)
    blur = _APERTURE * shoot.lens.aperture * (1 - edge_nearness)
    first = int(np.clip(np.floor((edge - blur) * shoot.height), 0, shoot.height - 1))
    last_behind = int(np.clip(np.ceil((edge + blur) * shoot.height) + 1, 0, shoot.height))
    ground_CHW = _ground(shoot, first, behind_Chw, lit, mirror=framing.row_of(wall_nearness))
    picture = np.empty((3, shoot.height, shoot.width), dtype=np.float32)
    picture[:, first:] = ground_CHW
    if last_behind > 0:
        behind = shoot.enlarged(behind_Chw, 0, last_behind)
        picture[:, :first] = behind[:, :first]
        rows = (np.arange(first, last_behind) + 0.5) / shoot.height
        half = max(blur, 0.7 / shoot.height)
        cover = smoothstep(edge - half, edge + half, rows.astype(np.float32))[:, None]
        meeting = picture[:, first:last_behind]
        picture[:, first:last_behind] = behind[:, first:] * (1 - cover) + meeting * cover
    return picture, edge


def _light_on(shoot: _Shoot, wall_nearness: float) -> Float:
    key, framing = shoot.scene.key, shoot.framing
    mask = gobo(key.gobo, shoot.noise(1).rng, softness=key.softness) if key.gobo else None
    shape = light.profile(framing, shoot.y_h1, wall_nearness=wall_nearness, radius=0.0)
    lit = light.irradiance(framing, shape, shoot.x_1w, key=key, gobo=mask)
    # The sun is too far away for its light to fall off; clouds and haze leave a little.
    return 1 + _SUN_FALL * (lit - 1) if shoot.scene.surface in OPEN_AIR else lit


def _behind(shoot: _Shoot, edge: float, wall_nearness: float, lit_hw: Float) -> Float:
    """What is behind the ground, blurred by the lens, C x h x w."""
    scene, framing = shoot.scene, shoot.framing
    place = BACKDROPS.get(scene.backdrop)
    blur = (place.blur if place else _WALL_BLUR) * shoot.lens.aperture
    sun = light.toward(scene.key)[0]
    canvas = Canvas(
        x_1w=shoot.x_1w - np.float32(framing.aspect / 2),
        y_h1=shoot.y_h1,
        horizon=framing.vanish_y,
        floor=edge,
        aspect=framing.aspect,
        noise=shoot.noise(2),
        tone=scene.backdrop_tone,
        accents=scene.accents,
        sun=1.0 if sun > 0 else -1.0,
        blur=blur,
    )
    if place is not None:
        picture = place.paint(canvas)
    else:
        picture = _wall(shoot, canvas, wall_nearness) * lit_hw
    if scene.lights:
        lamps = replace(canvas, noise=shoot.noise(3))
        picture = picture + sprinkle(lamps, scene.accents or ((1.0, 0.66, 0.3),), density=0.6)
    return defocus(picture, blur / canvas.pixel)


def _wall(shoot: _Shoot, canvas: Canvas, wall_nearness: float) -> Float:
    """A surface stood upright: its `z` is the height on the wall."""
    scene, framing = shoot.scene, shoot.framing
    unit = np.float32(framing.scale * wall_nearness)
    footprint = np.full_like(shoot.y_h1, canvas.pixel / unit)
    upright = Ground(
        x_HW=(shoot.x_1w - np.float32(framing.contact_x)) / unit + 0 * shoot.y_h1,
        z_HW=(np.float32(framing.row_of(wall_nearness)) - shoot.y_h1) / unit,
        nearness_H1=np.ones_like(shoot.y_h1),
        footprint_x_H1=footprint,
        footprint_z_H1=footprint,
    )
    over, up, _ = light.toward(scene.key)
    patch = Patch(
        ground=upright,
        tone=scene.backdrop_tone,
        noise=canvas.noise,
        toward=float(np.arctan2(up, over)),
    )
    return SURFACES[scene.wall](patch).albedo_CHW


def _ground(shoot: _Shoot, first: int, behind_Chw: Float, lit_hw: Float, *, mirror: float) -> Float:
    """The lit ground from row `first` down, with the mirror image its polish shows."""
    scene = shoot.scene
    block = camera.ground(
        shoot.framing,
        height=shoot.height,
        width=shoot.width,
        first_row=first,
        aperture=_APERTURE * shoot.lens.aperture,
    )
    over, _, away = light.toward(scene.key)
    patch = Patch(
        ground=block,
        tone=scene.surface_tone,
        noise=shoot.noise(4),
        toward=float(np.arctan2(away, over)),
    )
    material = SURFACES[scene.surface](patch)
    lit = shoot.enlarged(lit_hw[None], first, shoot.height)
    ground = material.albedo_CHW * lit
    if material.gloss > 0:
        share = _reflectance(shoot, block, material.gloss)
        mirrored = _mirrored(shoot, behind_Chw, material, first, mirror)
        ground = ground + (mirrored * _POLISH - ground) * share
    return ground.astype(np.float32)


def _reflectance(shoot: _Shoot, block: Ground, gloss: float) -> Float:
    """Schlick's approximation of Fresnel's law, 4 % at normal incidence; shape (H, 1)."""
    fall = block.nearness_H1 * np.float32(shoot.framing.rise / shoot.framing.focal)
    cosine = fall / np.sqrt(1 + fall * fall)
    return np.asarray(gloss * (0.04 + 0.96 * (1 - cosine) ** 5), dtype=np.float32)


def _mirrored(
    shoot: _Shoot, behind_Chw: Float, material: Material, first: int, mirror: float
) -> Float:
    """The backdrop upside down, smeared by the roughness of the ground."""
    h, w = behind_Chw.shape[1:]
    still = material.tilt_HW is None
    smear = (0.045 if still else 0.01) * h
    soft = ndimage.gaussian_filter(behind_Chw, (0, smear, 0.35 * smear), mode="nearest")
    y = (np.arange(first, shoot.height, dtype=np.float32) + 0.5) / np.float32(shoot.height)
    image_y = np.clip(2 * np.float32(mirror) - y, 0, None)
    columns = (np.arange(shoot.width, dtype=np.float32) + 0.5) / np.float32(shoot.width)
    if material.tilt_HW is None:
        return enlarge(soft, image_y, columns.astype(np.float32))
    rows = (np.abs(image_y[:, None] - material.tilt_HW) * h - 0.5).astype(np.float32)
    at = np.stack(np.broadcast_arrays(rows, (columns * w - 0.5)[None, :]))
    planes_ = [ndimage.map_coordinates(plane, at, order=1, mode="nearest") for plane in soft]
    return np.stack(planes_).astype(np.float32)
