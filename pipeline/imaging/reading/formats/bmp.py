"""BMP: how it is stored, and pixels whose bits are shared out by masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.exif import dots_per_inch
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.libraries.samples import ColorMeaning, Samples
from pipeline.imaging.reading.formats.pillow_decoder import look_by_pillow

# Shape suffixes: H height, W width, C channel.

_BIT_FIELDS, _JPEG, _PNG, _ALPHA_BIT_FIELDS = 3, 4, 5, 6
_FILE_HEADER, _INFO_HEADER, _V3_HEADER, _V5_HEADER = 14, 40, 56, 124
_OS2_HEADER = 64
"""The size of the header of OS/2 files, in bytes: their packing methods have the same numbers and
other meanings."""
_PLAIN_BITS = (1, 4, 8, 16, 24, 32)
_EMBEDDED_PROFILE = b"DEBM"  # 'MBED', least significant byte first
_MOST_PROFILE = 8 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class BmpHeader(Header):
    """The header of a BMP file whose pixels are cut by masks."""

    masks: tuple[int, int, int, int] = (0, 0, 0, 0)
    """The bits of a pixel that are red, green, blue and alpha."""
    bits: int = 0
    """The number of bits of a whole pixel."""
    pixels_at: int = 0
    is_top_down: bool = False
    resolution_dpi: tuple[float, float] | None = None


def look_at_bmp(data: bytes) -> Header:
    """Read the header; files without masks are Pillow's.

    Raises:
        RowError: `corrupt_image`.
    """
    size, compression = _number(data, 14, 4), _number(data, 30, 4)
    bits = _number(data, 28, 2)
    masked = (_BIT_FIELDS, _JPEG, _PNG, _ALPHA_BIT_FIELDS)
    if size < _INFO_HEADER or (compression not in masked and bits in _PLAIN_BITS):
        return look_by_pillow(data, "BMP", meaning=_meaning(data, size))
    width, height = _number(data, 18, 4, signed=True), _number(data, 22, 4, signed=True)
    masks = tuple(_number(data, at, 4) for at in range(54, 70, 4))
    if size < _V3_HEADER and compression != _ALPHA_BIT_FIELDS:  # three masks, and pixels behind
        masks = (*masks[:3], 0)
    red, green, blue, alpha = masks
    refusal = ""
    if size == _OS2_HEADER or compression not in masked or bits not in (0, 16, 32):
        refusal = f"a BMP of {bits} bits packed in way {compression}. Save it with 24 bits"
    elif compression in (_JPEG, _PNG):
        refusal = "a BMP around a JPEG or PNG. Send that picture itself"
    elif not all(_is_field(mask, bits) for mask in masks[:3]) or (
        alpha and not _is_field(alpha, bits)
    ):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "BMP: its masks are damaged")
    return BmpHeader(
        kind="BMP",
        width=width,
        height=abs(height),
        depth=max(mask.bit_count() for mask in masks),
        alpha="straight" if alpha else "none",
        layout="bit fields",
        meaning=_meaning(data, size),
        said=refusal,
        masks=(red, green, blue, alpha),
        bits=bits,
        pixels_at=_number(data, 10, 4),
        is_top_down=height < 0,
        resolution_dpi=dots_per_inch(
            _number(data, 38, 4) / 100, _number(data, 42, 4) / 100, unit=3
        ),
    )


def read_bit_fields(data: bytes, header: Header) -> Decoded:
    """Cut each pixel into the channels that the masks give it.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, BmpHeader)
    kind = f"<u{header.bits // 8}"
    row_size = (header.width * header.bits + 31) // 32 * 4  # rows begin at four bytes
    size = row_size * header.height
    if header.pixels_at + size > len(data):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "BMP: a part of its pixels is not in the file")
    rows = np.frombuffer(data, np.uint8, size, header.pixels_at).reshape(header.height, row_size)
    pixels_HW = np.ascontiguousarray(rows[:, : header.width * header.bits // 8]).view(kind)
    if not header.is_top_down:
        pixels_HW = pixels_HW[::-1]
    deep = header.depth > 8
    values_HWC = np.stack([_field(pixels_HW, mask, deep=deep) for mask in header.masks[:3]], -1)
    alpha_HW = _field(pixels_HW, header.masks[3], deep=deep) if header.masks[3] else None
    notes: tuple[str, ...] = ()
    if alpha_HW is not None and not alpha_HW.any():  # as many programs write it who have none
        alpha_HW, notes = None, ("its alpha is 0 throughout, taken as none",)
    samples = Samples(
        values_HWC=values_HWC,
        space="rgb",
        alpha_HW=alpha_HW,
        meaning=header.meaning or ColorMeaning(),
    )
    return Decoded(samples=samples, resolution_dpi=header.resolution_dpi, notes=notes)


def _field(pixels_HW: NDArray[Any], mask: int, *, deep: bool) -> NDArray[Any]:
    """One channel: its bits moved down, and spread over 8 or 16."""
    shift, num_bits = (mask & -mask).bit_length() - 1, mask.bit_count()
    values_HW = (pixels_HW.astype(np.uint32) & mask) >> shift
    if num_bits > 16:
        values_HW, num_bits = values_HW >> (num_bits - 16), 16
    levels, white = 2**num_bits - 1, 65535 if deep else 255
    steps = (np.arange(levels + 1, dtype=np.uint64) * white + levels // 2) // levels
    channel_HW: NDArray[Any] = steps.astype(np.uint16 if deep else np.uint8)[values_HW]
    return channel_HW


def _is_field(mask: int, bits: int) -> bool:
    """Whether these are neighbouring bits of a pixel of so many."""
    low = mask & -mask
    return 0 < mask < 1 << bits and (mask + low) & mask == 0


def _meaning(data: bytes, size: int) -> ColorMeaning | None:
    if size < _V5_HEADER or data[70:74] != _EMBEDDED_PROFILE:
        return None
    start, length = _FILE_HEADER + _number(data, 126, 4), _number(data, 130, 4)
    is_inside = length <= _MOST_PROFILE and start + length <= len(data)
    return ColorMeaning(icc=data[start : start + length]) if is_inside and length else None


def _number(data: bytes, at: int, size: int, *, signed: bool = False) -> int:
    return int.from_bytes(data[at : at + size], "little", signed=signed)
