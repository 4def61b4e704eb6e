"""Where the formats' specifications keep EXIF, XMP and IPTC-IIM. No pixel is decoded for it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal

from PIL import Image
from tifffile import TiffFile

from pipeline.errors import RowError
from pipeline.imaging.containers.boxes import boxes, content
from pipeline.imaging.containers.identify import identify
from pipeline.imaging.containers.image_chunks import png_chunks, riff_chunks
from pipeline.imaging.containers.item_tables import any_item_tables, first_item
from pipeline.imaging.containers.jpeg_segments import segments
from pipeline.imaging.containers.photoshop_resources import (
    DamagedError,
    Resource,
    image_resources,
    resources_in,
    section_of_jpeg,
)
from pipeline.imaging.containers.tiff_directory import entries
from pipeline.imaging.containers.tiff_pages import opened_tiff, photograph_in
from pipeline.imaging.libraries.pillow_files import DAMAGE
from pipeline.imaging.rights.credits import decoded
from pipeline.imaging.rights.extended_xmp import extended

_IPTC_RESOURCE, _EXIF_RESOURCE, _XMP_RESOURCE = 1028, 1058, 1060
_XMP_TAG, _IPTC_TAG, _RESOURCES_TAG = 700, 33723, 34377
_TIFF_CARRIERS = frozenset(
    [270, 271, 272, 306, 315, 33432, 40093, _XMP_TAG, _IPTC_TAG, _RESOURCES_TAG]
)
_ASCII_TYPE, _UTF_8_TYPE = 2, 129
"""The types of a value in EXIF (3.0, 4.6.2)."""
GPS_TAG, GPS_LATITUDE = 34853, 2
"""EXIF 2.32: what points to the directory of the place, and a tag of that."""
_APP1 = 0xE1
_EXIF_START, _XMP_START = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""XMP specification, part 3: of JPEG 2000 and the ISO media formats."""
_EXIF_BOXES = (b"JpgTiffExif->JP2", bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e"))
_IPTC_BOXES = (
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),
    bytes.fromhex("09a14e97c0b442e0bebf36df6f0ce36f"),
)
_RESOURCES_BOX = bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb")
"""The UUID of the JPEG 2000 box with Photoshop's resources, in no standard: what exiftool writes,
then what Photoshop's plug-in wrote."""
_JPEG_2000_CARRIERS = frozenset([*_EXIF_BOXES, *_IPTC_BOXES, _RESOURCES_BOX, _XMP_BOX])
_GIF_XMP, _GIF_XMP_END = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd"
_PNG_CARRIERS = frozenset([b"eXIf", b"iTXt", b"tEXt", b"zTXt"])
_PNG_KEYWORDS = frozenset(["author", "artist", "copyright", "description"])
"""PNG, third edition, 11.3.3.2, in lower case; "Artist" is no word of the standard."""
_PNG_PROFILES = frozenset(
    [
        "XML:com.adobe.xmp",
        *(f"Raw profile type {k}" for k in ("APP1", "exif", "xmp", "iptc", "8bim")),
    ]
)
_MOST_UNFOLDED = 4 * 2**20
"""Bytes that a compressed text of a PNG may unfold to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """The metadata that a file carries beside its pixels. Empty: it has none."""

    exif: Mapping[int, Any] = field(default_factory=dict)
    """The tags of its first directory; under the number of GPS the directory that it points to."""
    xmp: bytes = b""
    extended_xmp: bytes = b""
    """A second packet, with what the first has no room for in a JPEG."""
    iptc: tuple[bytes, ...] = ()
    """Blocks of datasets; programs that add one and leave the old one make several."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """A PNG's, by keyword in lower case."""


def carriers_of(photograph: bytes) -> Carriers:
    """Find what the file carries. What is damaged is left out: never an error."""
    try:
        finder = _FINDERS.get(identify(photograph))
        return Carriers() if finder is None else finder(photograph)
    except RowError:
        return Carriers()


def _of_jpeg(data: bytes) -> Carriers:
    bodies = [body for marker, body in segments(data) if marker == _APP1]
    exif = [body[len(_EXIF_START) :] for body in bodies if body.startswith(_EXIF_START)]
    xmp = next((body[len(_XMP_START) :] for body in bodies if body.startswith(_XMP_START)), b"")
    return Carriers(
        exif=_exif_tags(_continued(exif)),
        xmp=xmp,
        extended_xmp=extended(xmp, bodies),
        iptc=_iptc_in(section_of_jpeg(data)),
    )


