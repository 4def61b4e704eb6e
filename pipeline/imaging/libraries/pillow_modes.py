"""Pillow's many pixel modes as `Samples`: 8-bit colour and a coverage beside it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.samples import ColorMeaning, Samples, Space

_COLOUR_MODES = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "CMYK": "CMYK",
    "LAB": "LAB",
}
_SPACES: dict[str, Space] = {"L": "grey", "RGB": "rgb", "CMYK": "cmyk", "LAB": "lab"}


def samples_of(image: Image.Image, meaning: ColorMeaning) -> Samples:
    """Take a loaded picture of any 8-bit mode apart.

    Colour under full transparency is kept as the file has it.

    Raises:
        RowError: `unsupported_format` for float and 32-bit pixels, whose white nobody defines.
    """
    colour_mode = _COLOUR_MODES.get(image.mode)
    if colour_mode is None:
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT, f"pixels of type {image.mode!r} have no defined white"
        )
    alpha = None
    if colour_mode in ("L", "RGB") and image.has_transparency_data:
        with_alpha = image.convert(colour_mode + "A")
        image, alpha = with_alpha.convert(colour_mode), with_alpha.getchannel("A")
        if alpha.getextrema() == (255, 255):
            alpha = None
    if image.mode != colour_mode:  # else it would be copied
        image = image.convert(colour_mode)
    values = np.asarray(image)
    if colour_mode == "LAB":  # Pillow hands a* and b* out as signed bytes
        values = values ^ np.array([0, 128, 128], np.uint8)
    return Samples(
        values_HWC=values[..., None] if values.ndim == 2 else values,
        space=_SPACES[colour_mode],
        alpha_HW=None if alpha is None else np.asarray(alpha),
        meaning=meaning,
    )
