"""Which picture format some bytes are in, told by their first few and nothing else."""

from __future__ import annotations

from PIL import features

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.raw_formats import advice_for, raw_by_signature
from pipeline.imaging.containers.unread_formats import name_of

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"8BPS\0\1": "PSD",
    b"8BPS\0\2": "PSD",  # PSB
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF, and the next
    b"MM\0+": "TIFF",
    b"\xff\x4f\xff\x51": "JPEG2000",  # the bare codestream
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
}
_HEIF_BRANDS = frozenset(
    [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"]
)
FORMATS = frozenset(_SIGNATURES.values()) | {"WEBP", "AVIF", "HEIF"}
"""All that `identify` can answer."""
_OPTIONAL = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
"""Formats that Pillow can be built without, and its names for those features."""


def identify(data: bytes) -> str:
    """Name the format as Pillow does.

    Only what this returns is ever opened: no PostScript, PDF or vectors, whatever their extension.

    Raises:
        RowError: `unsupported_format`.
    """
    raw = raw_by_signature(data)
    if raw:
        raise RowError(ErrorCode.UNSUPPORTED_FORMAT, advice_for(raw))
    brands = _brands(data)
    if brands & {b"avif", b"avis"}:
        kind = "AVIF"
    elif brands & _HEIF_BRANDS:
        kind = "HEIF"
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        kind = "WEBP"
    else:
        kind = next((name for magic, name in _SIGNATURES.items() if data.startswith(magic)), "")
    if kind in _OPTIONAL and not features.check(_OPTIONAL[kind]):
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT, f"this installation of Pillow cannot read {kind}"
        )
    if not kind:
        name = name_of(data)
        start = f"it is {name}" if name else f"it starts with {data[:12]!r}"
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT,
            f"not JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF, BMP, JPEG 2000 or PSD: {start}",
        )
    return kind


def _brands(data: bytes) -> set[bytes]:
    """The brands an ISO media file declares in its opening `ftyp` box (ISO/IEC 14496-12, 4.3)."""
    if data[4:8] != b"ftyp":
        return set()
    size = min(int.from_bytes(data[:4], "big"), 256)
    return {data[at : at + 4] for at in range(8, size, 4) if at != 12}  # 12: the minor version


_MEDIA_TYPES = {
    "MPO": "image/jpeg",  # what it is to all who read its first picture
    "JPEG2000": "image/jp2",
    "PSD": "image/vnd.adobe.photoshop",
}


def media_type(file_format: str) -> str:
    """The media type, as IANA registers it, of a format that is given by Pillow's name for it.

    >>> media_type("TIFF"), media_type("MPO")
    ('image/tiff', 'image/jpeg')
    """
    return _MEDIA_TYPES.get(file_format, f"image/{file_format.lower()}")
