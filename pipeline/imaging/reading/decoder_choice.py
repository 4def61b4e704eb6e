"""What a file's header says, and the decoder that the table gives it."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.reading.decoder_table import (
    BACKLOT,
    IMAGECODECS,
    PI_HEIF,
    PILLOW,
    TABLE,
    TIFFFILE,
    Row,
)
from pipeline.imaging.reading.formats.avif import look_at_avif, read_avif, read_avif_by_pillow
from pipeline.imaging.reading.formats.bmp import look_at_bmp, read_bit_fields
from pipeline.imaging.reading.formats.heic import look_at_heic, read_heic
from pipeline.imaging.reading.formats.imperfect_jpeg import read_jpeg
from pipeline.imaging.reading.formats.jpeg2000 import look_at_jpeg2000, read_jpeg2000
from pipeline.imaging.reading.formats.jpeg_webp_gif import (
    look_at_gif,
    look_at_jpeg,
    look_at_webp,
    read_deep_jpeg,
)
from pipeline.imaging.reading.formats.pillow_decoder import look_by_pillow
from pipeline.imaging.reading.formats.png import look_at_png, read_png, read_png_by_pillow
from pipeline.imaging.reading.formats.psd import look_at_psd, read_psd
from pipeline.imaging.reading.formats.tiff import look_at_tiff
from pipeline.imaging.reading.formats.tiff_samples import read_tiff

READERS: dict[tuple[str, str], Callable[[bytes, Header], Decoded]] = {
    ("TIFF", TIFFFILE): read_tiff,
    ("AVIF", IMAGECODECS): read_avif,
    ("BMP", BACKLOT): read_bit_fields,
    ("HEIF", PI_HEIF): read_heic,
    ("PSD", BACKLOT): read_psd,
    ("JPEG", IMAGECODECS): read_deep_jpeg,
    ("PNG", IMAGECODECS): read_png,
    ("PNG", PILLOW): read_png_by_pillow,
    ("JPEG2000", IMAGECODECS): read_jpeg2000,
}
"""Readers by kind of file and decoder. All others are Pillow's, which wants to know more."""

BY_PILLOW: dict[str, Callable[..., Decoded]] = {
    "AVIF": read_avif_by_pillow,
    "JPEG": read_jpeg,
    "MPO": read_jpeg,
}
"""Readers through Pillow, by kind of file, that know another way where `read_by_pillow` gives up.
"""

_LOOKS: dict[str, Callable[[bytes], Header]] = {
    "AVIF": look_at_avif,
    "BMP": look_at_bmp,
    "GIF": look_at_gif,
    "HEIF": look_at_heic,
    "PSD": look_at_psd,
    "JPEG": look_at_jpeg,
    "WEBP": look_at_webp,
    "TIFF": look_at_tiff,
    "PNG": look_at_png,
    "JPEG2000": look_at_jpeg2000,
}


def look(data: bytes, kind: str) -> Header:
    """Read a file's header, and nothing more.

    Raises:
        RowError: `corrupt_image`.
    """
    special = _LOOKS.get(kind)
    return look_by_pillow(data, kind) if special is None else special(data)


def chosen(header: Header) -> Row:
    """The decoder for such a picture.

    Raises:
        RowError: `unsupported_format`, with what to do about it.
    """
    if header.said:
        raise RowError(ErrorCode.UNSUPPORTED_FORMAT, header.said)
    row = next((row for row in TABLE if row.fits(header)), None)
    if row is None:
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT,
            f"{described(header)} is not read. Save it as RGB with 8 or 16 bits a channel",
        )
    if not row.decoder:
        raise RowError(ErrorCode.UNSUPPORTED_FORMAT, f"{described(header)}: {row.why}")
    return row


def described(header: Header) -> str:
    """A header in words.

    >>> described(Header(kind="TIFF", width=9, height=9, depth=16, space="cmyk", layout="planar"))
    'TIFF, cmyk, 16 bits, planar'
    """
    packing = "" if header.packing == "none" else header.packing
    words = [header.kind, header.space, f"{header.depth} bits"]
    if header.numbers != "unsigned":
        words.append(header.numbers)
    if header.alpha != "none":
        words.append(f"{header.alpha} alpha")
    if header.num_selections:
        words.append(f"{header.num_selections} more channels")
    return ", ".join([*words, *filter(None, (header.layout, packing))])
