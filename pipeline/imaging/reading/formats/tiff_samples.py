"""TIFF pixels at full depth, by tifffile and imagecodecs."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffPage

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.structure_limits import check_structure
from pipeline.imaging.containers.tiff_pages import opened_tiff, page_at
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.libraries.samples import ColorMeaning, Samples, Space
from pipeline.imaging.libraries.unpremultiply import filled, straightened
from pipeline.imaging.reading.formats.jpeg_webp_gif import look_at_jpeg
from pipeline.imaging.reading.formats.pillow_decoder import look_by_pillow
from pipeline.imaging.reading.formats.tiff import TiffHeader
from pipeline.imaging.reading.formats.tiff_chroma import (
    chroma_sampling,
    rgb_of,
    with_shared_chroma,
)

# Shape suffixes: H height, W width, C channel.

_NUM_COLOURS = {"grey": 1, "palette": 1, "rgb": 3, "cmyk": 4, "lab": 3, "ycbcr": 3}
_PLANAR = 2
_UNSIGNED, _OLD_SAMPLE_FORMAT = 1, 32996
"""libtiff reads no undefined numbers, and takes those of SGI's tag for such."""
_MOST_ABOVE_WHITE = 0.25
"""Share of float samples that may be brighter than white: lamps and glints, but no other scale."""
_WHITES = (1, 255, 65535)
"""Candidates for white in float samples: the least that no sample is above."""
_OVERSHOOT = 1.05
"""The largest excess over white, and below black, that resampling leaves in samples."""
_LARGEST_SPARE = 16
"""Times its picture's pixels that a tile or a strip may hold: small pictures come in large tiles.
"""
_FILES_INSIDE: dict[int, str] = {
    COMPRESSION.WEBP: "WEBP",
    COMPRESSION.JPEG: "JPEG",
    COMPRESSION.JPEG2000: "JPEG2000",
}
"""Compressions that are picture files with a size of their own, which a decoder would obey."""


def read_tiff(data: bytes, header: Header) -> Decoded:
    """Decode the page that was chosen, at the depth that the file has.

    Raises:
        RowError: `corrupt_image`; `unsupported_format` for floats of which none says what is white,
            and for a compression that is not installed.
    """
    assert isinstance(header, TiffHeader)
    with opened_tiff(data) as file:
        page = page_at(file, header.page, header.sub_page)
        _check_segments(page, data)
        if chroma_sampling(page) == (1, 1):
            stored_HWC = _in_order(_unpacked(page, data, header), page)
        else:
            stored_HWC = with_shared_chroma(page, data)
        samples, notes = _samples(stored_HWC, page, header)
        return Decoded(
            samples=samples,
            orientation=header.facts.orientation,
            resolution_dpi=header.facts.resolution_dpi,
            notes=(*header.notes, *notes),
        )


def _unpacked(page: TiffPage, data: bytes, header: TiffHeader) -> NDArray[Any]:
    """The page's samples as they are stored.

    libtiff unpacks LZW in 0.6 of the time that tifffile takes, and says nothing of what it cannot
    unpack: `_check_segments` has looked for that.
    """
    if (
        page.compression == COMPRESSION.LZW
        and page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB)
        and page.planarconfig != _PLANAR
        and page.dtype in (np.uint8, np.uint16)
        and page.bitspersample in (8, 16)
        and header.sub_page is None
        and page.sampleformat == _UNSIGNED
        and _OLD_SAMPLE_FORMAT not in page.tags
    ):
        unpacked: NDArray[Any] = imagecodecs.tiff_decode(data, index=header.page)
        return unpacked
    return page.asarray(maxworkers=1)


