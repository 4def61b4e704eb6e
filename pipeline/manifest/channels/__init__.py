"""What each sales channel demands of a picture, and whether a file meets it.

A channel is a YAML file beside this one. Its `asks` are what a row gets that names the channel and
says nothing else; its rules are held against the encoded file, which is what the channel will see.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.imaging.writing.provenance_xmp import SourceType
from pipeline.text.validation_errors import first_mistake
from pipeline.text.yaml_text import load_yaml

FileFormat = Literal["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"]

_FOLDER = Path(__file__).parent


class Channel(BaseModel):
    """What one place of sale demands of a picture. None: it does not care."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: str = Field(description="Name of the channel, for people.")
    source: str = Field(description="Where the rules are from.")
    asks: dict[str, Any] = Field(
        default_factory=dict,
        description="Fields of a recipe's `brief` that a row has which names the channel and does "
        "not say otherwise.",
    )
    formats: tuple[FileFormat, ...] = Field(min_length=1, description="File formats taken.")
    max_bytes: int | None = Field(None, ge=1, description="Largest file, bytes.")
    min_long_side_px: int | None = Field(None, ge=1, description="Least longer side, px.")
    min_short_side_px: int | None = Field(None, ge=1, description="Least shorter side, px.")
    max_side_px: int | None = Field(None, ge=1, description="Most of the longer side, px.")
    max_megapixels: float | None = Field(None, gt=0, description="Most megapixels.")
    white: bool = Field(default=False, description="The background is exactly RGB 255.")
    min_fill: float | None = Field(
        None, gt=0, le=1, description="Least share of the frame the product spans, on one side."
    )
    generated_source_type: SourceType | None = Field(
        None,
        description="The digital source type it wants for products before what a trained model "
        "drew, in place of the recipe's.",
    )
    states_source: bool = Field(
        default=False, description="The file states a digital source type in XMP."
    )
    max_fill: float | None = Field(
        None, gt=0, le=1, description="Most of the frame's side that the product spans."
    )


def channel_names() -> tuple[str, ...]:
    """Every channel there is."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def load_channel(name: str) -> Channel:
    """A channel by its name.

    Raises:
        ValueError: there is none of that name; the message lists those there are.
    """
    if name not in channel_names():
        raise ValueError(f"{name!r} is no channel: use {', '.join(channel_names())}")
    text = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return Channel.model_validate(load_yaml(text))
    except ValidationError as error:
        raise ValueError(f"channel {name}: {first_mistake(error).line}") from None
