"""Which pictures are worth decoding, and what their colours are taken for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, RowError


class ImageLimits(BaseModel):
    """Which pictures are worth decoding, and what their colours are taken for.

    Sizes are checked against the header, before any pixel is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_bytes: int = Field(
        default=64 * 2**20, ge=1, le=2**31 - 1, description="Largest file, in bytes."
    )
    max_megapixels: float = Field(
        default=60,
        gt=0,
        le=178,  # Pillow itself refuses more, and its limit is shared by the whole process
        description="Most pixels a header may announce, in millions.",
    )
    min_side_px: int = Field(
        default=32, ge=1, le=65535, description="Shortest side accepted, in pixels."
    )
    max_aspect: float = Field(
        default=12.0, ge=1, description="Largest ratio of the long side to the short one."
    )
    exif_adobe_rgb: bool = Field(
        default=True,
        description="Take a photograph without a profile for Adobe RGB if its EXIF says so.",
    )


def check_size(width: int, height: int, limits: ImageLimits) -> None:
    """Refuse what a header announces, before a pixel is decoded.

    Raises:
        RowError: `too_many_pixels`, `too_small` or `extreme_aspect`.
    """
    if width * height > limits.max_megapixels * 1e6:
        raise RowError(
            ErrorCode.TOO_MANY_PIXELS,
            f"{width} x {height} px, at most {limits.max_megapixels:g} megapixels are accepted",
        )
    if min(width, height) < limits.min_side_px:
        raise RowError(
            ErrorCode.TOO_SMALL,
            f"{width} x {height} px, a side must have at least {limits.min_side_px}",
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise RowError(
            ErrorCode.EXTREME_ASPECT,
            f"{width} x {height} px, sides may differ at most {limits.max_aspect:g} times",
        )