def _check_segments(page: TiffPage, data: bytes) -> None:
    """Refuse what tifffile would fill with zeros in silence, and tiles that are much too large."""
    num_wanted = int(np.prod(page.chunked))
    offsets, counts, size = page.dataoffsets, page.databytecounts, len(data)
    is_whole = len(offsets) == len(counts) and len(offsets) >= num_wanted
    if not is_whole or any(
        count <= 0 or at + count > size for at, count in zip(offsets, counts, strict=False)
    ):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "TIFF: a part of its pixels is not in the file")
    if np.prod(page.chunks) > _LARGEST_SPARE * max(
        page.imagewidth * page.imagelength * page.samplesperpixel, 2**16
    ):
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"TIFF: tiles of {page.chunks} samples")
    packing = _FILES_INSIDE.get(page.compression)
    if packing is None:
        return
    max_samples = int(np.prod(page.chunks))
    for at, count in zip(offsets, counts, strict=False):
        segment = data[at : at + count]
        look = look_at_jpeg if packing == "JPEG" else partial(look_by_pillow, kind=packing)
        inside = look(segment)
        check_structure(segment, packing)
        if inside.width * inside.height > max_samples:
            raise RowError(
                ErrorCode.CORRUPT_IMAGE,
                f"TIFF: a tile of {inside.width} x {inside.height} px instead of {page.chunks}",
            )


def _in_order(stored: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """HWC, whatever the file's order of samples."""
    if page.samplesperpixel == 1:
        return stored.reshape(page.imagelength, page.imagewidth, 1)
    if page.planarconfig == _PLANAR:
        planes = stored.reshape(page.samplesperpixel, page.imagelength, page.imagewidth)
        return np.moveaxis(planes, 0, -1)
    return stored.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)


def _samples(
    stored_HWC: NDArray[Any], page: TiffPage, header: TiffHeader
) -> tuple[Samples, tuple[str, ...]]:
    num_colours = _NUM_COLOURS[header.space]
    alpha_at, selection_at = header.alpha_at, header.selection_at
    colour_HWC, extra_HWC = stored_HWC[..., :num_colours], stored_HWC[..., num_colours:]
    notes: tuple[str, ...] = ()
    if header.as_levels and (header.numbers == "float" or header.depth > 16):
        values_HWC, notes = _float_levels(colour_HWC)
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            values_HWC = 1 - values_HWC
    elif header.numbers == "float":
        values_HWC, notes = _linear(colour_HWC)
    else:
        values_HWC = _colours(colour_HWC, page, header)
    alpha_HW = None if alpha_at is None else _levels(extra_HWC[..., alpha_at], header)
    if alpha_HW is not None and header.alpha == "premultiplied":
        divisor_HW = (
            extra_HWC[..., alpha_at].astype(np.float32)
            if header.numbers == "float" and alpha_at is not None
            else alpha_HW
        )
        values_HWC = straightened(values_HWC, divisor_HW)
    if header.numbers == "float":
        values_HWC, clipped = _clipped(values_HWC)
        notes += clipped
    samples = Samples(
        values_HWC=np.ascontiguousarray(values_HWC),
        space=cast("Space", "rgb" if header.space in ("palette", "ycbcr") else header.space),
        alpha_HW=alpha_HW,
        selection_HW=None
        if selection_at is None
        else _levels(extra_HWC[..., selection_at], header),
        was_premultiplied=header.alpha == "premultiplied",
        meaning=ColorMeaning(icc=header.facts.icc, is_adobe_rgb=header.facts.is_adobe_rgb),
    )
    return samples, notes


def _colours(colour_HWC: NDArray[Any], page: TiffPage, header: TiffHeader) -> NDArray[Any]:
    """Unsigned integers as `Samples` wants them."""
    if header.space == "palette":
        return _through_palette(colour_HWC[..., 0], page)
    if header.space == "lab":
        return _lab(colour_HWC, header, is_icc=page.photometric == PHOTOMETRIC.ICCLAB)
    if header.space == "ycbcr":
        return rgb_of(colour_HWC, page)
    values_HWC = _spread(colour_HWC, header.depth)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        values_HWC = np.iinfo(values_HWC.dtype).max - values_HWC
    return values_HWC


def _spread(values: NDArray[Any], depth: int) -> NDArray[Any]:
    if depth > 16:
        return (values.astype(np.uint64) >> (depth - 16)).astype(np.uint16)
    if depth == 1:
        return values.astype(np.uint8) * np.uint8(255)
    return filled(values, depth)


def _levels(values_HW: NDArray[Any], header: TiffHeader) -> NDArray[Any]:
    """An extra channel, full scale at its white."""
    if header.numbers == "float":
        return np.rint(np.clip(values_HW.astype(np.float64), 0, 1) * 65535).astype(np.uint16)
    return np.ascontiguousarray(_spread(values_HW, header.depth))


