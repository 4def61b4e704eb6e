"""Preparation: a row becomes a request to a generator, decoded, placed on a canvas and sized."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, Row, RowError
from pipeline.imaging.file_alpha.edge_colors import CutoutColors
from pipeline.imaging.file_alpha.filling import made_whole
from pipeline.imaging.placing.canvas import Placed, place, product_of
from pipeline.imaging.placing.layout import Layout, canvas_size, lay_out
from pipeline.imaging.placing.sizes import (
    Geometry,
    generation_geometry,
    native_geometry,
    to_generation,
)
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.reading.photo import Photo
from pipeline.imaging.writing.encoding import alpha_size, decode_alpha
from pipeline.manifest.shots import Shot
from pipeline.models.generation.generator import GenerationRequest, Reference, Settings
from pipeline.models.generation.kinds import AnyGeneratorConfig
from pipeline.prompts.conventions import STAR
from pipeline.stages.rendering.shadow_and_light import output_size

_MAX_SEED = 2**63

_WISHES = {
    "fast": "fast",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance_scale",
    "strength": "strength",
}
"""Settings of a sampler, and what a brief calls them."""


class SizeConfig(BaseModel):
    """The size at which backgrounds are generated; results have the size of their canvas."""

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
        64,
        ge=1,
        le=256,
        description="Number that sides are a multiple of, with rule 'generator', px.",
    )

    def geometry(self, height: int, width: int) -> Geometry:
        """The sizes a photograph passes through."""
        if self.rule == "native":
            return native_geometry(height, width, max_area_px=self.area_px)
        return generation_geometry(height, width, area_px=self.area_px, multiple=self.multiple_px)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A row with its pixels decoded, ready for the generator."""

    file: bytes
    """The photograph as fetched."""
    photo: Photo
    shot: Shot
    placed: Placed
    """The photograph on its canvas: from here on, the canvas is what matters."""
    has_own_colors: bool
    """The canvas shows the product's own colours, not mixed with an old background."""
    geometry: Geometry
    """How the canvas and the generator's picture of it relate."""
    request: GenerationRequest
    keeps_rendering: bool
    """The generator's own rendering of the product is the result, nothing is pasted over it."""


def drawn_size(row: Row, size: SizeConfig) -> tuple[int, int]:
    """Height and width, px, at which a row's background is drawn, without decoding its pixels."""
    height, width = alpha_size(row["alpha"])
    shot = Shot.model_validate(row["shot"])
    canvas = canvas_size(shot.place, shot.wish, photo_height=height, photo_width=width)
    geometry = size.geometry(*canvas)
    return geometry.generation_height, geometry.generation_width


class Preparation:
    """Makes tasks for one generator."""

    def __init__(
        self,
        generator: AnyGeneratorConfig,
        size: SizeConfig,
        *,
        limits: ImageLimits,
        draws_product: bool,
    ) -> None:
        self._fields = frozenset(type(generator).model_fields)
        self._follows_references = generator.follows_references
        self._size = size
        self._limits = limits
        self._draws_product = draws_product

    def __call__(self, row: Row, *, attempt: int) -> Task:
        """A row's task; each attempt has a seed of its own.

        Raises:
            RowError: pixels that cannot be read, or a request that cannot be met.
        """
        shot = Shot.model_validate(row["shot"])
        starred = row["prompt"].lstrip().startswith(STAR)
        keeps_rendering = starred and shot.paint == "scene"
        if keeps_rendering and not self._draws_product:
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"prompt begins with {STAR}, which keeps the generator's own rendering "
                "of the product: this one draws none, so leave it out or use a diffusion recipe",
            )
        photo = decode(row["image_bytes"], self._limits)
        alpha_HW = decode_alpha(row["alpha"])
        layout = lay_out(shot.place, product_of(alpha_HW), shot.wish)
        _check_area(layout, shot, most_mp=self._limits.max_megapixels)
        rgb_HWC, has_own_colors = photo.rgb_HWC, False
        if row["alpha_colors"] is not None:
            colors = CutoutColors.parse(row["alpha_colors"])
            rgb_HWC, has_own_colors = made_whole(rgb_HWC, alpha_HW, colors), not colors.is_mixed
        placed = place(rgb_HWC, alpha_HW, layout)
        geometry = self._size.geometry(*placed.alpha_HW.shape)
        request = GenerationRequest(
            image_HWC=to_generation(placed.rgb_HWC, geometry),
            alpha_HW=to_generation(placed.alpha_HW, geometry),
            prompt=row["final_prompt"],
            seed=(row["seed"] + attempt) % _MAX_SEED,
            negative_prompt=shot.negative_prompt or "",
            settings=self._settings(shot),
            reference=self._reference(row["reference_bytes"], shot),
        )
        return Task(
            file=row["image_bytes"],
            photo=photo,
            shot=shot,
            placed=placed,
            has_own_colors=has_own_colors,
            geometry=geometry,
            request=request,
            keeps_rendering=keeps_rendering,
        )

    def unused(self, shot: Shot) -> list[str]:
        """What was asked of a generator that has no such thing, as notes."""
        names = [wish for name, wish in _WISHES.items() if name not in self._fields]
        if not self._follows_references:
            names += ["reference_uri", "reference_scale"]
        if "negative_prompt" not in self._fields:
            names.append("negative_prompt")
        asked = [name for name in names if getattr(shot, name) not in (None, (), "")]
        return [f"{name} has no effect on this generator" for name in asked]

    def _settings(self, shot: Shot) -> Settings:
        """What the shot asks of the sampler, as far as this generator has it."""
        asked = {name: getattr(shot, wish) for name, wish in _WISHES.items()}
        if shot.steps is not None and shot.fast is None:
            asked["fast"] = False  # or the fast variant would bring its own number of steps
        return Settings(**{name: value for name, value in asked.items() if name in self._fields})

    def _reference(self, files: Sequence[bytes], shot: Shot) -> Reference | None:
        if not files or not self._follows_references:
            return None
        digests = b"".join(hashlib.sha256(file).digest() for file in files)
        return Reference(
            digest=hashlib.sha256(digests).hexdigest(),
            pictures=tuple(decode(file, self._limits).rgb_HWC for file in files),
            scale=shot.reference_scale,
        )


def _check_area(layout: Layout, shot: Shot, *, most_mp: float) -> None:
    """Refuse what is larger than any photograph: an actor has memory for the largest of those.

    Raises:
        RowError: `bad_request`, the canvas or the file.
    """
    canvas = layout.canvas_height, layout.canvas_width
    for what, (height, width) in {"canvas": canvas, "file": output_size(*canvas, shot)}.items():
        if height * width > most_mp * 1e6:
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"the {what} would be {width} x {height} px, at most {most_mp:g} megapixels are "
                "made, as input.max_megapixels says",
            )
