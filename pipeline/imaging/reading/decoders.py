"""The table: which decoder reads which kind of picture, and why that one. The first that fits."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.avif import look_at_avif, read_avif
from pipeline.imaging.reading.bmp import look_at_bmp, read_bit_fields
from pipeline.imaging.reading.by_pillow import look_by_pillow
from pipeline.imaging.reading.header import Decoded, Header
from pipeline.imaging.reading.heic import look_at_heic, read_heic
from pipeline.imaging.reading.jpeg2000 import look_at_jpeg2000, read_jpeg2000
from pipeline.imaging.reading.png import look_at_png, read_png
from pipeline.imaging.reading.psd import look_at_psd, read_psd
from pipeline.imaging.reading.tiff import look_at_tiff
from pipeline.imaging.reading.tiff_samples import read_tiff
from pipeline.imaging.reading.web import (
    look_at_gif,
    look_at_jpeg,
    look_at_webp,
    read_deep_jpeg,
)

_SIMPLE_PACKINGS = ("none", "lzw", "deflate", "adobe_deflate", "packbits")
_PILLOW_PACKINGS = frozenset(
    [*_SIMPLE_PACKINGS, "ccittrle", "ccittrlew", "ccittfax3", "ccittfax4", "jpeg", "ojpeg"]
)
_TIFFFILE_PACKINGS = frozenset(
    [*_SIMPLE_PACKINGS, "lzma", "zstd", "zstd_deprecated", "webp", "jpeg", "jpeg2000"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A kind of picture and its decoder. A condition that is None asks for nothing."""

    kind: str
    decoder: str
    """Empty: refused, and `why` says what to do."""
    why: str
    depths: Container[int] | None = None
    numbers: Container[str] | None = None
    spaces: Container[str] | None = None
    alphas: Container[str] | None = None
    layouts: Container[str] | None = None
    packings: Container[str] | None = None
    has_selections: bool | None = None

    def fits(self, header: Header) -> bool:
        """Whether this row is about such a picture."""
        asked = (
            (self.depths, header.depth),
            (self.numbers, header.numbers),
            (self.spaces, header.space),
            (self.alphas, header.alpha),
            (self.layouts, header.layout),
            (self.packings, header.packing),
        )
        return (
            self.kind == header.kind
            and all(wanted is None or value in wanted for wanted, value in asked)
            and self.has_selections in (None, header.num_selections > 0)
        )


PILLOW, TIFFFILE, IMAGECODECS, BACKLOT = "Pillow", "tifffile", "imagecodecs", "Backlot"
PI_HEIF = "pi-heif"

