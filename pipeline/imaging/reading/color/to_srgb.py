"""Conversion of a file's samples to 8-bit sRGB, which is all that code after reading knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.libraries.samples import Cicp, ColorMeaning, Samples, Space
from pipeline.imaging.reading.color.cicp import HLG, PQ, PRIMARIES, PRIMARY_NAMES, UNSPECIFIED
from pipeline.imaging.reading.color.declared_spaces import (
    MeaninglessError,
    adobe_rgb,
    by_cicp,
    by_gamma,
    is_srgb,
)
from pipeline.imaging.reading.color.hdr import hdr_to_srgb8
from pipeline.imaging.reading.color.icc import (
    UnusableProfileError,
    matrix_of_profile,
    numbers_of_profile,
    press_profile,
    to_srgb8_by_profile,
)
from pipeline.imaging.reading.color.lab import lab_to_srgb8
from pipeline.imaging.reading.color.rgb_space import RgbSpace, to_srgb8_by

# Shape suffixes: H height, W width, C colour channel.

_NAMES: dict[Space, str] = {"cmyk": "CMYK", "lab": "LAB"}
"""What is converted whatever else is known, as notes call it."""

_LINEAR = 8
"""H.273's number of linear light."""
_STRIP_SAMPLES = 1 << 15
"""The number of samples that are converted at a time: they stay in a core's cache."""
_SAME_MATRIX = 0.002
"""Half a level of 255, of what roundings in profiles come to."""

Converted = tuple[NDArray[np.uint8], tuple[str, ...]]
_Way = Callable[[NDArray[Any], Space, ColorMeaning], Converted | None]


def to_srgb8(samples: Samples, *, exif_adobe_rgb: bool = True) -> Converted:
    """Express samples in sRGB, at the depth they have, and round them once.

    What a file says of its colours counts in this order (PNG, third edition, 4.3; in AVIF and HEIC
    a profile counts before numbers for libavif and for browsers):

    1. Numbers (CICP) that name an HDR curve, PQ or HLG, of the file or in its profile: tone-mapped,
       see `hdr_to_srgb8`. A profile beside them is for readers who know no HDR.
    2. PNG's cICP.
    3. An ICC profile: relative colorimetric, with black point compensation.
    4. The numbers of AVIF and HEIC (nclx).
    5. PNG's sRGB.
    6. PNG's gAMA and cHRM; without one of them it is sRGB's.
    7. Adobe RGB told by EXIF alone.
    8. Nothing: grey and RGB are sRGB, Lab is D50's, CMYK is `press_profile`'s.

    What cannot be read, has no meaning or is for other samples is set aside and said so, and the
    next counts. Samples that are sRGB already, under whatever name, keep their values. What sRGB
    does not have is clipped in linear light, channel by channel. Floats are linear light, so that
    only primaries count of all this, and what is brighter than white is clipped.

    Args:
        samples: as a decoder has them.
        exif_adobe_rgb: whether to believe 7.

    Returns:
        HWC, sRGB, perhaps the samples' own array. And what was done, for people: depth, kind of
        samples and meaning, so that a decoder has nothing to add about colour.
    """
    notes: list[str] = []
    if samples.values_HWC.dtype != np.uint8:
        notes.append("more than 8 bits a channel, reduced to 8")
    if samples.space in _NAMES:
        notes.append(f"converted from {_NAMES[samples.space]}")
    meaning = _with_numbers_of_profile(samples.meaning)
    if samples.values_HWC.dtype == np.float32:
        ways: list[_Way] = [_by_primaries]
    else:
        ways = [*_ways(meaning), *([_by_exif] if exif_adobe_rgb else [])]
    for way in (*ways, _by_convention):
        try:
            converted = way(samples.values_HWC, samples.space, meaning)
        except (MeaninglessError, UnusableProfileError) as error:
            notes.append(str(error))
        else:
            if converted is not None:
                rgb_HWC, more = converted
                return rgb_HWC, (*notes, *more)
    raise AssertionError("there is always a convention")


