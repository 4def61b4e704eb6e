"""How a product meets its background: the recipe's shadows and harmonisation, per shot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.compositing.cast_shadow import CastConfig, cast_shadow
from pipeline.imaging.compositing.harmonise import HarmoniseConfig
from pipeline.imaging.compositing.shadow import ShadowConfig, contact_shadow
from pipeline.imaging.pixels.resample import resize
from pipeline.manifest.shots import Shot
from pipeline.models.generation.generator import Light

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_STRICT_TAU = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What is done where product and background meet."""

    shadow: ShadowConfig
    cast: CastConfig
    harmonise: HarmoniseConfig


def look_of(recipe: Look, shot: Shot) -> Look:
    """The recipe's look, changed by what the shot asks for.

    A plain colour has no shadow unless one is asked for, and its colour is not moved.
    """
    style = shot.shadow
    if style is None and shot.paint == "plain":
        style = "none"
    shadow, cast = recipe.shadow, recipe.cast
    if style is not None:
        shadow = shadow.model_copy(update={"enabled": style in ("contact", "soft", "hard")})
        thrown = style if style in ("soft", "hard", "floating") else "none"
        cast = cast.model_copy(update={"style": thrown})
    if shot.shadow_direction_deg is not None:
        cast = cast.model_copy(update={"direction_deg": shot.shadow_direction_deg})
    if shot.shadow_length is not None:
        cast = cast.model_copy(update={"length": shot.shadow_length})
    if shot.shadow_opacity is not None:
        shadow = shadow.model_copy(update={"opacity": shot.shadow_opacity})
        cast = cast.model_copy(update={"opacity": shot.shadow_opacity})
    return Look(shadow=shadow, cast=cast, harmonise=_harmonise(recipe.harmonise, shot))


def _harmonise(config: HarmoniseConfig, shot: Shot) -> HarmoniseConfig:
    if shot.paint != "scene":
        return config.model_copy(update={"mode": "off"})
    if shot.harmonize is None:
        return config
    if shot.harmonize == "strict":
        tau = min(config.tau, _STRICT_TAU)
        return config.model_copy(update={"mode": "product", "tau": tau})
    return config.model_copy(update={"mode": shot.harmonize})


def reaching_light(alpha_HW: Float, look: Look, light: Light | None) -> Float:
    """Fraction of the light that all the product's shadows leave, [0, 1], linear light.

    A generator that knows its light says so; for the others the recipe assumes one. A direction
    that was asked for moves the whole shadow.
    """
    assumed = light or look.shadow
    azimuth_deg = assumed.azimuth_deg
    if look.cast.direction_deg is not None:
        azimuth_deg = look.cast.direction_deg
    reaching_HW = cast_shadow(
        alpha_HW,
        look.cast,
        ground_tilt=look.shadow.ground_tilt,
        azimuth_deg=azimuth_deg,
        elevation_deg=assumed.elevation_deg,
    )
    if not look.shadow.enabled:
        return reaching_HW
    return reaching_HW * contact_shadow(
        alpha_HW,
        look.shadow,
        azimuth_deg=azimuth_deg,
        elevation_deg=assumed.elevation_deg,
        softness=assumed.softness,
    )


def sized(rgb_HWC: NDArray[np.uint8], shot: Shot) -> NDArray[np.uint8]:
    """The finished picture at the size that was asked for. Raises as `output_size`."""
    height, width = rgb_HWC.shape[:2]
    asked = output_size(height, width, shot)
    return rgb_HWC if asked == (height, width) else resize(rgb_HWC, *asked)


def output_size(height: int, width: int, shot: Shot) -> tuple[int, int]:
    """Height and width, px, of the file of a picture that is this large on its canvas.

    Raises:
        RowError: `bad_request`, both sides were given and the picture has another shape.
    """
    asked_height, asked_width = shot.output_height, shot.output_width
    if asked_height is None and asked_width is None:
        return height, width
    if asked_height is None:
        asked_height = max(1, round(height * (asked_width or width) / width))
    if asked_width is None:
        asked_width = max(1, round(width * asked_height / height))
    # One pixel of difference is rounding; more would stretch the product.
    if abs(asked_width * height / width - asked_height) > 1:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"output_width x output_height {asked_width} x {asked_height} has another shape than "
            f"the picture, {width} x {height}: set the canvas to that shape, or give one of them",
        )
    return asked_height, asked_width