TABLE: tuple[Row, ...] = (
    Row(
        kind="JPEG",
        depths=range(9, 17),
        decoder=IMAGECODECS,
        why="Pillow 13.0 opens 8 bits only",
    ),
    Row(
        kind="JPEG",
        layouts={"lossless"},
        decoder=IMAGECODECS,
        why="Pillow 13.0 does not open what is stored without loss",
    ),
    Row(kind="JPEG", decoder=PILLOW, why="right and fastest; leaves out what is not shown"),
    Row(kind="MPO", decoder=PILLOW, why="right and fastest; its first picture"),
    Row(
        kind="PNG",
        depths=(16,),
        decoder=IMAGECODECS,
        why="Pillow 13.0 cuts to the high byte, has no grey with alpha, and misses keys",
    ),
    Row(
        kind="PNG",
        depths=(2, 4),
        spaces={"grey"},
        alphas={"key"},
        decoder=IMAGECODECS,
        why="Pillow 13.0 scales the pixels, but not the grey that is declared transparent",
    ),
    Row(kind="PNG", decoder=PILLOW, why="right for 8 bits and less"),
    Row(kind="WEBP", decoder=PILLOW, why="right"),
    Row(
        kind="AVIF",
        layouts={"sequence"},
        decoder=PILLOW,
        why="the first picture, in 8 bits: imagecodecs 2026.3 decodes all of a sequence or none",
    ),
    Row(
        kind="AVIF",
        depths=range(9, 17),
        decoder=IMAGECODECS,
        why="Pillow 13.0 has libavif cut it to 8 bits",
    ),
    Row(
        kind="AVIF",
        layouts={"alpha without a size"},
        decoder=IMAGECODECS,
        why="Pillow 13.0 has libavif refuse what is not strictly as the standard has it",
    ),
    Row(kind="AVIF", decoder=PILLOW, why="right for 8 bits"),
    Row(
        kind="GIF",
        layouts={"small frame"},
        decoder=PILLOW,
        why="Pillow 13.0 paints what the first frame leaves free; made transparent here",
    ),
    Row(kind="GIF", decoder=PILLOW, why="right"),
    Row(
        kind="BMP",
        layouts={"bit fields"},
        decoder=BACKLOT,
        why=(
            "Pillow 13.0 knows some masks only, and loses the alpha of 5551; imagecodecs 2026.3 "
            "reads masks of 4 and 10 bits wrongly"
        ),
    ),
    Row(kind="BMP", decoder=PILLOW, why="right for all without masks"),
    Row(kind="HEIF", decoder=PI_HEIF, why="Pillow 13.0 has no HEVC; extra heic"),
    Row(
        kind="PSD",
        decoder=BACKLOT,
        why=(
            "Pillow 13.0 takes a saved channel for alpha, drops two, reads no 16 bits, and opens "
            "what has no flat picture"
        ),
    ),
    Row(
        kind="JPEG2000",
        depths=range(1, 17),
        spaces={"grey", "rgb", "cmyk", "sycc"},
        layouts={"", "palette"},
        decoder=IMAGECODECS,
        why=(
            "Pillow 13.0 reads the brightest of 9 to 16 bits as 0, and neither puts channels in "
            "the order of cdef nor divides by an alpha that the colours are multiplied by"
        ),
    ),
    Row(
        kind="JPEG2000",
        depths=range(1, 9),
        spaces={"grey", "rgb", "sycc"},
        alphas={"none", "straight"},
        layouts={"subsampled", "depths that differ"},
        decoder=PILLOW,
        why="imagecodecs 2026.3 wants channels of one size and depth",
    ),
    Row(
        kind="TIFF",
        numbers={"signed"},
        decoder="",
        why="signed numbers, of which none says what is white: save it with unsigned ones",
    ),
    Row(
        kind="TIFF",
        depths=(1, 2, 4, 8),
        numbers={"unsigned"},
        spaces={"grey", "rgb", "cmyk", "ycbcr", "lab"},
        alphas={"none"},
        layouts={"", "white is zero"},
        packings=_PILLOW_PACKINGS,
        has_selections=False,
        decoder=PILLOW,
        why="right, and for LZW and JPEG faster",
    ),
    Row(
        kind="TIFF",
        depths=(8,),
        numbers={"unsigned"},
        spaces={"grey", "rgb"},
        alphas={"straight"},
        layouts={""},
        packings=_PILLOW_PACKINGS,
        has_selections=False,
        decoder=PILLOW,
        why="right, and for LZW and JPEG faster",
    ),
    Row(
        kind="TIFF",
        numbers={"unsigned"},
        spaces={"ycbcr"},
        layouts={"planar"},
        alphas={"none"},
        packings={"lzw", "adobe_deflate", "deflate", "jpeg"},
        depths=(8,),
        has_selections=False,
        decoder=PILLOW,
        why="libtiff converts it",
    ),
    Row(
        kind="TIFF",
        depths=(*range(1, 17), 32),
        numbers={"unsigned"},
        spaces={"grey", "rgb", "cmyk"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why=(
            "Pillow 13.0 cuts 16 bits to the high byte, reads planar ones as garbage, loses alpha "
            "of planar grey, has no mode for CMYK with alpha, and drops saved selections"
        ),
    ),
    Row(
        kind="TIFF",
        depths=range(1, 17),
        numbers={"unsigned"},
        spaces={"palette"},
        alphas={"none"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why="Pillow 13.0 cuts colours of a palette to the high byte",
    ),
    Row(
        kind="TIFF",
        depths=(8, 16),
        numbers={"unsigned"},
        spaces={"lab"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why="Pillow 13.0 has no mode for Lab of 16 bits, ICC Lab, nor Lab with alpha",
    ),
    Row(
        kind="TIFF",
        depths=(16, 32, 64),
        numbers={"float"},
        spaces={"grey", "rgb"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why="Pillow 13.0 reads no float colours, and has no white for grey ones",
    ),
)


READERS: dict[tuple[str, str], Callable[[bytes, Header], Decoded]] = {
    ("TIFF", TIFFFILE): read_tiff,
    ("AVIF", IMAGECODECS): read_avif,
    ("BMP", BACKLOT): read_bit_fields,
    ("HEIF", PI_HEIF): read_heic,
    ("PSD", BACKLOT): read_psd,
    ("JPEG", IMAGECODECS): read_deep_jpeg,
    ("PNG", IMAGECODECS): read_png,
    ("JPEG2000", IMAGECODECS): read_jpeg2000,
}
"""By kind of file and decoder; all but Pillow, which wants to know more."""

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
    words = [header.kind, header.space, f"{header.depth} bits"]
    if header.numbers != "unsigned":
        words.append(header.numbers)
    if header.alpha != "none":
        words.append(f"{header.alpha} alpha")
    if header.num_selections:
        words.append(f"{header.num_selections} more channels")
    return ", ".join([*words, *filter(None, (header.layout, header.packing))])
