"""Streets by day and by night, and the lights alone."""

from __future__ import annotations

import numpy as np

from pipeline.models.generation.studio.backdrops.painted_canvas import (
    Canvas,
    Float,
    box,
    gradient,
    over,
    planes,
    points,
)
from pipeline.models.generation.studio.colors import Rgb, blend
from pipeline.models.generation.studio.noise import smoothstep

_WARM: tuple[Rgb, ...] = ((1.0, 0.58, 0.2), (1.0, 0.72, 0.38), (1.0, 0.45, 0.13))
_NIGHT: tuple[Rgb, ...] = (
    (1.0, 0.6, 0.22),
    (1.0, 0.75, 0.42),
    (0.85, 0.92, 1.0),
    (1.0, 0.12, 0.06),
    (0.2, 0.5, 1.0),
)


def bokeh(canvas: Canvas) -> Float:
    """Nothing but small lights, far out of focus, over a dark fall-off."""
    dim = blend(canvas.tone, (0.0, 0.0, 0.0), 0.8)
    picture = gradient(
        canvas.up_h1 + 0 * canvas.x_1w, ((-0.1, dim), (0.7, canvas.tone), (1.3, dim))
    )
    return picture + sprinkle(canvas, canvas.accents or _WARM, density=1.0)


def sprinkle(canvas: Canvas, palette: tuple[Rgb, ...], *, density: float) -> Float:
    """Point lights in loose strings, most faint and a few bright."""
    rng = canvas.rng
    strings = max(2, round(5 * density * max(1.0, canvas.aspect)))
    xs, ups = [], []
    for _ in range(strings):
        count = int(rng.integers(9, 17))
        t = np.linspace(0, 1, count)
        start, length = rng.uniform(-0.7, 0.5), rng.uniform(0.4, 1.0)
        sag = rng.uniform(-0.25, 0.1)
        level = rng.uniform(0.15, 1.05)
        slope = rng.uniform(-0.35, 0.35)
        scatter = rng.normal(0, 0.05, (2, count))
        xs.append((start + length * t + scatter[0]) * max(canvas.aspect, canvas.reach))
        ups.append(level + slope * (t - 0.5) + sag * 4 * t * (1 - t) * 0.5 + scatter[1])
    x, up = np.concatenate(xs).astype(np.float32), np.concatenate(ups).astype(np.float32)
    rgbs = np.asarray(palette, dtype=np.float32)[rng.integers(0, len(palette), x.size)]
    power = rng.gamma(1.1, 0.5, (x.size, 1)).astype(np.float32)
    fade = np.clip(up * 4, 0, 1)[:, None]
    return points(canvas, x, up, rgbs * power * fade, brightness=0.75)


def night(canvas: Canvas) -> Float:
    """A street after dark: towers with lit windows, lamps and traffic below."""
    glow_low: Rgb = (0.09, 0.05, 0.04)
    picture = gradient(
        canvas.up_h1 + 0 * canvas.x_1w,
        ((0.0, glow_low), (0.5, canvas.tone), (1.2, (0.006, 0.008, 0.02))),
    )
    picture = _towers(canvas, picture, (0.012, 0.014, 0.022), lit=0.3)
    palette = canvas.accents or _NIGHT
    return picture + sprinkle(canvas, palette, density=0.7) + _traffic(canvas, palette)


def street(canvas: Canvas) -> Float:
    """A street by day: pale sky between facades, shop fronts, awnings."""
    picture = gradient(
        canvas.up_h1 + 0 * canvas.x_1w, ((0.0, (0.7, 0.68, 0.64)), (1.0, (0.85, 0.92, 1.05)))
    )
    picture = _towers(canvas, picture, (0.34, 0.29, 0.245), lit=0.0)
    rng = canvas.rng
    for _ in range(int(4 + 5 * canvas.aspect)):
        middle = rng.uniform(-0.6, 0.6) * canvas.aspect
        half = rng.uniform(0.04, 0.12) * canvas.reach
        top = rng.uniform(0.12, 0.24)
        hue = ((0.3, 0.06, 0.05), (0.07, 0.12, 0.2), (0.55, 0.5, 0.42), (0.04, 0.045, 0.05))
        rgb = hue[int(rng.integers(len(hue)))]
        picture = over(
            picture, rgb, 0.85 * box(canvas, middle - half, middle + half, 0.02, top, 0.01)
        )
    return over(picture, (0.3, 0.29, 0.28), smoothstep(0.06, 0.0, canvas.up_h1 + 0 * canvas.x_1w))


def _towers(canvas: Canvas, picture: Float, rgb: Rgb, *, lit: float) -> Float:
    """Facades, higher and darker towards the sides, as along a street."""
    rng, reach = canvas.rng, canvas.reach
    rows = np.mod(canvas.up_h1 * 16, 1) > 0.45
    bays = np.mod(canvas.x_1w * np.float32(22 / reach), 1) > 0.5
    panes = (rows & bays).astype(np.float32)
    for near in (0.25, 0.6, 1.0):
        on = canvas.noise.fbm(
            canvas.x_1w / reach, canvas.up_h1, wavelength=0.1, octaves=2, footprint=canvas.pixel
        )
        x = -0.62 * canvas.aspect
        while x < 0.62 * canvas.aspect:
            width = rng.uniform(0.1, 0.26) * reach * (0.6 + 0.6 * near)
            side = min(1.0, abs(x + width / 2) / max(0.5 * canvas.aspect, 0.2))
            top = 0.2 + (0.5 + 0.5 * near) * side + rng.uniform(-0.1, 0.18)
            paint = blend(rgb, (0.62, 0.66, 0.72), (0.55 * (1 - near)) if lit == 0 else 0.0)
            shade = rng.uniform(0.75, 1.25)
            cover = box(canvas, x, x + width, -0.2, top, 0.004)
            cover = cover * np.float32(1.0 if side > 0.25 + 0.3 * near else 0.0)
            facade = planes(paint) * np.float32(shade)
            if lit:
                facade = facade + planes((0.85, 0.5, 0.2)) * (panes * np.clip(on, 0, 2) * lit)
            else:
                facade = facade * (1 - 0.35 * panes)
            picture = over(picture, facade, cover)
            x += width
    return picture


def _traffic(canvas: Canvas, palette: tuple[Rgb, ...]) -> Float:
    """Rows of head and tail lamps low over the road, reflected in it."""
    rng = canvas.rng
    count = int(8 + 14 * canvas.aspect)
    xs = rng.normal(0, 0.28, count).astype(np.float32) * np.float32(canvas.aspect)
    ups = (0.05 + 0.2 * rng.random(count) ** 2).astype(np.float32)
    rgbs = np.asarray(palette, dtype=np.float32)[rng.integers(0, len(palette), count)]
    return points(canvas, xs, ups, rgbs, brightness=0.7)
