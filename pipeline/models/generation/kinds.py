"""Every kind of background generator: what a recipe may name, and how it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipeline.models.generation.diffusion.diffusion_config import AnyDiffusionConfig
from pipeline.models.generation.generator import Generator
from pipeline.models.generation.studio.studio import Studio, StudioConfig


def _studio_unless_named(values: Any) -> Any:
    return {"kind": "studio", **values} if isinstance(values, Mapping) else values


AnyGeneratorConfig = Annotated[
    StudioConfig | AnyDiffusionConfig,
    Field(discriminator="kind"),
    BeforeValidator(_studio_unless_named),
]
"""Any of them, told apart by `kind`, which may be left out for the studio."""


def build_generator(config: AnyGeneratorConfig) -> Generator:
    """Load what a configuration names.

    Raises:
        FatalError: its weights, device or libraries are not what it expects.
    """
    if isinstance(config, StudioConfig):
        return Studio(config)
    # Imported here: torch takes seconds and gigabytes, and most processes never draw.
    from pipeline.models.generation.diffusion.backend import Diffusion

    return Diffusion(config)
