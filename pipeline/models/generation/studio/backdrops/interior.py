"""Rooms far out of focus: the light from a window, the masses of furniture, a lamp or two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.models.generation.studio.backdrops.painted_canvas import (
    Canvas,
    Float,
    box,
    fill,
    glow,
    gradient,
    over,
    planes,
    points,
)
from pipeline.models.generation.studio.colors import Rgb, blend
from pipeline.models.generation.studio.noise import smoothstep

_DAY: Rgb = (2.0, 2.1, 2.25)
_LAMP: Rgb = (1.0, 0.62, 0.28)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A piece of furniture: centre and width in visible heights, bottom and top as shares of it."""

    x: float
    width: float
    bottom: float
    top: float
    rgb: Rgb


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a kind of room holds."""

    blocks: tuple[Block, ...]
    window: Rgb | None = _DAY
    shelves: tuple[float, ...] = ()
    """Heights of shelves with things on them."""
    things: tuple[Rgb, ...] = ((0.75, 0.72, 0.66), (0.45, 0.3, 0.18), (0.3, 0.36, 0.3))
    lamps: int = 0
    plant: bool = False


_WOOD: Rgb = (0.36, 0.2, 0.1)
KITCHEN = Room(
    blocks=(
        Block(x=0.0, width=9.0, bottom=-1.0, top=0.2, rgb=(0.5, 0.5, 0.47)),
        Block(x=0.0, width=9.0, bottom=0.2, top=0.235, rgb=(0.75, 0.72, 0.66)),
        Block(x=-0.75, width=0.5, bottom=0.62, top=1.2, rgb=(0.6, 0.59, 0.55)),
        Block(x=0.95, width=0.35, bottom=0.235, top=1.2, rgb=(0.42, 0.43, 0.42)),
    ),
    shelves=(0.62,),
    lamps=2,
    plant=True,
)
LIVING = Room(
    blocks=(
        Block(x=0.45, width=1.0, bottom=-0.05, top=0.26, rgb=(0.34, 0.33, 0.31)),
        Block(x=0.45, width=0.92, bottom=0.2, top=0.42, rgb=(0.4, 0.385, 0.36)),
        Block(x=0.2, width=0.2, bottom=0.24, top=0.4, rgb=(0.5, 0.25, 0.12)),
        Block(x=0.35, width=0.34, bottom=0.62, top=0.95, rgb=(0.2, 0.18, 0.16)),
        Block(x=0.35, width=0.28, bottom=0.65, top=0.92, rgb=(0.72, 0.66, 0.56)),
        Block(x=0.0, width=9.0, bottom=-1.0, top=-0.02, rgb=_WOOD),
    ),
    lamps=1,
    plant=True,
)
BEDROOM = Room(
    blocks=(
        Block(x=0.35, width=1.2, bottom=0.2, top=0.6, rgb=(0.42, 0.36, 0.3)),
        Block(x=0.35, width=1.15, bottom=-0.2, top=0.28, rgb=(0.82, 0.8, 0.77)),
        Block(x=0.15, width=0.32, bottom=0.24, top=0.42, rgb=(0.88, 0.86, 0.84)),
        Block(x=0.58, width=0.32, bottom=0.24, top=0.42, rgb=(0.85, 0.82, 0.79)),
    ),
    lamps=1,
)
BATHROOM = Room(
    blocks=(
        Block(x=0.0, width=9.0, bottom=-1.0, top=0.34, rgb=(0.66, 0.69, 0.68)),
        Block(x=0.35, width=0.5, bottom=0.48, top=1.0, rgb=(0.86, 0.9, 0.92)),
        Block(x=-0.15, width=0.16, bottom=0.3, top=0.62, rgb=(0.85, 0.83, 0.8)),
        Block(x=0.4, width=0.9, bottom=-0.2, top=0.2, rgb=(0.62, 0.5, 0.36)),
    ),
    shelves=(0.36,),
    things=((0.8, 0.78, 0.74), (0.25, 0.36, 0.33), (0.7, 0.55, 0.38)),
    plant=True,
)
CAFE = Room(
    blocks=(
        Block(x=0.0, width=9.0, bottom=-1.0, top=0.24, rgb=(0.13, 0.075, 0.045)),
        Block(x=0.3, width=1.0, bottom=0.24, top=0.3, rgb=_WOOD),
        Block(x=0.55, width=0.4, bottom=0.6, top=0.95, rgb=(0.05, 0.05, 0.05)),
        Block(x=0.1, width=0.24, bottom=0.28, top=0.5, rgb=(0.35, 0.34, 0.33)),
    ),
    shelves=(0.52, 0.74),
    things=((0.6, 0.4, 0.2), (0.3, 0.2, 0.1), (0.55, 0.5, 0.42), (0.12, 0.18, 0.12)),
    lamps=6,
)
OFFICE = Room(
    blocks=(
        Block(x=0.0, width=9.0, bottom=-1.0, top=0.1, rgb=(0.4, 0.36, 0.31)),
        Block(x=0.45, width=0.5, bottom=0.3, top=0.62, rgb=(0.06, 0.07, 0.08)),
        Block(x=0.45, width=1.1, bottom=0.1, top=0.16, rgb=(0.55, 0.4, 0.26)),
        Block(x=-0.2, width=0.4, bottom=0.0, top=0.8, rgb=(0.6, 0.61, 0.6)),
    ),
    shelves=(0.72,),
    things=((0.3, 0.38, 0.45), (0.7, 0.68, 0.64), (0.5, 0.3, 0.2)),
    plant=True,
)
SHOP = Room(
    blocks=(Block(x=0.0, width=9.0, bottom=-1.0, top=0.12, rgb=(0.42, 0.3, 0.2)),),
    window=None,
    shelves=(0.25, 0.5, 0.75),
    things=((0.75, 0.66, 0.56), (0.3, 0.26, 0.22), (0.6, 0.4, 0.3), (0.8, 0.78, 0.74)),
    lamps=5,
)


def room(canvas: Canvas, what: Room) -> Float:
    """A furnished room, mirrored so that the window is on the light's side."""
    rng, reach = canvas.rng, canvas.reach
    away = -np.sign(canvas.sun)  # furniture stands on the side the light does not come from
    x = canvas.x_1w / np.float32(max(canvas.aspect, 0.2)) * np.float32(canvas.sun)
    fall = np.clip(0.72 + 0.5 * x, 0.3, 1.3) * (0.82 + 0.22 * canvas.up_h1)
    picture = fill(canvas, canvas.tone) * fall
    shift = rng.uniform(-0.12, 0.12) * reach
    if what.window is not None:
        picture = _window(canvas, picture, what.window)
    for block in what.blocks:
        middle = away * block.x * reach + shift
        half = block.width * reach * rng.uniform(0.92, 1.08) / 2
        cover = box(canvas, middle - half, middle + half, block.bottom, block.top, 0.012 * reach)
        shade = np.clip(0.8 + 0.35 * (canvas.x_1w - middle) / half * canvas.sun, 0.5, 1.25)
        picture = over(picture, planes(block.rgb) * shade * fall, cover)
    for level in what.shelves:
        picture = _shelf(canvas, picture, level, what.things, away)
    if what.plant:
        picture = _plant(canvas, picture, away)
    lit: Float = picture + _lamps(canvas, what.lamps)
    return lit


