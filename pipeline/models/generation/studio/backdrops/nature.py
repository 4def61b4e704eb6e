"""Outdoors: sky, sea, sunset, mountains, dunes, woods and gardens."""

from __future__ import annotations

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

_WHITE: Rgb = (1.0, 1.0, 1.0)


def sky(canvas: Canvas) -> Float:
    """Clear sky, paler towards the horizon, with a few fair-weather clouds."""
    pale = blend(canvas.tone, (0.92, 0.94, 0.96), 0.72)
    picture = gradient(canvas.up_h1 + 0 * canvas.x_1w, ((-0.1, pale), (1.15, canvas.tone)))
    return over(picture, (1.02, 1.0, 0.98), 0.85 * _clouds(canvas, cover=0.25))


def clouds(canvas: Canvas) -> Float:
    """Piled clouds, lit from above."""
    picture = gradient(
        canvas.up_h1 + 0 * canvas.x_1w,
        ((-0.1, blend(canvas.tone, _WHITE, 0.7)), (1.1, canvas.tone)),
    )
    heap = _clouds(canvas, cover=-0.35)
    body = blend(canvas.tone, (0.98, 0.98, 1.0), 0.8)
    lit = smoothstep(0.2, 1.0, _clouds(canvas, cover=-0.1))
    return over(over(picture, body, heap), (1.1, 1.08, 1.05), heap * lit)


def sunset(canvas: Canvas) -> Float:
    """The sun just over the horizon: gold below, rose, then dusk, with lit streaks of cloud."""
    position = canvas.up_h1 + 0 * canvas.x_1w
    picture = gradient(
        position,
        (
            (-0.15, (0.95, 0.42, 0.13)),
            (0.16, (0.98, 0.56, 0.24)),
            (0.5, (0.72, 0.33, 0.28)),
            (0.85, (0.3, 0.2, 0.3)),
            (1.3, (0.11, 0.12, 0.25)),
        ),
    )
    streaks = canvas.noise.fbm(
        canvas.x_1w / canvas.reach, canvas.up_h1, wavelength=0.24, octaves=4, stretch=(4.5, 1.0),
        footprint=canvas.pixel,
    )  # fmt: skip
    veil = smoothstep(-0.6, 2.6, streaks) * smoothstep(0.05, 0.4, canvas.up_h1)
    picture = over(picture, (1.0, 0.5, 0.33), 0.7 * veil)
    x = canvas.sun * canvas.aspect * 0.2
    sun = glow(canvas, x, 0.12, 0.055 * canvas.reach)
    halo = glow(canvas, x, 0.12, 0.5 * canvas.reach)
    picture += planes((3.2, 2.1, 1.0)) * sun + planes((0.5, 0.22, 0.07)) * halo
    return picture


def sea(canvas: Canvas) -> Float:
    """Sky over open water over a shore: the beach, far enough away to be soft."""
    return _with_sea(canvas, sky(canvas), deep=(0.035, 0.19, 0.27), shallow=(0.2, 0.45, 0.46))


def sunset_sea(canvas: Canvas) -> Float:
    """The sun going down over the sea, its path of light on the water."""
    picture = _with_sea(canvas, sunset(canvas), deep=(0.22, 0.13, 0.14), shallow=(0.5, 0.26, 0.17))
    x = canvas.sun * canvas.aspect * 0.2
    path = np.exp(-(((canvas.x_1w - x) / np.float32(0.16 * canvas.reach)) ** 2))
    below = smoothstep(0.0, 0.02, canvas.y_h1 - np.float32(canvas.horizon))
    picture += planes((0.9, 0.42, 0.14)) * (path * below * 0.8)
    return picture


def _with_sea(canvas: Canvas, picture: Float, *, deep: Rgb, shallow: Rgb) -> Float:
    depth = (canvas.y_h1 - canvas.horizon) / np.float32(max(canvas.floor - canvas.horizon, 0.01))
    near = np.clip(depth, 0, 1)
    chop = canvas.noise.fbm(
        canvas.x_1w / (0.1 + near), np.log(0.06 + near), wavelength=0.2, octaves=5, gain=0.7,
        stretch=(2.5, 1.0), footprint=canvas.pixel * 4,
    )  # fmt: skip
    water = gradient(near + 0 * canvas.x_1w, ((0.0, deep), (0.95, shallow)))
    water = water * (1 + 0.2 * chop)
    surf = smoothstep(0.9, 1.6, chop + 2.2 * smoothstep(0.82, 1.0, near))
    water = over(water, (0.86, 0.9, 0.9), 0.75 * surf)
    return over(picture, water, smoothstep(-0.01, 0.03, depth))