def _through_palette(indices_HW: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """Colours of a palette, at 16 bits only if it has such.

    Palettes that stay below 256 are 8-bit ones, written wrongly but often (libtiff takes them so).
    """
    palette_NC: NDArray[Any] = np.asarray(page.colormap, np.uint16).T
    if palette_NC.max(initial=0) < 256:
        palette_NC = palette_NC.astype(np.uint8)
    elif (palette_NC % 257 == 0).all():
        palette_NC = (palette_NC // 257).astype(np.uint8)
    elif (palette_NC % 256 == 0).all():
        palette_NC = (palette_NC // 256).astype(np.uint8)
    # One bit comes as booleans, which would choose rows instead of naming them.
    colours_HWC: NDArray[Any] = palette_NC[indices_HW.astype(np.intp)]
    return colours_HWC


def _lab(stored_HWC: NDArray[Any], header: TiffHeader, *, is_icc: bool) -> NDArray[Any]:
    """CIE L*a*b* (TIFF 6.0, section 23) and ICC L*a*b* as ICC.1 version 4 encodes them.

    TIFF's a* and b* are signed, whole units at 8 bits and 256ths at 16. ICC L*a*b* in 16 bits is
    version 2's, in which 65280 is what 65535 is in version 4.
    """
    if header.depth == 8:
        values_HWC = stored_HWC.astype(np.uint8)
        if not is_icc:
            values_HWC[..., 1:] ^= 0x80
        return values_HWC
    if is_icc:
        wide_HWC = stored_HWC.astype(np.uint32) * 65535
        return np.minimum((wide_HWC + 32640) // 65280, 65535).astype(np.uint16)
    values_HWC = np.empty(stored_HWC.shape, np.uint16)
    values_HWC[..., 0] = stored_HWC[..., 0]
    signed_HWC = stored_HWC[..., 1:].astype(np.uint16).view(np.int16).astype(np.float32)
    values_HWC[..., 1:] = np.clip(np.rint((signed_HWC / 256 + 128) * 257), 0, 65535)
    return values_HWC


def _linear(stored_HWC: NDArray[Any]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Floats, if 1.0 can be their white.

    Raises:
        RowError: `unsupported_format`.
    """
    values_HWC = stored_HWC.astype(np.float32)
    fix = "Save it as 16 bits a channel, or with 1.0 as white"
    if not np.isfinite(values_HWC).all():
        reason = "some of its float samples are no numbers"
    elif values_HWC.max() <= 0:
        reason = "none of its float samples is brighter than black"
    elif np.count_nonzero(values_HWC > 1) > _MOST_ABOVE_WHITE * values_HWC.size:
        reason = f"its float samples reach {values_HWC.max():g}, so that 1.0 cannot be white"
    else:
        return values_HWC, ("float samples taken as linear light, 1.0 as white",)
    raise RowError(ErrorCode.UNSUPPORTED_FORMAT, f"TIFF: {reason}. {fix}")


def _float_levels(stored_HWC: NDArray[Any]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Numbers that are no light, such as a mask's, in [0, 1] whatever their white is.

    Raises:
        RowError: `unsupported_format`.
    """
    if stored_HWC.dtype.kind == "u":
        return (stored_HWC / np.iinfo(stored_HWC.dtype).max).astype(np.float32), ()
    values_HWC = stored_HWC.astype(np.float32)
    least, greatest = float(values_HWC.min()), float(values_HWC.max())
    white = next((white for white in _WHITES if greatest <= white * _OVERSHOOT), None)
    if white is None or not least >= -white * (_OVERSHOOT - 1):  # also where one is no number
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT,
            f"TIFF: float levels from {least:g} to {greatest:g}. Write them from 0 to 1",
        )
    notes = () if white == 1 else (f"float levels that reach {greatest:g}, taken as 0 to {white}",)
    return np.clip(values_HWC / np.float32(white), 0, 1), notes


def _clipped(values_HWC: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    share = np.count_nonzero((values_HWC < 0) | (values_HWC > 1)) / values_HWC.size
    if not share:
        return values_HWC, ()
    note = f"{share:.2%} of the float samples are outside of black and white, clipped"
    return np.clip(values_HWC, 0, 1), (note,)
