"""A foreground over a background, by its alpha."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.pixels.strips import strips

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]


def over(fg_HWC: Float, alpha_HW: Float, bg_HWC: Float) -> Float:
    """Composite a straight-alpha foreground over an opaque background (Porter and Duff 1984).

    sRGB-encoded, not linear light. Alpha and foreground colour are the solution of the matting
    equation `image = alpha * fg + (1 - alpha) * bg`, and matting networks, guided filters and
    foreground estimators all fit it to encoded values. Only the same mixing gives the photograph
    back when its own background is put behind; mixed in linear light, every soft edge turns light.

    Args:
        fg_HWC: foreground colour, straight (not premultiplied), sRGB-encoded, [0, 1].
        alpha_HW: coverage, [0, 1].
        bg_HWC: background colour, sRGB-encoded, [0, 1], same size as `fg_HWC`.

    Returns:
        Opaque colour, same shape, unit and dtype as `bg_HWC`. Where alpha is 1 it is `fg_HWC` to
        the bit, where alpha is 0 it is `bg_HWC`.

    Raises:
        ValueError: the three sizes differ.
    """
    if fg_HWC.shape != bg_HWC.shape or fg_HWC.shape[:2] != alpha_HW.shape:
        raise ValueError(
            f"sizes differ: foreground {fg_HWC.shape}, alpha {alpha_HW.shape}, "
            f"background {bg_HWC.shape}"
        )
    composite_HWC = np.empty_like(bg_HWC)
    for rows in strips(bg_HWC.shape):
        # Two products: bg + alpha * (fg - bg) is one less and misses fg by a rounding.
        alpha_HW1 = alpha_HW[rows, :, np.newaxis]
        composite_HWC[rows] = alpha_HW1 * fg_HWC[rows] + (1 - alpha_HW1) * bg_HWC[rows]
    return composite_HWC
