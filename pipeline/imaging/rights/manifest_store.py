"""Whether a photograph has Content Credentials of its own: found, never read.

C2PA Technical Specification 2.2, annex A, says where each format keeps its manifest store.
"""

from __future__ import annotations

from collections import defaultdict

from pipeline.errors import RowError
from pipeline.imaging.containers.boxes import boxes, content
from pipeline.imaging.containers.identify import identify
from pipeline.imaging.containers.image_chunks import png_chunks, riff_chunks
from pipeline.imaging.containers.jpeg_segments import segments
from pipeline.imaging.containers.tiff_pages import first_page, opened_tiff

_STORE_TYPE = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""The type of a JUMBF superbox that holds manifests (annex 11.1.4)."""
_TYPE_AT = 16
"""The offset of the type in a superbox: behind its own header and that of its description."""
_BOX_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_APP11 = 0xEB
_TIFF_TAG = 0xCD41
_GIF_EXTENSION = b"\x21\xff\x0bC2PA_GIF"


def manifest_store(photograph: bytes) -> bytes:
    """The bytes of its manifest store, unread; empty where it has none, or none that is whole."""
    try:
        kind = identify(photograph)
    except RowError:
        return b""
    store = {
        "JPEG": _of_jpeg,
        "PNG": _of_png,
        "WEBP": _of_webp,
        "AVIF": _of_boxes,
        "HEIF": _of_boxes,
        "HEIC": _of_boxes,
        "TIFF": _of_tiff,
        "GIF": _of_gif,
    }.get(kind, lambda _: b"")(photograph)
    return store if store[_TYPE_AT : _TYPE_AT + 16] == _STORE_TYPE else b""


def _of_jpeg(data: bytes) -> bytes:
    """JUMBF in APP11 (ISO/IEC 19566-5, annex D): segments of one box have one number."""
    parts: defaultdict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    for marker, body in segments(data):
        if marker == _APP11 and body[:2] == b"JP" and len(body) >= 16:
            parts[body[2:4]].append((int.from_bytes(body[4:8], "big"), body[8:]))
    for box in parts.values():
        box.sort(key=lambda part: part[0])
        # Each part repeats the header of the box.
        whole = box[0][1] + b"".join(part[8:] for _, part in box[1:])
        if whole[_TYPE_AT : _TYPE_AT + 16] == _STORE_TYPE:
            return whole
    return b""


def _of_png(data: bytes) -> bytes:
    return next((body for _, body in png_chunks(data, frozenset([b"caBX"]))), b"")


def _of_webp(data: bytes) -> bytes:
    return next(riff_chunks(data, b"C2PA"), b"")


def _of_boxes(data: bytes) -> bytes:
    for box in boxes(data):
        inner = content(data, box) if box.kind == b"uuid" else b""
        purpose, _, rest = inner[20:].partition(b"\0")  # after the UUID, a version and flags
        if inner.startswith(_BOX_UUID) and purpose == b"manifest":
            return rest[8:]  # an offset to what is none of a still picture
    return b""


def _of_tiff(data: bytes) -> bytes:
    try:
        with opened_tiff(data) as file:
            tag = first_page(file).tags.get(_TIFF_TAG)
    except RowError:
        return b""
    return b"" if tag is None else data[tag.valueoffset : tag.valueoffset + tag.valuebytecount]


def _of_gif(data: bytes) -> bytes:
    """An application extension; its content lies in blocks of up to 255 bytes."""
    at = data.find(_GIF_EXTENSION) + 14
    parts: list[bytes] = []
    while at >= 14 and at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)
