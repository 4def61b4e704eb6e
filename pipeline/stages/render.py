"""Render: photograph, alpha and prompt in, the finished and encoded picture out.

Generation and compositing share an actor, so that a background never crosses the object store. The
photograph is resized here too and not one stage earlier: compositing at full resolution decodes it
anyway, and a resize costs less than carrying a second, lossless picture between the stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline import schema
from pipeline.errors import Columns, Outcome, Row, RowError, each
from pipeline.imaging.codec import (
    ImageLimits,
    OutputFormat,
    Photo,
    decode,
    decode_alpha,
    encode,
)
from pipeline.imaging.color import quantise
from pipeline.imaging.composite import over
from pipeline.imaging.dithering import dither_weight
from pipeline.imaging.geometry import (
    Geometry,
    from_generation,
    generation_geometry,
    native_geometry,
    to_generation,
)
from pipeline.imaging.shadow import ShadowConfig, contact_shadow, shade
from pipeline.imaging.thumbnail import checkerboard, thumbnail
from pipeline.models.generation.generator import Background, GenerationRequest, Generator
from pipeline.models.generation.studio.studio import Studio, StudioConfig
from pipeline.stage import Resources, Stage
from pipeline.stages.foreground import FOREGROUND_DESCRIPTION, ForegroundMethod, foreground_of

Float = NDArray[np.float32]


class SizeConfig(BaseModel):
    """The size at which backgrounds are generated; results keep the photograph's own size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["native", "generator"] = Field(
        "native",
        description="'native': the photograph's size, scaled down to `area_px` if larger, for "
        "generators that draw at any size. 'generator': scaled up or down to `area_px`, sides "
        "rounded up to `multiple_px`, the margin cropped away afterwards.",
    )
    area_px: int = Field(
        1024 * 1024, ge=64 * 64, le=64 * 2**20, description="Area of a generated background, px."
    )
    multiple_px: int = Field(
        64, ge=1, le=256, description="With rule 'generator': sides are a multiple of this."
    )

    def geometry(self, height: int, width: int) -> Geometry:
        """The sizes a photograph passes through."""
        if self.rule == "native":
            return native_geometry(height, width, max_area_px=self.area_px)
        return generation_geometry(height, width, area_px=self.area_px, multiple=self.multiple_px)


class RenderConfig(BaseModel):
    """What draws the background, how the product is set into it, and what file comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: StudioConfig = Field(StudioConfig(), description="What draws the background.")
    size: SizeConfig = Field(SizeConfig(), description="The size at which it is drawn.")
    foreground: ForegroundMethod = Field("multilevel", description=FOREGROUND_DESCRIPTION)
    shadow: ShadowConfig = Field(ShadowConfig(), description="The shadow the product throws.")
    format: OutputFormat = Field(OutputFormat.JPEG, description="File format of the result.")
    quality: int = Field(92, ge=1, le=100, description="Of JPEG and WebP.")
    thumbnail_px: int = Field(
        224, ge=0, le=512, description="Longer side of the report's thumbnails, px; 0: none."
    )

    @property
    def revision(self) -> str:
        """Names the code and weights that draw, before they are loaded."""
        return Studio.revision


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """A row with its pixels decoded, ready for the generator."""

    photo: Photo
    alpha_HW: Float
    geometry: Geometry
    request: GenerationRequest


class RenderMapper:
    """Draws backgrounds and sets products into them."""

    def __init__(self, config: RenderConfig, *, limits: ImageLimits) -> None:
        self._config = config
        self._limits = limits
        self._generator: Generator = Studio(config.generator)

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Decode all, generate in one call, finish each."""
        decoded = each(rows, lambda row: {"task": self._decode(row)})
        tasks = [outcome["task"] for outcome in decoded if not isinstance(outcome, RowError)]
        drawn = iter(self._generator.generate([task.request for task in tasks]))
        ready = [
            outcome
            if isinstance(outcome, RowError)
            else {"task": outcome["task"], "background": next(drawn)}
            for outcome in decoded
        ]
        return each([{"ready": item} for item in ready], self._finish)

    def _decode(self, row: Row) -> _Task:
        photo = decode(row["image_bytes"], self._limits)
        alpha_HW = decode_alpha(row["alpha"])
        geometry = self._config.size.geometry(*alpha_HW.shape)
        request = GenerationRequest(
            image_HWC=to_generation(photo.rgb_HWC, geometry),
            alpha_HW=to_generation(alpha_HW, geometry),
            prompt=row["final_prompt"],
            seed=row["seed"],
        )
        return _Task(photo=photo, alpha_HW=alpha_HW, geometry=geometry, request=request)

    def _finish(self, row: Row) -> Columns:
        ready = row["ready"]
        if isinstance(ready, RowError):
            raise ready
        task: _Task = ready["task"]
        background: Background = ready["background"]
        config = self._config
        rgb8_HWC = compose(task.photo.rgb_HWC, task.alpha_HW, background, task.geometry, config)
        height, width = task.alpha_HW.shape
        return {
            "picture": encode(rgb8_HWC, format=config.format, quality=config.quality),
            "height": height,
            "width": width,
            "prompt_understood": list(background.understood),
            "geometry": asdict(task.geometry),
            "metrics": {
                "coverage": float(task.alpha_HW.mean()),
                "soft_fraction": float(((task.alpha_HW > 0.02) & (task.alpha_HW < 0.98)).mean()),
                "background_scale": width / task.geometry.normalised_width,
            },
            "generation_model": self._generator.revision,
            "thumbs": _thumbs(task, rgb8_HWC, config.thumbnail_px),
        }


