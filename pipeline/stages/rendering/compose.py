"""Set a product into its background: recolour, harmonise, shade, lay over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.compositing.composite import over
from pipeline.imaging.compositing.dithering import dither_weight
from pipeline.imaging.compositing.enlarge_background import crispen
from pipeline.imaging.compositing.harmonise import Harmonised, harmonise
from pipeline.imaging.compositing.recolor import Recolored, recolor
from pipeline.imaging.compositing.shadow import shade
from pipeline.imaging.compositing.white_point import known_white
from pipeline.imaging.pixels.color import quantise
from pipeline.imaging.placing.sizes import Geometry, from_generation
from pipeline.models.generation.generator import Background
from pipeline.stages.rendering.foreground_color import ForegroundMethod, foreground_of
from pipeline.stages.rendering.preparation import Task
from pipeline.stages.rendering.shadow_and_light import Look, look_of, reaching_light

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Composed:
    """A finished picture at the size of its canvas, and what was done to it."""

    rgb8_HWC: NDArray[np.uint8]
    recolored: Recolored | None = None
    harmonised: Harmonised | None = None


def compose(
    task: Task,
    background: Background,
    *,
    recipe: Look,
    foreground: ForegroundMethod,
    crispness: float,
) -> Composed:
    """Set a product into its background; where alpha is 1 and nothing is harmonised, bit for bit.

    Args:
        task: the row.
        background: at generation size.
        recipe: shadows and harmonisation where the shot does not say.
        foreground: as in the recipe.
        crispness: sharpening of a background that was drawn smaller.
    """
    placed, shot = task.placed, task.shot
    rgb_HWC, alpha_HW = placed.rgb_HWC, placed.alpha_HW
    look = look_of(recipe, shot)
    if task.has_own_colors:
        foreground = "plain"
    foreground_HWC = foreground_of(rgb_HWC, alpha_HW, foreground)
    recolored: Recolored | None = None
    if shot.paint == "recolored":
        recolored = recolor(background.rgb_HWC, task.request.alpha_HW, shot.color)
        background = replace(background, rgb_HWC=recolored.rgb_HWC)
    ground_HWC = _ground(task, background, crispness)
    harmonised: Harmonised | None = None
    if look.harmonise.mode != "off":
        light = background.light
        scene = None if light is None else known_white(light.white_rgb)
        harmonised = harmonise(
            foreground_HWC,
            alpha_HW,
            ground_HWC,
            look.harmonise,
            scene=scene,
            photo_HWC=None if task.has_own_colors else rgb_HWC,  # a cut-out shows no backdrop
        )
        foreground_HWC, ground_HWC = harmonised.foreground_HWC, harmonised.background_HWC
    reaching_HW = reaching_light(alpha_HW, look, background.light)
    ground_HWC = shade(ground_HWC, reaching_HW)
    dither_HW = dither_weight(alpha_HW)
    if shot.paint == "plain":  # the colour that was asked for, and no other, where no shadow is
        dither_HW = np.where(reaching_HW < 1, dither_HW, np.float32(0))
    # A fixed seed: the noise is a property of the file, as paper grain is, not of the row.
    rgb8_HWC = quantise(over(foreground_HWC, alpha_HW, ground_HWC), seed=0, weight_HW=dither_HW)
    return Composed(rgb8_HWC=rgb8_HWC, recolored=recolored, harmonised=harmonised)


def rendering(task: Task, background: Background, *, crispness: float) -> Composed:
    """The generator's own picture, product and all."""
    ground_HWC = _enlarged(background, task.geometry, crispness)
    weight_HW = np.ones(ground_HWC.shape[:2], dtype=np.float32)
    return Composed(rgb8_HWC=quantise(ground_HWC, seed=0, weight_HW=weight_HW))


def plain(task: Task) -> Background:
    """The colour that was asked for, one pixel of it: it needs no generator."""
    color = np.asarray(task.shot.color, dtype=np.float32) / np.float32(255)
    return Background(rgb_HWC=color.reshape(1, 1, 3))


def _ground(task: Task, background: Background, crispness: float) -> Float:
    """The background at the size of the canvas."""
    if task.shot.paint == "plain":
        shape = (*task.placed.alpha_HW.shape, 3)
        return np.broadcast_to(background.rgb_HWC, shape).copy()
    return _enlarged(background, task.geometry, crispness)


def _enlarged(background: Background, geometry: Geometry, crispness: float) -> Float:
    """The background at the canvas's size; drawn smaller, it is sharpened after enlarging."""
    enlarged_HWC = from_generation(background.rgb_HWC, geometry)
    scale = geometry.source_width / geometry.normalised_width
    return crispen(enlarged_HWC, scale=scale, amount=crispness)
