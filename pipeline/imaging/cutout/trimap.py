"""Three regions from a coarse alpha: certainly foreground, certainly background, and unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.imaging.pixels.window_extremes import extreme

# Shape suffixes: H height, W width.

Float = NDArray[np.float32]

BACKGROUND, UNKNOWN, FOREGROUND = 0.0, 0.5, 1.0


class TrimapConfig(BaseModel):
    """What of a coarse alpha is certain. Lengths are fractions of the picture's longer side."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    foreground_above: float = Field(
        default=0.9,
        ge=0.5,
        le=1,
        description="Coverage above this is taken for certain foreground.",
    )
    background_below: float = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="Coverage below this is taken for certain background.",
    )
    unknown_width: float = Field(
        default=0.008,
        ge=0,
        le=0.1,
        description="Alpha is estimated anew at least this near the outline; fraction of the side.",
    )

    @model_validator(mode="after")
    def _thresholds_apart(self) -> TrimapConfig:
        if self.background_below >= self.foreground_above:
            raise ValueError("background_below must be smaller than foreground_above")
        return self


def trimap_of(alpha_HW: Float, config: TrimapConfig) -> Float:
    """`auto_trimap` with the thresholds of a recipe and its lengths in this picture's pixels."""
    return auto_trimap(
        alpha_HW,
        foreground_above=config.foreground_above,
        background_below=config.background_below,
        width_px=round(config.unknown_width * max(alpha_HW.shape)),
    )


def auto_trimap(
    alpha_HW: Float, *, foreground_above: float, background_below: float, width_px: int
) -> Float:
    """Call certain what the coarse alpha is sure of, unless it is next to its outline.

    So the unknown band is as wide as the coarse alpha is soft, and nowhere thinner than `width_px`
    to either side of the outline (alpha 0.5), where even a sure network may be off.

    Args:
        alpha_HW: coarse coverage, [0, 1].
        foreground_above: surely foreground has more coverage than this.
        background_below: surely background has less than this.
        width_px: how far the coarse outline may be off, measured along rows and columns. Beyond
            the frame nothing changes, so a product cut by the frame is certain up to its edge.

    Returns:
        Same height and width: 1 foreground, 0 background, 0.5 unknown.
    """
    trimap_HW = np.full(alpha_HW.shape, UNKNOWN, dtype=np.float32)
    inside_HW = alpha_HW > 0.5
    sure_foreground_HW = (alpha_HW > foreground_above) & _eroded(inside_HW, width_px)
    sure_background_HW = (alpha_HW < background_below) & _eroded(~inside_HW, width_px)
    trimap_HW[sure_foreground_HW] = FOREGROUND
    trimap_HW[sure_background_HW] = BACKGROUND
    return trimap_HW


def _eroded(region_HW: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    return extreme(region_HW, width_px, "min")
