"""A visible mark in a corner of a picture, for channels and laws that ask for one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel, ConfigDict, Field

# Shape suffixes: H height, W width, C colour channel.


class WatermarkConfig(BaseModel):
    """The text of a visible mark, and how it looks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    text: str = Field(
        "", max_length=60, description="Text of the mark, such as 'AI'; empty: no mark."
    )
    height: float = Field(
        0.03, gt=0, le=0.2, description="Height of the letters, as a share of the shorter side."
    )
    opacity: float = Field(
        0.6, gt=0, le=1, description="Share of the picture below that the mark covers."
    )


def mark(rgb_HWC: NDArray[np.uint8], config: WatermarkConfig) -> NDArray[np.uint8]:
    """Write the text into the bottom right corner: white on a dark plate, legible on anything.

    Args:
        rgb_HWC: sRGB. Not changed.
        config: what it says; empty text gives the picture back.

    Returns:
        sRGB, same size. The mark shrinks until it spans no more than half of the width.
    """
    if not config.text:
        return rgb_HWC
    height, width = rgb_HWC.shape[:2]
    size_px = max(6.0, config.height * min(height, width))
    left, top, right, bottom = _font(size_px).getbbox(config.text)
    size_px *= min(1.0, 0.5 * width / (right - left + size_px))
    font, pad = _font(size_px), size_px * 0.4
    left, top, right, bottom = font.getbbox(config.text)
    box_width, box_height = right - left + 2 * pad, bottom - top + 2 * pad
    x, y = width - box_width - pad, height - box_height - pad
    plate = Image.new("L", (width, height))
    ImageDraw.Draw(plate).rounded_rectangle(
        (x, y, x + box_width, y + box_height), radius=pad, fill=round(255 * config.opacity)
    )
    letters = Image.new("L", (width, height))
    ImageDraw.Draw(letters).text(
        (x + pad - left, y + pad - top), config.text, font=font, fill=round(255 * config.opacity)
    )
    marked = Image.fromarray(rgb_HWC)
    marked.paste((24, 24, 24), mask=plate)
    marked.paste((255, 255, 255), mask=letters)
    return np.asarray(marked)


def _font(size_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)
