"""Small pictures for contact sheets and reports; nothing here goes into a product."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Shape suffixes: H height, W width, C colour channel.

_LIGHT, _DARK = 250, 222  # sRGB levels: pale enough not to tint what stands on it
_CHECKS_ACROSS = 20


def thumbnail(rgb_HWC: NDArray[np.uint8], *, max_side_px: int) -> bytes:
    """Shrink to fit a square of `max_side_px`, never enlarging, as WebP without a profile.

    Raises:
        ValueError: `max_side_px` is not positive.
    """
    return _written(_shrunk(Image.fromarray(rgb_HWC), max_side_px))


def cutout_thumbnail(
    rgb_HWC: NDArray[np.uint8], alpha_HW: NDArray[np.float32], *, max_side_px: int
) -> bytes:
    """The thumbnail of a cut-out, laid on checks, as a JPEG.

    It is shrunk before it is laid over them, which at twelve megapixels is a third of a second
    less. Straight colours are shrunk with no regard to alpha: a rim of the old background mixes
    with the product's, by less than shows in a thumbnail.

    Args:
        rgb_HWC: sRGB-encoded, straight.
        alpha_HW: coverage in [0, 1].
        max_side_px: of the thumbnail.

    Raises:
        ValueError: the two sizes differ, or `max_side_px` is not positive.
    """
    if alpha_HW.shape != rgb_HWC.shape[:2]:
        raise ValueError(f"alpha is {alpha_HW.shape}, the picture {rgb_HWC.shape[:2]}")
    levels_HW = (alpha_HW * 255 + 0.5).astype(np.uint8)
    rgb, alpha = (_shrunk(Image.fromarray(plane), max_side_px) for plane in (rgb_HWC, levels_HW))
    small_HW = np.asarray(alpha).astype(np.float32) / np.float32(255)
    return _written(Image.fromarray(checkerboard(np.asarray(rgb), small_HW)))


def _shrunk(image: Image.Image, max_side_px: int) -> Image.Image:
    if max_side_px < 1:
        raise ValueError(f"max_side_px must be at least 1, got {max_side_px}")
    image.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image


def _written(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "WEBP", quality=70, method=2)
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
