"""Where dither is of use in a composite, and where it would only be noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

# Shape suffixes: H height, W width.

Float = NDArray[np.float32]

_WINDOW_PX = 25
_FALL = 4.0
"""No dither where more than a quarter of the window is product, which is 6 px off its outline."""


def dither_weight(alpha_HW: Float) -> Float:
    """Strength of the dither in a composite, for `quantise`.

    Dither hides the bands of a computed gradient. Around a product's outline there is none that an
    eye could follow, and noise of a level is an error of a level: there the dither fades away.

    Args:
        alpha_HW: coverage, [0, 1].

    Returns:
        [0, 1], same height and width: 1 in the open background, 0 wherever alpha is 1.
    """
    nearby_HW = uniform_filter(alpha_HW, _WINDOW_PX, mode="nearest")
    weight_HW: Float = (1 - alpha_HW) * np.clip(1 - _FALL * nearby_HW, 0, 1)
    return weight_HW
