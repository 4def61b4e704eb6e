"""AVIF and HEIC: EXIF and XMP are items beside the picture (ISO/IEC 14496-12, 8.11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.imaging.reading.boxes import Box, boxes, content

_MOST_ITEMS = 4096
_MOST_PARTS = 64
"""Of an item. EXIF and XMP are in one piece."""
_MOST_BYTES = 8 * 2**20
"""Of an item that is not a picture."""
_XMP_TYPE = b"application/rdf+xml"
_IN_FILE, _IN_IDAT = 0, 1
"""From where an item's place is counted."""


@dataclass(frozen=True, slots=True)
class _Place:
    counted_from: int
    parts: tuple[tuple[int, int], ...]
    """Offset and length."""


def exif_and_xmp(data: bytes) -> tuple[bytes, bytes]:
    """An EXIF block and an XMP packet, each empty where there is none, or it is not whole."""
    meta = next((box for box in boxes(data) if box.kind == b"meta"), None)
    if meta is None:
        return b"", b""
    inner = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    places = dict(_places(content(data, inner[b"iloc"]))) if b"iloc" in inner else {}
    found = {b"Exif": b"", _XMP_TYPE: b""}
    for item, kind in _kinds(data, inner.get(b"iinf")):
        if kind in found and not found[kind] and item in places:
            found[kind] = _item(data, places[item], inner.get(b"idat"))
    exif = found[b"Exif"]
    header_at = int.from_bytes(exif[:4], "big")  # ISO/IEC 23008-12, annex A
    return exif[4 + header_at :], found[_XMP_TYPE]


def _kinds(data: bytes, box: Box | None) -> Iterator[tuple[int, bytes]]:
    """Number and type of each item; of type mime its content type."""
    if box is None:
        return
    is_narrow = data[box.start : box.start + 1] == b"\0"
    for entry in boxes(data, box.start + (6 if is_narrow else 8), box.end):
        body = content(data, entry)
        size = 2 if body[:1] == b"\2" else 4
        kind = body[6 + size : 10 + size]
        if kind == b"mime":  # a name, then the content type
            kind = body[10 + size :].partition(b"\0")[2].partition(b"\0")[0]
        yield int.from_bytes(body[4 : 4 + size], "big"), kind


def _places(body: bytes) -> Iterator[tuple[int, _Place]]:
    """An iloc box, 8.11.3; what is cut off ends it."""
    version, sizes = body[0] if body else 0, body[4:6]
    if len(sizes) < 2 or version > 2:
        return
    offset_size, length_size = sizes[0] >> 4, sizes[0] & 15
    base_size, index_size = sizes[1] >> 4, (sizes[1] & 15 if version else 0)
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(body[at - size : at], "big")

    wide = 4 if version == 2 else 2
    for _ in range(min(number(wide), _MOST_ITEMS)):
        item = number(wide)
        counted_from = number(2) & 15 if version else _IN_FILE
        at += 2  # of another file, which nobody has
        base, count = number(base_size), number(2)
        if count > _MOST_PARTS or at > len(body):
            return
        parts = []
        for _ in range(count):
            at += index_size
            parts.append((base + number(offset_size), number(length_size)))
        yield item, _Place(counted_from, tuple(parts))


def _item(data: bytes, place: _Place, idat: Box | None) -> bytes:
    if place.counted_from == _IN_IDAT:
        source = b"" if idat is None else content(data, idat)
    elif place.counted_from == _IN_FILE:
        source = data
    else:
        return b""
    if sum(length for _, length in place.parts) > _MOST_BYTES:
        return b""
    return b"".join(source[offset : offset + length] for offset, length in place.parts)