def _with_numbers_of_profile(meaning: ColorMeaning) -> ColorMeaning:
    """The meaning with the profile's HDR numbers, if it names HDR and no others count before it."""
    if meaning.icc is None or (meaning.cicp is not None and _counts_first(meaning.cicp)):
        return meaning
    numbers = numbers_of_profile(meaning.icc)
    return replace(meaning, cicp=numbers) if numbers is not None and _is_hdr(numbers) else meaning


def _ways(meaning: ColorMeaning) -> list[_Way]:
    """1 to 6 of what counts, in their order."""
    if meaning.cicp is not None and _counts_first(meaning.cicp):
        return [_by_numbers, _by_profile, _by_gamma]
    return [_by_profile, _by_numbers, _by_gamma]


def _counts_first(cicp: Cicp) -> bool:
    return _is_hdr(cicp) or (cicp.is_png and not _is_unspecified(cicp))


def _is_unspecified(cicp: Cicp) -> bool:
    return cicp.primaries == cicp.transfer == UNSPECIFIED


def _is_hdr(cicp: Cicp) -> bool:
    return cicp.transfer in (PQ, HLG) and cicp.primaries in PRIMARIES


def as_srgb8(values_HWC: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey or RGB that is sRGB as it stands, as 8-bit RGB: HWC."""
    if values_HWC.dtype == np.uint16:
        values_HWC = _rounded(values_HWC)
    return _three_channels(values_HWC)


def _rounded(values_HWC: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The nearest of 256 levels for each of 65536, white to white: not the high byte.

    65281 / 2**24 is 1/257 to one part in 2**24, which for no level decides the rounding.
    """
    stored = values_HWC.reshape(-1)
    rounded = np.empty(stored.shape, np.uint8)
    for start in range(0, len(stored), _STRIP_SAMPLES):
        strip = slice(start, start + _STRIP_SAMPLES)
        scaled = stored[strip].astype(np.uint32)
        scaled *= np.uint32(65281)
        scaled += np.uint32(1 << 23)
        scaled >>= np.uint32(24)
        rounded[strip] = scaled
    return rounded.reshape(values_HWC.shape)


def _three_channels(values_HWC: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(values_HWC, 3, axis=-1) if values_HWC.shape[-1] == 1 else values_HWC


def _num_levels(values_HWC: NDArray[Any]) -> int:
    return 1 << 8 * values_HWC.dtype.itemsize


def _by_profile(values_HWC: NDArray[Any], space: Space, meaning: ColorMeaning) -> Converted | None:
    if meaning.icc is None:
        return None
    rgb_HWC, name = to_srgb8_by_profile(values_HWC, space, meaning.icc)
    if rgb_HWC is None:
        return as_srgb8(values_HWC), ()
    return rgb_HWC, (f"ICC profile {name!r} converted to sRGB",)


def _by_numbers(values_HWC: NDArray[Any], space: Space, meaning: ColorMeaning) -> Converted | None:
    cicp = meaning.cicp
    if cicp is None or space not in ("rgb", "grey") or _is_unspecified(cicp):
        return None
    if _is_hdr(cicp):
        rgb_HWC, peak = hdr_to_srgb8(_three_channels(values_HWC), cicp)
        name = "PQ" if cicp.transfer == PQ else "HLG"
        return rgb_HWC, (f"HDR ({name}, up to {peak:.0f} cd/m2) tone-mapped to sRGB",)
    space_by_numbers = by_cicp(cicp, num_levels=_num_levels(values_HWC))
    if space == "grey":  # to which primaries do nothing
        space_by_numbers = replace(space_by_numbers, to_srgb_33=np.eye(3, dtype=np.float32))
    return _by_space(space_by_numbers, values_HWC, f"{_named(cicp)} converted to sRGB")


def _named(cicp: Cicp) -> str:
    return f"{PRIMARY_NAMES[cicp.primaries]} (CICP {cicp.primaries}/{cicp.transfer})"


def _by_gamma(values_HWC: NDArray[Any], space: Space, meaning: ColorMeaning) -> Converted | None:
    if space not in ("rgb", "grey"):
        return None
    if meaning.is_srgb:
        return as_srgb8(values_HWC), ()
    gamma = meaning.gamma
    chromaticities = None if space == "grey" else meaning.chromaticities
    if gamma is None and chromaticities is None:
        return None
    sources = "gAMA" if chromaticities is None else "cHRM" if gamma is None else "gAMA and cHRM"
    return _by_space(
        by_gamma(gamma, chromaticities, num_levels=_num_levels(values_HWC)),
        values_HWC,
        f"colours by {sources} converted to sRGB",
    )


def _by_exif(values_HWC: NDArray[Any], space: Space, meaning: ColorMeaning) -> Converted | None:
    if not meaning.is_adobe_rgb or space != "rgb":
        return None
    return _by_space(
        adobe_rgb(num_levels=_num_levels(values_HWC)),
        values_HWC,
        "Adobe RGB, as EXIF alone says, converted to sRGB",
    )


def _by_space(space: RgbSpace, values_HWC: NDArray[Any], note: str) -> Converted:
    if is_srgb(space):
        return as_srgb8(values_HWC), ()
    return to_srgb8_by(space.to_linear_srgb, _three_channels(values_HWC)), (note,)


def _by_primaries(values_HWC: NDArray[Any], space: Space, meaning: ColorMeaning) -> Converted:
    """Linear light, of which a profile or numbers say the primaries."""
    to_srgb_33, notes = np.eye(3, dtype=np.float32), []
    if space == "rgb":
        try:
            to_srgb_33, name = _matrix(meaning)
        except (MeaninglessError, UnusableProfileError) as error:
            notes.append(str(error))
        else:
            if np.abs(to_srgb_33 - np.eye(3)).max() > _SAME_MATRIX:
                notes.append(f"linear light of {name} converted to sRGB")

    def linear_srgb(values_NC: NDArray[Any]) -> NDArray[np.float32]:
        linear_3N: NDArray[np.float32] = to_srgb_33 @ np.nan_to_num(_three_channels(values_NC).T)
        return linear_3N

    over = float((values_HWC > 1).any(axis=-1).mean())
    if over:
        notes.append(f"brighter than white in {over:.2%} of pixels, clipped")
    return to_srgb8_by(linear_srgb, values_HWC), tuple(notes)


def _matrix(meaning: ColorMeaning) -> tuple[NDArray[np.float32], str]:
    """The matrix from a file's linear RGB to linear sRGB, for a column; its name, for people."""
    cicp = meaning.cicp
    if meaning.icc is not None and not (cicp is not None and _counts_first(cicp)):
        to_srgb_33, name = matrix_of_profile(meaning.icc)
        return to_srgb_33, f"ICC profile {name!r}"
    if cicp is not None:
        linear = replace(cicp, transfer=_LINEAR)
        return by_cicp(linear, num_levels=256).to_srgb_33, _named(cicp)
    space = by_gamma(1.0, meaning.chromaticities, num_levels=256)
    return space.to_srgb_33, "the primaries of cHRM"


def _by_convention(values_HWC: NDArray[Any], space: Space, meaning: ColorMeaning) -> Converted:
    """Convert undeclared samples: grey and RGB as sRGB, Lab as D50's, CMYK as `press_profile`'s."""
    del meaning
    if space == "lab":
        return lab_to_srgb8(values_HWC), ()
    if space == "cmyk":
        rgb_HWC, _ = to_srgb8_by_profile(values_HWC, "cmyk", press_profile())
        assert rgb_HWC is not None  # inks are never sRGB
        return rgb_HWC, ("CMYK without a usable profile, taken for offset print (SWOP)",)
    return as_srgb8(values_HWC), ()
