"""Pillow's many pixel modes, brought down to 8-bit colour and a coverage beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

from pipeline.errors import ErrorCode, RowError

_COLOUR_MODES = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "La": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "RGBa": "RGB",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "CMYK": "CMYK",
    "LAB": "LAB",
}
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF 6.0, section 8
_WHITE_IS_ZERO = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Separated:
    """A picture's colour and its coverage, both still in Pillow's hands."""

    colour: Image.Image
    """Mode L, RGB, CMYK or LAB."""
    alpha: Image.Image | None
    """Mode L, straight; None when the file carries none."""


def stores_more_than_8_bits(image: ImageFile.ImageFile) -> bool:
    """Whether reading loses depth. To be asked before loading: Pillow forgets how it was stored.

    Pillow keeps the high byte of deep colour, which is within one level and on average right.
    """
    if image.mode.startswith("I;16"):
        return True
    if not image.tile:
        return False
    arguments = image.tile[0].args
    raw_mode = arguments if isinstance(arguments, str) else arguments[0] if arguments else ""
    return ";16" in str(raw_mode)


def separate(image: Image.Image) -> Separated:
    """Take a loaded picture of any mode apart; premultiplied colour becomes straight.

    Colour under full transparency is kept as the file has it.

    Raises:
        RowError: `unsupported_format` for float and 32-bit pixels, whose white nobody defines.
    """
    if image.mode.startswith("I;16"):
        return _separate_deep_grey(image)
    colour_mode = _COLOUR_MODES.get(image.mode)
    if colour_mode is None:
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT, f"pixels of type {image.mode!r} have no defined white"
        )
    if colour_mode not in ("L", "RGB") or not image.has_transparency_data:
        return Separated(colour=image.convert(colour_mode), alpha=None)
    with_alpha = image.convert(colour_mode + "A")
    return Separated(colour=with_alpha.convert(colour_mode), alpha=with_alpha.getchannel("A"))


def _separate_deep_grey(image: Image.Image) -> Separated:
    """Scale 12- and 16-bit grey by hand: Pillow's own conversion clips at 255."""
    white, inverted = 65535, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        inverted = image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        if image.tag_v2.get(_BITS_PER_SAMPLE) == (12,):
            white = 4095
    deep_HW = np.asarray(image).astype(np.uint32)
    grey_HW = ((deep_HW * 255 + white // 2) // white).astype(np.uint8)
    alpha = None
    transparent = image.info.get("transparency")  # the one grey that a PNG declares see-through
    if isinstance(transparent, int):
        alpha = Image.fromarray(np.where(deep_HW == transparent, 0, 255).astype(np.uint8))
    return Separated(colour=Image.fromarray(255 - grey_HW if inverted else grey_HW), alpha=alpha)
