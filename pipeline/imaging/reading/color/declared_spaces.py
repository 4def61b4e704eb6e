"""RGB spaces that a file declares by a few numbers or a word: CICP, gAMA and cHRM, Adobe RGB."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline.imaging.libraries.samples import Cicp
from pipeline.imaging.pixels.color import srgb_to_linear
from pipeline.imaging.reading.color.cicp import PRIMARIES, levels_of, linear_of
from pipeline.imaging.reading.color.primaries import (
    D65,
    SRGB,
    NoSuchPrimariesError,
    Primaries,
    to_srgb,
)
from pipeline.imaging.reading.color.rgb_space import RgbSpace, to_srgb8_by

_ADOBE = Primaries(white=D65, red=(0.64, 0.33), green=(0.21, 0.71), blue=(0.15, 0.06))
_ADOBE_GAMMA = 563 / 256
"""Adobe RGB (1998) Color Image Encoding, version 2005-05, 4.3.1."""

_DISPLAY_GAMMA = 1 / 2.2
_SAME_GAMMA = 0.02
"""Encoders write 45455, 45454, 45450 or 45000 for sRGB; what it makes of them is a level or two."""
_GAMMAS = (0.1, 10.0)
"""Exponents that a picture can have been encoded with: 1 is linear light, .385 the darkest display
ever standardised. Beyond a decade of that it is a slip."""


class MeaninglessError(ValueError):
    """Numbers that no colours can have; says so for people."""


@lru_cache(maxsize=8)
def by_cicp(cicp: Cicp, *, num_levels: int) -> RgbSpace:
    """The space of colours that H.273's numbers declare, if it is of standard range.

    Raises:
        MeaninglessError: a number that is reserved, or is of no SDR picture.
    """
    linear_L = linear_of(cicp.transfer, levels_of(cicp, num_levels))
    if linear_L is None or cicp.primaries not in PRIMARIES:
        raise MeaninglessError(
            f"colours by unknown numbers {cicp.primaries}/{cicp.transfer}, taken as sRGB"
        )
    return RgbSpace(
        linear_CL=np.tile(linear_L.astype(np.float32), (3, 1)),
        to_srgb_33=to_srgb(PRIMARIES[cicp.primaries]).astype(np.float32),
    )


@lru_cache(maxsize=8)
def by_gamma(
    gamma: float | None, chromaticities: tuple[float, ...] | None, *, num_levels: int
) -> RgbSpace:
    """The space that PNG's gAMA and cHRM declare; sRGB's values stand in for a missing one.

    Raises:
        MeaninglessError: numbers that no colours can have.
    """
    if gamma is not None and not _GAMMAS[0] <= gamma <= _GAMMAS[1]:
        raise MeaninglessError(f"gAMA of {gamma:g} is none, taken as sRGB")
    primaries = SRGB if chromaticities is None else _primaries(chromaticities)
    if _is_srgb(primaries):
        primaries = SRGB
    levels = np.linspace(0, 1, num_levels)
    is_usual = gamma is None or abs(gamma / _DISPLAY_GAMMA - 1) < _SAME_GAMMA
    if is_usual and (gamma is None or primaries == SRGB):
        linear_L = srgb_to_linear(levels.astype(np.float32))
    else:
        linear_L = (levels ** (1 / (gamma or _DISPLAY_GAMMA))).astype(np.float32)
    try:
        to_srgb_33 = to_srgb(primaries)
    except NoSuchPrimariesError as error:
        raise MeaninglessError(f"cHRM with {error}, taken as sRGB") from error
    return RgbSpace(linear_CL=np.tile(linear_L, (3, 1)), to_srgb_33=to_srgb_33.astype(np.float32))


@lru_cache(maxsize=2)
def adobe_rgb(*, num_levels: int) -> RgbSpace:
    """Adobe RGB (1998)."""
    linear_L = (np.linspace(0, 1, num_levels) ** _ADOBE_GAMMA).astype(np.float32)
    return RgbSpace(
        linear_CL=np.tile(linear_L, (3, 1)), to_srgb_33=to_srgb(_ADOBE).astype(np.float32)
    )


@lru_cache(maxsize=16)
def is_srgb(space: RgbSpace) -> bool:
    """Whether it changes no colour by more than one level of 255."""
    num_levels = space.linear_CL.shape[1]
    steps = np.linspace(0, num_levels - 1, 18).round().astype(np.uint32)
    probe_HWC = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    probe_HWC = probe_HWC.reshape(len(steps), -1, 3)
    unchanged_HWC = np.rint(probe_HWC * (255 / (num_levels - 1)))
    return bool(np.abs(to_srgb8_by(space.to_linear_srgb, probe_HWC) - unchanged_HWC).max() <= 1)


def _primaries(xy: tuple[float, ...]) -> Primaries:
    white, red, green, blue = zip(xy[::2], xy[1::2], strict=True)
    return Primaries(white=white, red=red, green=green, blue=blue)


def _is_srgb(primaries: Primaries) -> bool:
    """Whether primaries are sRGB's within .005: more than any rounding, less than any other set."""
    wanted = (SRGB.white, SRGB.red, SRGB.green, SRGB.blue)
    declared = (primaries.white, primaries.red, primaries.green, primaries.blue)
    return bool(np.abs(np.subtract(declared, wanted)).max() < 0.005)