def _window(canvas: Canvas, picture: Float, light: Rgb) -> Float:
    """A tall window on the light's side, greenery and sky in it, a curtain beside it."""
    reach = canvas.reach
    middle = np.sign(canvas.sun) * min(0.62 * reach, 0.36 * canvas.aspect)
    half = 0.24 * reach
    view = gradient(
        canvas.up_h1 + 0 * canvas.x_1w,
        ((0.25, blend(light, (0.42, 0.5, 0.33), 0.8)), (0.75, light)),
    )
    pane = box(canvas, middle - half, middle + half, 0.28, 1.1, 0.01 * reach)
    bars = box(canvas, middle - 0.012 * reach, middle + 0.012 * reach, 0.28, 1.1)
    bars = np.maximum(bars, box(canvas, middle - half, middle + half, 0.69, 0.715))
    picture = over(picture, view, pane * (1 - 0.85 * bars))
    for end in (-1, 1):
        edge = middle + end * half
        curtain = box(canvas, edge - 0.1 * reach, edge + 0.1 * reach, 0.05, 1.2, 0.02 * reach)
        folds = 1 + 0.12 * np.sin(canvas.x_1w * np.float32(110 / reach))
        picture = over(picture, planes((0.8, 0.77, 0.71)) * folds, 0.8 * curtain)
    haze = glow(canvas, middle, 0.7, 0.7 * reach)
    return picture + planes(light) * (0.1 * haze)


def _shelf(
    canvas: Canvas, picture: Float, level: float, things: tuple[Rgb, ...], away: float
) -> Float:
    rng, reach = canvas.rng, canvas.reach
    left = min(-0.1 * reach, -0.1 * canvas.aspect)
    right = max(1.0 * reach, 0.55 * canvas.aspect)
    left, right = (left, right) if away > 0 else (-right, -left)
    x = left
    while x < right:
        width, tall = rng.uniform(0.035, 0.1) * reach, rng.uniform(0.05, 0.17)
        rgb = things[int(rng.integers(len(things)))]
        cover = box(canvas, x, x + width, level, level + tall, 0.012 * reach)
        picture = over(picture, rgb, cover)
        x += width + rng.uniform(0.005, 0.09) * reach
    return over(picture, _WOOD, box(canvas, left, right, level - 0.025, level))


def _plant(canvas: Canvas, picture: Float, away: float) -> Float:
    reach = canvas.reach
    x = away * canvas.rng.uniform(0.7, 0.95) * min(reach, 0.5 * canvas.aspect)
    bush = glow(canvas, x, 0.42, 0.2 * reach)
    leafage = canvas.noise.fbm(
        canvas.x_1w / reach, canvas.up_h1, wavelength=0.11, octaves=3, footprint=canvas.pixel
    )
    cover = smoothstep(0.3, 0.55, bush + 0.16 * leafage)
    green = gradient(0.5 + 0.35 * leafage, ((0.1, (0.02, 0.05, 0.018)), (0.9, (0.2, 0.32, 0.1))))
    pot = box(canvas, x - 0.07 * reach, x + 0.07 * reach, 0.1, 0.3, 0.01)
    return over(over(picture, (0.6, 0.33, 0.2), pot), green, cover)


def _lamps(canvas: Canvas, count: int) -> Float:
    """Hanging bulbs, each a disc with a warm haze round it."""
    if count == 0:
        return np.zeros((3, *canvas.shape), dtype=np.float32)
    rng = canvas.rng
    slots = (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count - 0.5
    xs = (slots * canvas.aspect * 1.05).astype(np.float32)
    ups = rng.uniform(0.66, 0.9, count).astype(np.float32)
    rgbs = np.tile(np.asarray(_LAMP, dtype=np.float32), (count, 1))
    light = points(canvas, xs, ups, rgbs, brightness=1.9)
    for x, up in zip(xs, ups, strict=True):
        light = light + planes(_LAMP) * (0.16 * glow(canvas, x, up, 0.2 * canvas.reach))
    return light
