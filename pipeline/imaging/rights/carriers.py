"""Where the formats' specifications keep EXIF, XMP and IPTC-IIM. No pixel is decoded for it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageFile, TiffImagePlugin

from pipeline.errors import RowError
from pipeline.imaging.clipping_path.resources import (
    DamagedError,
    Resource,
    image_resources,
    resources_in,
)
from pipeline.imaging.reading.boxes import boxes, content
from pipeline.imaging.reading.identify import identify
from pipeline.imaging.reading.pillow import DAMAGE, opened
from pipeline.imaging.rights.parts import png_chunks

_IPTC_RESOURCE = 1028
_XMP_TAG, _IPTC_TAG = 700, 33723
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""XMP specification, part 3: of JPEG 2000 and the ISO media formats."""
_PNG_CARRIERS = frozenset([b"eXIf", b"iTXt", b"tEXt", b"zTXt"])
_MOST_UNFOLDED = 4 * 2**20
"""Bytes that a compressed text of a PNG may unfold to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """What a file carries beside its pixels, as far as it could be found. Empty: it has none."""

    exif: Mapping[int, Any] = field(default_factory=dict)
    """The tags of its first directory."""
    xmp: bytes = b""
    iptc: bytes = b""
    texts: Mapping[str, str] = field(default_factory=dict)
    """A PNG's, by keyword."""


def carriers_of(photograph: bytes) -> Carriers:
    """Find what the file carries. What is damaged is left out: never an error."""
    try:
        kind = identify(photograph)
    except RowError:
        return Carriers()
    if kind == "PNG":
        return _of_png(photograph)
    if kind == "JPEG2000":
        return Carriers(xmp=_in_box(photograph))
    try:
        with opened(photograph, kind) as image:
            return _of_image(image, photograph)
    except RowError:
        return Carriers()


def _of_image(image: ImageFile.ImageFile, data: bytes) -> Carriers:
    exif: Mapping[int, Any] = {}
    with suppress(*DAMAGE):
        exif = dict(image.getexif())
    xmp = image.info.get("xmp") or b""
    iptc = b""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        xmp = xmp or image.tag_v2.get(_XMP_TAG) or b""
        iptc = _tiff_bytes(image, _IPTC_TAG)
    return Carriers(
        exif=exif,
        xmp=xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        iptc=iptc or _resource(_blocks(data, str(image.format)), _IPTC_RESOURCE),
    )


def _tiff_bytes(image: TiffImagePlugin.TiffImageFile, tag: int) -> bytes:
    """A tag that is bytes by its meaning, and that Photoshop declares as 32-bit numbers."""
    value = image.tag_v2.get(tag)
    if isinstance(value, tuple) and all(isinstance(number, int) for number in value):
        order = "<" if image.tag_v2.prefix == b"II" else ">"
        with suppress(struct.error):
            return struct.pack(f"{order}{len(value)}I", *value)
    return value if isinstance(value, bytes) else b""


def _blocks(data: bytes, file_format: str) -> list[Resource]:
    try:
        return image_resources(data, file_format)
    except DamagedError:
        return []


def _resource(blocks: list[Resource], number: int) -> bytes:
    return next((block.data for block in blocks if block.id == number), b"")


def _exif_tags(block: bytes) -> Mapping[int, Any]:
    exif = Image.Exif()
    with suppress(*DAMAGE):
        if block:
            exif.load(block)
            return dict(exif)
    return {}


def _in_box(data: bytes) -> bytes:
    for box in boxes(data):
        if box.kind == b"uuid" and data[box.start : box.start + 16] == _XMP_BOX:
            return content(data, box)[16:]
    return b""


def _of_png(data: bytes) -> Carriers:
    exif, texts = b"", dict[str, bytes]()
    for kind, body in png_chunks(data, _PNG_CARRIERS):
        if kind == b"eXIf":
            exif = exif or body
        else:
            keyword, text = _text(kind, body)
            texts.setdefault(keyword, text)
    exif = exif or _raw_profile(texts, "exif") or _raw_profile(texts, "APP1")
    blocks: list[Resource] = []
    with suppress(DamagedError):
        blocks = resources_in(_raw_profile(texts, "iptc") or _raw_profile(texts, "8bim"))
    return Carriers(
        exif=_exif_tags(exif) if not exif.startswith(b"http") else {},
        xmp=texts.get("XML:com.adobe.xmp") or _raw_profile(texts, "xmp"),
        iptc=_resource(blocks, _IPTC_RESOURCE),
        texts={
            keyword: texts[keyword].decode("utf-8", "replace").strip("\0 \t\r\n")
            for keyword in ("Author", "Copyright", "Description")
            if keyword in texts
        },
    )


def _text(kind: bytes, body: bytes) -> tuple[str, bytes]:
    """PNG, third edition, 11.3.3: keyword and text, in UTF-8 as far as it is one."""
    keyword, _, rest = body.partition(b"\0")
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return name, rest.decode("latin-1").encode()
    if kind == b"zTXt":
        return name, _unfolded(rest[1:]).decode("latin-1").encode()
    is_packed, text = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return name, _unfolded(text) if is_packed else text


def _unfolded(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MOST_UNFOLDED)
    except zlib.error:
        return b""


def _raw_profile(texts: Mapping[str, bytes], kind: str) -> bytes:
    """ImageMagick's way: after a name and a length, as hexadecimal digits."""
    text = texts.get(f"Raw profile type {kind}", b"")
    with suppress(ValueError):
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    return b""