def _continued(exif: list[bytes]) -> bytes:
    """A block of more than 64 kB goes on in segments that do not begin as one does (exiftool)."""
    further = takewhile(lambda part: not part.startswith((b"II", b"MM")), exif[1:])
    return b"".join([*exif[:1], *further])


def _of_webp(data: bytes) -> Carriers:
    return Carriers(
        exif=_exif_tags(next(riff_chunks(data, b"EXIF"), b"")),
        xmp=next(riff_chunks(data, b"XMP "), b""),
    )


def _of_iso_media(data: bytes) -> Carriers:
    """Carriers among the items beside the picture in an ISO media file."""
    meta = any_item_tables(data)
    if meta is None:
        return Carriers()
    exif = first_item(data, meta, b"Exif")
    header_at = int.from_bytes(exif[:4], "big")  # ISO/IEC 23008-12, annex A
    return Carriers(
        exif=_exif_tags(exif[4 + header_at :]), xmp=first_item(data, meta, b"application/rdf+xml")
    )


def _of_jpeg2000(data: bytes) -> Carriers:
    """Carriers in boxes of JPEG 2000 that have a UUID; the first of each."""
    contents: dict[bytes, bytes] = {}
    for box in boxes(data):
        uuid = data[box.start : min(box.start + 16, box.end)]
        if box.kind == b"uuid" and uuid in _JPEG_2000_CARRIERS:
            contents.setdefault(uuid, content(data, box)[16:])

    def first(kinds: tuple[bytes, ...]) -> bytes:
        return next(filter(None, (contents.get(kind, b"") for kind in kinds)), b"")

    return Carriers(
        exif=_exif_tags(first(_EXIF_BOXES)),
        xmp=contents.get(_XMP_BOX, b""),
        iptc=_block(first(_IPTC_BOXES)) or _iptc_in(contents.get(_RESOURCES_BOX, b"")),
    )


def _of_tiff(data: bytes) -> Carriers:
    """Carriers in the TIFF page that is the photograph, and those that only the first page has."""
    with opened_tiff(data) as file:
        photograph = photograph_in(file)
        own, first = (_tiff_tags(data, file, page) for page in (photograph.page, photograph.first))
    tags = first | own
    return Carriers(
        exif=tags,
        xmp=tags.get(_XMP_TAG) or b"",
        iptc=(*_block(tags.get(_IPTC_TAG)), *_iptc_in(tags.get(_RESOURCES_TAG) or b"")),
    )


def _tiff_tags(data: bytes, file: TiffFile, page: Any) -> dict[int, Any]:
    """Tags as bytes, whatever type they are declared to have; None of what is large or numbers.

    Photoshop declares IPTC-IIM as 32-bit numbers, which are not to be turned around.
    """
    tags: dict[int, Any] = {
        entry.code: data[entry.start : entry.start + entry.size]
        if entry.code in _TIFF_CARRIERS and entry.size <= _MOST_UNFOLDED
        else None
        for entry in entries(file, data, page.offset)
    }
    if GPS_TAG in tags:
        place = page.tags.get(GPS_TAG)
        says = (
            place is not None and isinstance(place.value, dict) and place.value.get("GPSLatitude")
        )
        tags[GPS_TAG] = {GPS_LATITUDE: says} if says else {}
    return tags


def _of_psd(data: bytes) -> Carriers:
    try:
        blocks = image_resources(data, "PSD")
    except DamagedError:
        blocks = []
    return Carriers(
        exif=_exif_tags(_resource(blocks, _EXIF_RESOURCE)),
        xmp=_resource(blocks, _XMP_RESOURCE),
        iptc=_resources(blocks, _IPTC_RESOURCE),
    )


def _of_gif(data: bytes) -> Carriers:
    """An application extension that is no chain of blocks; bytes that count down end it."""
    start = data.find(_GIF_XMP)
    end = data.find(_GIF_XMP_END, start)
    return Carriers(xmp=data[start + len(_GIF_XMP) : end] if 0 <= start < end else b"")


def _iptc_in(section: bytes) -> tuple[bytes, ...]:
    """The IPTC records in Photoshop's resources; in damaged ones, those behind their number."""
    try:
        return _resources(resources_in(section), _IPTC_RESOURCE)
    except DamagedError:
        _, _, rest = section.partition(b"8BIM" + _IPTC_RESOURCE.to_bytes(2, "big"))
        named = rest[:1] or b"\0"
        at = 1 + named[0] + (named[0] + 1) % 2
        return (rest[at + 4 : at + 4 + int.from_bytes(rest[at : at + 4], "big")],)