def compose(
    rgb_HWC: NDArray[np.uint8],
    alpha_HW: Float,
    background: Background,
    geometry: Geometry,
    config: RenderConfig,
) -> NDArray[np.uint8]:
    """Set a product into a generated background, at the photograph's size.

    Args:
        rgb_HWC: the photograph, sRGB.
        alpha_HW: coverage of the product, [0, 1].
        background: at generation size.
        geometry: how the two sizes relate.
        config: how.

    Returns:
        The finished picture, sRGB; where alpha is 1 it is the photograph, bit for bit.
    """
    foreground_HWC = foreground_of(rgb_HWC, alpha_HW, config.foreground)
    ground_HWC = from_generation(background.rgb_HWC, geometry)
    if config.shadow.enabled:
        # A generator that knows its light says so; for the others the recipe assumes one.
        light = background.light or config.shadow
        reaching_HW = contact_shadow(
            alpha_HW,
            config.shadow,
            azimuth_deg=light.azimuth_deg,
            elevation_deg=light.elevation_deg,
            softness=light.softness,
        )
        ground_HWC = shade(ground_HWC, reaching_HW)
    # A fixed seed: the noise is a property of the file, as paper grain is, not of the row.
    composite_HWC = over(foreground_HWC, alpha_HW, ground_HWC)
    return quantise(composite_HWC, seed=0, weight_HW=dither_weight(alpha_HW))


def _thumbs(task: _Task, rgb8_HWC: NDArray[np.uint8], side_px: int) -> Columns | None:
    if side_px == 0:
        return None
    cutout_HWC = checkerboard(task.photo.rgb_HWC, task.alpha_HW)
    return {
        "source": thumbnail(task.photo.rgb_HWC, max_side_px=side_px),
        "cutout": thumbnail(cutout_HWC, max_side_px=side_px),
        "result": thumbnail(rgb8_HWC, max_side_px=side_px),
    }


def render(config: RenderConfig, resources: Resources, *, limits: ImageLimits) -> Stage:
    """The stage that draws backgrounds and composites."""
    return Stage(
        name="render",
        mapper=partial(RenderMapper, limits=limits),
        config=config,
        reads=("image_bytes", "alpha", "final_prompt", "seed"),
        adds=pa.schema(
            [
                schema.PICTURE,
                schema.HEIGHT,
                schema.WIDTH,
                schema.PROMPT_UNDERSTOOD,
                schema.GEOMETRY,
                schema.METRICS,
                schema.GENERATION_MODEL,
                schema.THUMBS,
            ]
        ),
        drops=("image_bytes",),
        batch_size=4,
        resources=resources,
    )