def mountains(canvas: Canvas) -> Float:
    """Five ranges, each farther one paler: aerial perspective does the drawing."""
    air = blend(canvas.tone, (0.9, 0.92, 0.95), 0.6)
    picture = gradient(canvas.up_h1 + 0 * canvas.x_1w, ((0.0, air), (1.2, canvas.tone)))
    picture = over(picture, (1.0, 0.99, 0.97), 0.5 * _clouds(canvas, cover=0.35))
    rng, count = canvas.rng, 5
    x = canvas.x_1w / canvas.reach
    for k in range(count):
        near = k / (count - 1)
        ridge = canvas.noise.fbm(
            x, np.zeros_like(x), wavelength=1.1 - 0.5 * near, octaves=6, gain=0.5
        )
        line = 0.62 - 0.52 * near + (0.13 - 0.05 * near) * ridge + rng.uniform(-0.03, 0.03)
        rock = blend(air, (0.03, 0.055, 0.06), 0.32 + 0.6 * near)
        flank = canvas.noise.relief(
            x, canvas.up_h1, wavelength=0.35, octaves=5, gain=0.65, footprint=canvas.pixel * 2
        )
        shade = 1 + 0.12 * np.tanh(flank) * np.sign(canvas.sun)
        mist = np.clip((line - canvas.up_h1) * 1.4, 0, 0.45) * (1 - near)
        layer = over(planes(rock) * shade, air, mist)
        if k <= 1:
            snow = smoothstep(-0.02, 0.1, canvas.up_h1 - 0.55 + 0.03 * flank)
            layer = over(layer, blend(air, _WHITE, 0.7), 0.8 * snow)
        picture = over(picture, layer, smoothstep(-0.006, 0.006, line - canvas.up_h1))
    return picture


def dunes(canvas: Canvas) -> Float:
    """Crests of sand, one flank in the sun and one in the shade."""
    warm = blend(canvas.tone, (1.0, 0.8, 0.6), 0.65)
    picture = gradient(canvas.up_h1 + 0 * canvas.x_1w, ((0.05, warm), (1.2, canvas.tone)))
    x = canvas.x_1w / canvas.reach
    for k in range(4):
        near = k / 3
        swell = canvas.noise.fbm(
            x, np.zeros_like(x), wavelength=1.9 - 0.5 * near, octaves=2, gain=0.3
        )
        crest = 0.42 - 0.36 * near + 0.09 * swell
        lean = canvas.noise.fbm(
            x, canvas.up_h1 * 0.8, wavelength=1.3, octaves=2, gain=0.35, footprint=canvas.pixel
        )
        sand = blend((0.62, 0.36, 0.17), warm, 0.55 * (1 - near))
        shade = blend((0.24, 0.12, 0.06), warm, 0.5 * (1 - near))
        below = (crest - canvas.up_h1).astype(np.float32)
        side = smoothstep(-0.12, 0.12, np.float32(canvas.sun) * lean + 0.2 - 1.2 * below)
        layer = over(fill(canvas, shade), sand, side)
        picture = over(picture, layer, smoothstep(-0.006, 0.006, below))
    return picture


def foliage(canvas: Canvas) -> Float:
    """Leaves against the light, far out of focus: the gaps between them become discs."""
    return _leafage(canvas, gaps=0.5, trunks=0, flowers=bool(canvas.accents))


def forest(canvas: Canvas) -> Float:
    """Trunks in depth, haze between them, sun through the crowns."""
    return _leafage(canvas, gaps=0.25, trunks=int(6 + 5 * canvas.aspect), flowers=False)


def garden(canvas: Canvas) -> Float:
    """A hedge and borders in flower beyond a lawn."""
    picture = _leafage(canvas, gaps=0.35, trunks=0, flowers=True)
    lawn = blend(canvas.tone, (0.42, 0.5, 0.12), 0.5)
    return over(picture, lawn, 0.85 * smoothstep(0.2, 0.06, canvas.up_h1 + 0 * canvas.x_1w))


def winter(canvas: Canvas) -> Float:
    """Snowed-in firs in a cold haze."""
    air: Rgb = (0.72, 0.78, 0.86)
    picture = gradient(canvas.up_h1 + 0 * canvas.x_1w, ((0.0, (0.86, 0.89, 0.93)), (1.1, air)))
    rng = canvas.rng
    for k in range(3):
        near = (k + 1) / 3
        for _ in range(int(3 + (4 + 6 * (1 - near)) * canvas.aspect)):
            x = rng.uniform(-0.6, 0.6) * canvas.aspect
            tall, half = rng.uniform(0.4, 0.85) * (0.55 + 0.5 * near), rng.uniform(0.13, 0.22)
            level = canvas.up_h1 / np.float32(tall)
            spread = half * canvas.reach * near * (1 - level)
            tiers = 1 - 0.5 * np.mod(level * 7, 1)
            tree = smoothstep(0, 0.02, spread * tiers - np.abs(canvas.x_1w - np.float32(x)))
            tree = tree * (level < 1)
            needles = blend(air, (0.05, 0.09, 0.09), 0.2 + 0.4 * near)
            snow = 0.25 + 0.5 * np.mod(level * 7, 1)
            picture = over(picture, over(fill(canvas, needles), (0.85, 0.89, 0.95), snow), tree)
    count = int(90 * canvas.aspect)
    flakes = points(
        canvas,
        rng.uniform(-0.5, 0.5, count).astype(np.float32) * np.float32(canvas.aspect),
        rng.uniform(0, 1, count).astype(np.float32),
        np.ones((count, 3), dtype=np.float32),
        brightness=0.18,
    )
    return picture + flakes