def _block(block: bytes | None) -> tuple[bytes, ...]:
    return (block,) if block else ()


def _iptc_of(profile: bytes) -> tuple[bytes, ...]:
    """Bare, as some versions of ImageMagick write it, or in Photoshop's resources."""
    return (profile,) if profile.startswith(b"\x1c") else _iptc_in(profile)


def _resources(blocks: list[Resource], number: int) -> tuple[bytes, ...]:
    return tuple(block.data for block in blocks if block.id == number)


def _resource(blocks: list[Resource], number: int) -> bytes:
    return next(iter(_resources(blocks, number)), b"")


def _exif_tags(block: bytes) -> Mapping[int, Any]:
    exif, tags = Image.Exif(), dict[int, Any]()
    with suppress(*DAMAGE):
        if block:
            exif.load(_with_known_types(block))
            tags = dict(exif)
            if GPS_TAG in tags:
                tags[GPS_TAG] = dict(exif.get_ifd(GPS_TAG))
    return tags


def _with_known_types(block: bytes) -> bytes:
    """Texts that are declared as UTF-8, as EXIF 3.0 can, as ASCII: Pillow 13.0 leaves them out."""
    head = len(_EXIF_START) if block.startswith(_EXIF_START) else 0
    order: Literal["little", "big"] = "little" if block[head : head + 2] == b"II" else "big"
    first = head + int.from_bytes(block[head + 4 : head + 8], order)
    num_entries = int.from_bytes(block[first : first + 2], order)
    changed = bytearray(block)
    for at in range(first + 4, min(first + 2 + 12 * num_entries, len(block) - 1), 12):
        if changed[at : at + 2] == _UTF_8_TYPE.to_bytes(2, order):
            changed[at : at + 2] = _ASCII_TYPE.to_bytes(2, order)
    return bytes(changed)


def _of_png(data: bytes) -> Carriers:
    exif, texts = b"", dict[str, bytes]()
    for kind, body in png_chunks(data, _PNG_CARRIERS):
        if kind == b"eXIf":
            exif = exif or body
            continue
        # The first of each counts; others are not even unfolded.
        keyword = body.partition(b"\0")[0].decode("latin-1")
        keyword = keyword.lower() if keyword.lower() in _PNG_KEYWORDS else keyword
        if keyword not in texts and (keyword in _PNG_KEYWORDS or keyword in _PNG_PROFILES):
            texts[keyword] = _text(kind, body)
    either = _raw_profile(texts, "APP1")  # which EXIF and XMP share in a JPEG
    in_either = either.removeprefix(_XMP_START) if either.startswith(_XMP_START) else b""
    return Carriers(
        exif=_exif_tags(exif or _raw_profile(texts, "exif") or (b"" if in_either else either)),
        xmp=texts.get("XML:com.adobe.xmp") or _raw_profile(texts, "xmp") or in_either,
        iptc=_iptc_of(_raw_profile(texts, "iptc") or _raw_profile(texts, "8bim")),
        texts={
            keyword: decoded(text) for keyword, text in texts.items() if keyword in _PNG_KEYWORDS
        },
    )


def _text(kind: bytes, body: bytes) -> bytes:
    """PNG, third edition, 11.3.3: the text behind a keyword.

    tEXt and zTXt are Latin-1 by the standard, and UTF-8 by many who write them; so is XMP there.
    """
    _, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _unfolded(rest[1:])
    is_packed, text = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _unfolded(text) if is_packed else text


def _unfolded(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MOST_UNFOLDED)
    except zlib.error:
        return b""


def _raw_profile(texts: Mapping[str, bytes], kind: str) -> bytes:
    """ImageMagick's way: after a name and a length, as so many pairs of hexadecimal digits."""
    lines = texts.get(f"Raw profile type {kind}", b"").split(b"\n")
    with suppress(ValueError, IndexError):
        digits = b"".join(lines[3:])[: 2 * int(lines[2])]
        return bytes.fromhex(digits.decode("ascii"))
    return b""


_FINDERS: dict[str, Callable[[bytes], Carriers]] = {
    "JPEG": _of_jpeg,
    "PNG": _of_png,
    "WEBP": _of_webp,
    "AVIF": _of_iso_media,
    "HEIF": _of_iso_media,
    "HEIC": _of_iso_media,
    "TIFF": _of_tiff,
    "JPEG2000": _of_jpeg2000,
    "GIF": _of_gif,
    "PSD": _of_psd,
}
