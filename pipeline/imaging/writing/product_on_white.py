"""The product on white, small: what a model is shown that is asked what it sees."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.imaging.compositing.composite import over
from pipeline.imaging.pixels.resample import resize

# Shape suffixes: H height, W width, C colour channel.

_QUALITY = 85


def on_white(
    rgb_HWC: NDArray[np.uint8], alpha_HW: NDArray[np.float32], *, max_side_px: int
) -> bytes:
    """A cut-out over white, shrunk to fit a square of `max_side_px`, as JPEG.

    Args:
        rgb_HWC: the photograph, sRGB-encoded, at any size.
        alpha_HW: coverage of the product, [0, 1]; its size is what is not enlarged.
        max_side_px: longest side of the result.
    """
    height, width = alpha_HW.shape
    scale = min(1.0, max_side_px / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small_HWC = resize(rgb_HWC, *size).astype(np.float32) / np.float32(255)
    shown_HWC = over(small_HWC, resize(alpha_HW, *size), np.ones_like(small_HWC))
    out = BytesIO()
    Image.fromarray((shown_HWC * 255 + 0.5).astype(np.uint8)).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