def _clouds(canvas: Canvas, *, cover: float) -> Float:
    up: Float = np.maximum(canvas.up_h1, np.float32(0))
    x = canvas.x_1w / np.float32(canvas.reach)
    lumps = canvas.noise.fbm(
        x, up * np.float32(1.7), wavelength=0.75, octaves=6, gain=0.58, footprint=canvas.pixel * 2,
        stretch=(1.6, 1.0),
    )  # fmt: skip
    return smoothstep(cover, cover + 1.5, lumps) * smoothstep(0.0, 0.35, up)


def _leafage(canvas: Canvas, *, gaps: float, trunks: int, flowers: bool) -> Float:
    """Leaves as thresholded noise at three depths over a bright haze."""
    rng, noise = canvas.rng, canvas.noise
    x, up = canvas.x_1w / np.float32(canvas.reach), canvas.up_h1
    side = 0.5 + 0.5 * np.float32(canvas.sun) * np.tanh(1.5 * x / max(canvas.aspect, 0.3))
    haze = blend(canvas.tone, (1.0, 0.94, 0.68), 0.38)
    deep = blend(canvas.tone, (0.004, 0.012, 0.004), 0.78)
    picture = gradient(up + 0.25 * (side - 0.5), ((-0.05, deep), (0.5, canvas.tone), (1.1, haze)))
    for k, size in enumerate((0.55, 0.3, 0.17)):
        clump = noise.fbm(x, up, wavelength=size, octaves=5, gain=0.7, footprint=canvas.pixel)
        shade = noise.fbm(x, up, wavelength=2.2 * size, octaves=2, footprint=canvas.pixel)
        bright = np.clip(0.12 + 0.5 * up + 0.45 * (side - 0.5) + 0.42 * shade, 0, 1)
        leaf = over(fill(canvas, deep), blend(canvas.tone, haze, 0.3), bright)
        picture = over(picture, leaf, 0.8 * smoothstep(0.1 - 0.1 * k, 0.5, clump))
    if trunks:
        for k in range(trunks):
            near = (k + 1) / trunks
            middle = rng.uniform(-0.55, 0.55) * canvas.aspect
            half = canvas.reach * (0.012 + 0.05 * near * rng.uniform(0.5, 1.0))
            lean = np.float32(rng.uniform(-0.05, 0.05)) * up
            across = (canvas.x_1w - np.float32(middle) - lean) / np.float32(half)
            bark = blend(blend(canvas.tone, haze, 0.3), (0.03, 0.022, 0.014), 0.3 + 0.6 * near)
            lit = np.clip(0.75 + 0.45 * across * np.sign(canvas.sun), 0.3, 1.4)
            cover = smoothstep(1.15, 0.85, np.abs(across)) * (up > -0.1)
            picture = over(picture, planes(bark) * lit, cover)
    count = int(gaps * 260 * canvas.aspect) + 4
    ups = np.sqrt(rng.random(count)).astype(np.float32) * 1.05
    xs = rng.uniform(-0.55, 0.55, count).astype(np.float32) * np.float32(canvas.aspect)
    power = rng.gamma(0.45, 0.5, (count, 1)).astype(np.float32)
    sunny = np.asarray(haze, dtype=np.float32) * power
    picture = picture + points(canvas, xs, ups, sunny, brightness=0.55)
    if flowers:
        picture = picture + _blossom(canvas)
    return picture


def _blossom(canvas: Canvas) -> Float:
    rng = canvas.rng
    count = int(34 * canvas.aspect) + 4
    palette = canvas.accents or ((0.8, 0.2, 0.3), (0.9, 0.75, 0.25), (0.85, 0.8, 0.85))
    rgbs = np.asarray(palette, dtype=np.float32)[rng.integers(0, len(palette), count)]
    xs = rng.uniform(-0.55, 0.55, count).astype(np.float32) * np.float32(canvas.aspect)
    ups = (rng.uniform(0.08, 0.75, count) ** 1.3).astype(np.float32)
    return points(canvas, xs, ups, rgbs, brightness=0.55)


def field(canvas: Canvas) -> Float:
    """A meadow running to a line of trees under the sky."""
    picture = sky(canvas)
    x = canvas.x_1w / np.float32(canvas.reach)
    crowns = canvas.noise.fbm(x, np.zeros_like(x), wavelength=0.4, octaves=4, gain=0.55)
    trees = blend((0.045, 0.095, 0.03), (0.6, 0.7, 0.7), 0.1)
    picture = over(picture, trees, smoothstep(-0.01, 0.01, 0.26 + 0.05 * crowns - canvas.up_h1))
    meadow = box(canvas, -9.0, 9.0, -2.0, 0.1)
    return over(picture, (0.25, 0.34, 0.08), meadow)
