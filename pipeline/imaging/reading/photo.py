"""A decoded photograph, as everything after reading knows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Shape suffixes: H height, W width, C colour channel.


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A decoded photograph: upright, 8 bits, sRGB. Its arrays are read-only."""

    rgb_HWC: NDArray[np.uint8]
    """sRGB-encoded; straight, not multiplied by `alpha_HW`."""
    alpha_HW: NDArray[np.float32] | None
    """Coverage in [0, 1] that the file itself carried; None when it is opaque throughout."""
    selection_HW: NDArray[np.float32] | None = None
    """A selection that was saved with it, as coverage in [0, 1]; None: none."""
    was_premultiplied: bool = False
    """The file declares colours that are multiplied by alpha; here they no longer are."""
    orientation: int = 1
    """The orientation of the file's pixels, 1 to 8, before they were turned: EXIF 2.32, tag 274."""
    resolution_dpi: tuple[float, float] | None = None
    """Pixels an inch, across and down the upright picture; None: the file does not say."""
    format: str
    """Pillow's name of the file format, such as JPEG."""
    notes: tuple[str, ...]
    """Notes on changes that a user would want to know of."""


def coverage_of(levels: Image.Image) -> NDArray[np.float32]:
    """8-bit levels as coverage: HW, [0, 1], read-only."""
    alpha_HW = np.asarray(levels).astype(np.float32)
    alpha_HW /= 255
    alpha_HW.flags.writeable = False
    return alpha_HW
