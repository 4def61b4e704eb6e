"""The studio: a background generator without weights that draws a photographer's set from words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, RowError
from pipeline.models.generation.generator import Background, GenerationRequest, Light
from pipeline.models.generation.studio import noise
from pipeline.models.generation.studio.draw_scene import Lens, render
from pipeline.models.generation.studio.parser import parse
from pipeline.models.generation.studio.scene import Key


class StudioConfig(BaseModel):
    """How every set is photographed, whatever the prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    revision: ClassVar[str] = "studio-1"
    max_batch: ClassVar[int] = 1
    device: ClassVar[Literal["cpu", "cuda"]] = "cpu"
    multiple_px: ClassVar[int | None] = None
    follows_references: ClassVar[bool] = False
    is_trained: ClassVar[bool] = False

    kind: Literal["studio"] = Field("studio", description="Draws sets from words, on the CPU.")
    aperture: float = Field(
        default=1.0,
        ge=0.0,
        le=3.0,
        description="Depth of field: how wide the lens is open, 1 the usual, 0 everything sharp.",
    )
    exposure_stops: float = Field(
        default=0.0,
        ge=-3.0,
        le=3.0,
        description="Brighter or darker than the prompt asks, in stops.",
    )
    vignette: float = Field(
        default=0.1, ge=0.0, le=1.0, description="Share of the light lost in the far corners."
    )


class Studio:
    """Draws each request on its own: same prompt, seed and alpha, same pixels."""

    revision = StudioConfig.revision
    max_batch = StudioConfig.max_batch
    device = StudioConfig.device
    draws_product = False

    def __init__(self, config: StudioConfig) -> None:
        self._lens = Lens(
            aperture=config.aperture,
            exposure=2.0**config.exposure_stops,
            vignette=config.vignette,
        )
        self._tiles = noise.bake()

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Background]:
        """Draw one background per request, in order.

        Raises:
            RowError: `bad_request`, settings or a reference, which mean nothing here.
            ValueError: an alpha that is not H x W, or a negative seed.
        """
        return [self._draw(request) for request in requests]

    def _draw(self, request: GenerationRequest) -> Background:
        if request.alpha_HW.ndim != 2 or request.alpha_HW.size == 0:
            raise ValueError(f"alpha must be H x W, got shape {request.alpha_HW.shape}")
        refused = [*request.settings.asked(), *(["reference"] if request.reference else [])]
        if refused:
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"the studio knows no {', '.join(refused)}: leave it empty or use another recipe",
            )
        scene = parse(request.prompt)
        rgb_HWC, ground_y = render(
            scene, request.alpha_HW, seed=request.seed, lens=self._lens, tiles=self._tiles
        )
        return Background(
            rgb_HWC=rgb_HWC,
            understood=scene.understood,
            light=_light(scene.key),
            ground_y=ground_y,
        )


def _light(key: Key) -> Light:
    white = np.asarray(key.white_rgb) / max(key.white_rgb)
    return Light(
        azimuth_deg=key.azimuth_deg,
        elevation_deg=key.elevation_deg,
        softness=key.softness,
        white_rgb=(float(white[0]), float(white[1]), float(white[2])),
    )
