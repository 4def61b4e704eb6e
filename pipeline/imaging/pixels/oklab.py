"""OkLab: a colour space in which a shade of a paint lies on a line to black.

Ottosson 2020, https://bottosson.github.io/posts/oklab/. Its last step before a linear one is a cube
root of cone responses: dimming a colour by `t` in linear light scales all three coordinates by
`t ** (1 / 3)`. That is what makes shadows separable from paint.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: N pixels, 3 the channels or coordinates.

Float = NDArray[np.float32]

_RGB_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float64,
)
_CONES_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float64,
)
_CONES_TO_RGB = np.linalg.inv(_RGB_TO_CONES).astype(np.float32)
_LAB_TO_CONES = np.linalg.inv(_CONES_TO_LAB).astype(np.float32)


def linear_to_oklab(rgb_N3: Float) -> Float:
    """Linear sRGB to OkLab; L in [0, 1], a and b about [-0.4, 0.4]; any leading shape."""
    cones = np.cbrt(rgb_N3 @ _RGB_TO_CONES.T.astype(np.float32))
    return np.asarray(cones @ _CONES_TO_LAB.T.astype(np.float32), dtype=np.float32)


def oklab_to_linear(lab_N3: Float) -> Float:
    """OkLab to linear sRGB; colours outside sRGB leave [0, 1]."""
    cones = (lab_N3 @ _LAB_TO_CONES.T) ** 3
    return np.asarray(cones @ _CONES_TO_RGB.T, dtype=np.float32)
