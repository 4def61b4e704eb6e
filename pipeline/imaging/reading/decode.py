"""Where bytes become pixels. Every picture enters through here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.identify import identify
from pipeline.imaging.containers.structure_limits import check_structure
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.reading.color.to_srgb import to_srgb8
from pipeline.imaging.reading.decoder_choice import BY_PILLOW, READERS, chosen, look
from pipeline.imaging.reading.formats.jpeg_webp_gif import GifHeader, uncovered
from pipeline.imaging.reading.formats.pillow_decoder import read_by_pillow
from pipeline.imaging.reading.limits import ImageLimits, check_size
from pipeline.imaging.reading.orientation import cropped, lies_on_its_side, turned
from pipeline.imaging.reading.photo import Photo

# Shape suffixes: H height, W width, C colour channel.


def decode(data: bytes, limits: ImageLimits, *, shown_px: int | None = None) -> Photo:
    """Read a photograph, whatever it was stored as.

    The first frame of a moving picture, the largest page of a TIFF that has previews. Metadata is
    used (orientation, profile) and not kept.

    Args:
        data: the file.
        limits: held against its header.
        shown_px: longest side at which it will be shown. JPEG can leave out what is finer than a
            half, a quarter or an eighth of its pixels (the DCT's higher coefficients): a picture
            that stays at least twice as large as this comes out so, in a third of the time and
            less. None, and other formats: whole.

    Raises:
        RowError: `empty_file`, `too_many_bytes`, `unsupported_format`, `too_many_pixels`,
            `too_small`, `extreme_aspect` (all without decoding a pixel), `corrupt_image`.
    """
    return upright(*read(data, limits, shown_px=shown_px), limits)


def upright(kind: str, decoded: Decoded, limits: ImageLimits) -> Photo:
    """Turn and convert what was read: the second half of `decode`, with the same limits."""
    samples = decoded.samples
    rgb_HWC, colour_notes = to_srgb8(samples, exif_adobe_rgb=limits.exif_adobe_rgb)
    way = 1 if decoded.is_turned else decoded.orientation
    rgb_HWC = turned(rgb_HWC, way)
    rgb_HWC.flags.writeable = False
    return Photo(
        rgb_HWC=rgb_HWC,
        alpha_HW=_coverage(samples.alpha_HW, way, opaque_is_none=True),
        selection_HW=_coverage(samples.selection_HW, way, opaque_is_none=False),
        was_premultiplied=samples.was_premultiplied,
        orientation=decoded.orientation,
        resolution_dpi=_upright_resolution(decoded),
        format=kind,
        notes=(*_turning_note(kind, decoded), *decoded.notes, *colour_notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A picture whose values are no colours, such as a mask: upright, never converted."""

    values_HWC: NDArray[np.float32]
    """1 channel of a grey picture, else 3: [0, 1], 1.0 is full scale. At the depth of the file."""
    alpha_HW: NDArray[np.float32] | None
    """Coverage in [0, 1]; None when it is opaque throughout, or has none."""
    was_premultiplied: bool = False
    """The file declares its values multiplied by alpha; here they no longer are."""
    orientation: int = 1
    """The orientation of the file's pixels, 1 to 8, before they were turned: EXIF 2.32, tag 274."""
    notes: tuple[str, ...]
    """Notes on changes that a user would want to know of."""


def decode_levels(data: bytes, limits: ImageLimits) -> Levels:
    """Read a mask, whatever it was stored as. Its profile says nothing about coverage: unused.

    Grey comes as one channel at full depth, palettes are resolved, EXIF's orientation is applied.
    What is stored as CMYK or Lab has no levels but those of the colours that it shows: it comes as
    the three channels of sRGB.

    Raises:
        RowError: as `decode`.
    """
    kind, decoded = read(data, limits, as_levels=True)
    samples = decoded.samples
    notes = (*_turning_note(kind, decoded), *decoded.notes)
    values_HWC: NDArray[Any] = samples.values_HWC
    if samples.space in ("cmyk", "lab"):
        values_HWC, colour_notes = to_srgb8(samples)
        notes += colour_notes
    way = 1 if decoded.is_turned else decoded.orientation
    levels_HWC = turned(_as_unit(values_HWC), way)
    levels_HWC.flags.writeable = False
    return Levels(
        values_HWC=levels_HWC,
        alpha_HW=_coverage(samples.alpha_HW, way, opaque_is_none=True),
        was_premultiplied=samples.was_premultiplied,
        orientation=decoded.orientation,
        notes=notes,
    )


def read(
    data: bytes, limits: ImageLimits, *, shown_px: int | None = None, as_levels: bool = False
) -> tuple[str, Decoded]:
    """The first half of `decode`: the name of the file's format, and what its decoder says.

    Raises:
        RowError: as `decode`.
    """
    if not data:
        raise RowError(ErrorCode.EMPTY_FILE, "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise RowError(
            ErrorCode.TOO_MANY_BYTES, f"{len(data)} bytes, at most {limits.max_bytes} are accepted"
        )
    header = replace(look(data, identify(data)), as_levels=as_levels)
    row = chosen(header)
    check_size(header.width, header.height, limits)
    if header.whole is not None and math.prod(header.whole) > limits.max_megapixels * 1e6:
        check_size(*header.whole, limits)
    check_work(data, header, limits)
    reader = READERS.get((row.kind, row.decoder))
    if reader is None:
        by_pillow = BY_PILLOW.get(row.kind, read_by_pillow)
        decoded = by_pillow(data, header, limits, shown_px=shown_px)
    else:
        decoded = reader(data, header)
    if isinstance(header, GifHeader) and header.frame is not None:
        decoded = replace(decoded, samples=uncovered(decoded.samples, header.frame))
    if header.crop is not None:
        decoded = replace(decoded, samples=cropped(decoded.samples, header.crop))
    return header.kind, decoded


def check_work(data: bytes, header: Header, limits: ImageLimits) -> None:
    """Hold what a file asks of its decoder beside its pixels against the limits.

    Raises:
        RowError: `too_many_pixels` for what is unpacked, `corrupt_image` for how it is built.
    """
    check_structure(data, header.kind)
    unpacked = header.unpacked
    if unpacked is not None and unpacked.pixels > unpacked.room * limits.max_megapixels * 1e6:
        max_megapixels = unpacked.room * limits.max_megapixels
        raise RowError(
            ErrorCode.TOO_MANY_PIXELS,
            f"{header.kind}: {unpacked.words}, at most {max_megapixels:g} megapixels are accepted",
        )


def _turning_note(kind: str, decoded: Decoded) -> tuple[str, ...]:
    if decoded.orientation == 1:
        return ()
    if kind in ("AVIF", "HEIF"):  # where EXIF's counts for nothing
        return (f"irot and imir applied, as of EXIF orientation {decoded.orientation}",)
    return (f"EXIF orientation {decoded.orientation} applied",)


def _upright_resolution(decoded: Decoded) -> tuple[float, float] | None:
    if decoded.resolution_dpi is None or not lies_on_its_side(decoded.orientation):
        return decoded.resolution_dpi
    across, down = decoded.resolution_dpi
    return down, across


def _as_unit(values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype == np.float32:
        return values
    unit = values.astype(np.float32)
    unit /= np.iinfo(values.dtype).max
    return unit


def _coverage(
    levels_HW: NDArray[Any] | None, way: int, *, opaque_is_none: bool
) -> NDArray[np.float32] | None:
    """Levels as coverage in [0, 1], upright and read-only."""
    if levels_HW is None:
        return None
    if opaque_is_none and levels_HW.min() == np.iinfo(levels_HW.dtype).max:
        return None
    coverage_HW = _as_unit(turned(levels_HW, way))
    coverage_HW.flags.writeable = False
    return coverage_HW
