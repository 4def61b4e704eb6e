"""What a decoder hands over: samples as the file holds them, and what the file says they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width, C colour channel.

Space = Literal["grey", "rgb", "cmyk", "lab"]
"""The space of colour samples. CMYK: full scale is full ink. Lab: as ICC encodes it, see `Samples`.
"""

Stored = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cicp:
    """Colours by number (ITU-T H.273), as PNG's cICP and AVIF's nclx state them."""

    primaries: int
    transfer: int
    matrix: int
    is_full_range: bool
    """Whether stored values use the full range. Decoders of AVIF and HEIC widen it; PNG's samples
    come as they are."""
    is_png: bool = False
    """PNG's cICP, which counts before an ICC profile (third edition, 4.3). nclx counts after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorMeaning:
    """What a file says its colour samples mean, all of it; which counts is `to_srgb8`'s to know."""

    icc: bytes | None = None
    cicp: Cicp | None = None
    gamma: float | None = None
    """Exponent that the samples were encoded with: PNG's gAMA, 0.45455 for a display gamma of 2.2.
    """
    chromaticities: tuple[float, float, float, float, float, float, float, float] | None = None
    """x and y of white, red, green and blue: PNG's cHRM."""
    is_srgb: bool = False
    """The file says so in a word: PNG's sRGB."""
    is_adobe_rgb: bool = False
    """EXIF alone tells Adobe RGB: ColorSpace 65535 with interoperability index R03 (DCF 2.0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """A picture as its file holds it: decoded, at full depth, neither turned nor converted.

    Integers fill their type: 255 or 65535 is full scale, whatever depth the file has. Floats are
    linear light with 1.0 as white. Lab is encoded as ICC.1 encodes it: L* 100 is full scale, a* and
    b* 0 are 128 (8 bits) or 32896 (16 bits; ICC version 4).
    """

    values_HWC: Stored
    """1, 3 or 4 channels by `space`; straight, not multiplied by alpha."""
    space: Space
    alpha_HW: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    """Coverage that the file itself declares as such, full scale is opaque."""
    selection_HW: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    """A saved selection: TIFF's ExtraSamples 0, an alpha channel of a PSD. Full scale: selected."""
    was_premultiplied: bool = False
    """The file declares its colours multiplied by alpha; `values_HWC` no longer are."""
    meaning: ColorMeaning = ColorMeaning()
