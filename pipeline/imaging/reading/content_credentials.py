"""Whether a file carries Content Credentials. They are neither read nor believed here.

C2PA Technical Specification 2.2, annex A: where each format keeps its manifest store.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import RowError
from pipeline.imaging.reading.boxes import boxes
from pipeline.imaging.reading.jpeg_segments import segments
from pipeline.imaging.reading.tiff import first_page, opened_tiff

_APP11 = 0xEB
_STORE = b"c2pa"
_TIFF_TAG = 0xCD41
_GIF_BLOCK = b"\x21\xff\x0bC2PA_GIF"
_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Identifier of the `uuid` box in the ISO media formats."""
_MOST_CHUNKS = 2**16


def holds_content_credentials(data: bytes, kind: str) -> bool:
    """Whether a manifest store is in the file, whoever signed it and whether it still fits.

    Args:
        data: the file.
        kind: its format, as Pillow names it.
    """
    if kind in ("JPEG", "MPO"):
        return any(marker == _APP11 and _STORE in body[:64] for marker, body in segments(data))
    if kind == "PNG":
        return b"caBX" in _png_chunks(data)
    if kind == "WEBP":
        return b"C2PA" in _riff_chunks(data)
    if kind == "GIF":
        return _GIF_BLOCK in data
    if kind == "TIFF":
        return _in_tiff(data)
    if kind in ("AVIF", "HEIF", "HEIC"):
        return any(
            box.kind == b"uuid" and data[box.start : box.start + 16] == _BOX for box in boxes(data)
        )
    return False


def _png_chunks(data: bytes) -> Iterator[bytes]:
    at = 8
    for _ in range(_MOST_CHUNKS):
        kind = data[at + 4 : at + 8]
        if len(kind) < 4:
            return
        yield kind
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _riff_chunks(data: bytes) -> Iterator[bytes]:
    at = 12
    for _ in range(_MOST_CHUNKS):
        kind = data[at : at + 4]
        if len(kind) < 4:
            return
        yield kind
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2


def _in_tiff(data: bytes) -> bool:
    try:
        with opened_tiff(data) as file:
            return _TIFF_TAG in first_page(file).tags
    except RowError:
        return False
