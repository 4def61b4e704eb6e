"""A background drawn at one megapixel behind a product photographed at twelve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.imaging.pixels.strips import strips
from pipeline.imaging.pixels.window_extremes import extreme

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_RADIUS = 0.5
"""The radius of the blur that sharpening takes back, in px of the picture before it was enlarged:
about what Lanczos leaves of an edge that was one pixel wide."""

_TRUNCATE = 4.0
"""Standard deviations at which the blur is cut off."""


def crispen(rgb_HWC: Float, *, scale: float, amount: float) -> Float:
    """Sharpen a picture that was enlarged, without the halos of plain sharpening.

    Unsharp masking, whose every value is kept within the smallest and largest of its neighbourhood:
    edges become steeper and never overshoot. It gives back the steepness that enlarging took; it
    invents no texture, so a background that is enlarged more than about twice stays smoother than a
    photograph of that size would be.

    Args:
        rgb_HWC: sRGB, [0, 1], after it was enlarged.
        scale: how much it was enlarged along a side; 1 and below: nothing is done.
        amount: how much of the difference to a blurred copy is added, 0 for none.

    Returns:
        A new array, [0, 1].
    """
    if scale <= 1 or amount == 0:
        return rgb_HWC.copy()
    sigma_px = _RADIUS * scale
    # A picture enlarged by a tenth has lost a tenth as much as one enlarged twice.
    weight = np.float32(amount * min(1.0, scale - 1.0))
    margin_px = round(_TRUNCATE * sigma_px) + 1
    crisp_HWC = np.empty_like(rgb_HWC)
    for rows in strips(rgb_HWC.shape):
        first = max(0, rows.start - margin_px)
        near = slice(first, rows.stop + margin_px)
        for channel in range(rgb_HWC.shape[2]):
            plane_HW = np.ascontiguousarray(rgb_HWC[near, :, channel])
            crisp_HW = _crisp(plane_HW, sigma_px, weight)
            crisp_HWC[rows, :, channel] = crisp_HW[rows.start - first : rows.stop - first]
    return crisp_HWC


def _crisp(plane_HW: Float, sigma_px: float, weight: np.float32) -> Float:
    detail_HW = plane_HW - gaussian_filter(plane_HW, sigma_px, truncate=_TRUNCATE)
    reach_px = round(sigma_px)
    low_HW, high_HW = extreme(plane_HW, reach_px, "min"), extreme(plane_HW, reach_px, "max")
    crisp_HW: Float = np.clip(plane_HW + weight * detail_HW, low_HW, high_HW)
    return crisp_HW
