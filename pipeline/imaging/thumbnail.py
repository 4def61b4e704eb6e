"""Small pictures for contact sheets and reports; nothing here goes into a product."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Shape suffixes: H height, W width, C colour channel.

_LIGHT, _DARK = 250, 222  # sRGB levels: pale enough not to tint what stands on it
_CHECKS_ACROSS = 20


def thumbnail(rgb_HWC: NDArray[np.uint8], *, max_side_px: int, quality: int = 70) -> bytes:
    """Shrink to fit a square of `max_side_px`, never enlarging, as WebP without a profile.

    Raises:
        ValueError: `max_side_px` is not positive.
    """
    if max_side_px < 1:
        raise ValueError(f"max_side_px must be at least 1, got {max_side_px}")
    image = Image.fromarray(rgb_HWC)
    image.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    out = BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)
    return out.getvalue()


def checkerboard(rgb_HWC: NDArray[np.uint8], alpha_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Show a cut-out on light grey checks, whose size follows that of the picture.

    Blended in sRGB-encoded values, as viewers do: it is there to show the edge, not to be exact.

    Args:
        rgb_HWC: sRGB-encoded, straight.
        alpha_HW: coverage in [0, 1].

    Raises:
        ValueError: the two sizes differ.
    """
    height, width = rgb_HWC.shape[:2]
    if alpha_HW.shape != (height, width):
        raise ValueError(f"alpha is {alpha_HW.shape}, the picture {(height, width)}")
    check_px = max(4, round(max(height, width) / _CHECKS_ACROSS))
    odd_HW = (np.arange(height)[:, None] // check_px + np.arange(width) // check_px) % 2
    checks_HW = np.where(odd_HW, np.float32(_DARK), np.float32(_LIGHT))
    checks_HWC = checks_HW[..., None]
    shown_HWC: NDArray[np.float32] = checks_HWC + alpha_HW[..., None] * (rgb_HWC - checks_HWC)
    shown_HWC += 0.5
    return shown_HWC.astype(np.uint8)
