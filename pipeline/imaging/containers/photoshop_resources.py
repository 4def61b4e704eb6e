"""Photoshop's image resources, the blocks in which it keeps what is not pixels, in any file.

Formats: Adobe Photoshop File Formats Specification (2019), "Image Resources Section"; in JPEG they
are the segments APP13, in TIFF the tag 34377.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pipeline.imaging.containers.jpeg_segments import segments
from pipeline.imaging.containers.tiff_directory import entries
from pipeline.imaging.containers.tiff_pages import opened_tiff, photograph_in

_SIGNATURES = frozenset({b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"})
"""The signatures of resource blocks. All but the first belong to other programs of Adobe's, and
have the same layout."""
_APP13 = b"Photoshop 3.0\0"
_TIFF_TAG = 34377
_MOST_BLOCKS = 10_000
"""Photoshop writes some thirty, and at most 998 paths."""
_BYTES = (1, 6, 7)
"""Types of TIFF values that are bytes."""

_APP13_MARKER = 0xED


@dataclass(frozen=True, slots=True)
class Resource:
    """One block."""

    id: int
    name: bytes
    """The name as it is stored, in an encoding that the file does not name."""
    data: bytes


class DamagedError(ValueError):
    """The blocks, or what leads to them, end in the middle."""


def image_resources(data: bytes, file_format: str) -> list[Resource]:
    """All blocks of a file, in its order; none where it has none, or cannot have any.

    Args:
        data: the file.
        file_format: JPEG, TIFF or PSD, as Pillow names them; no other holds blocks.

    Raises:
        DamagedError: they cannot be read whole.
        RowError: `corrupt_image`, a TIFF that is damaged altogether.
    """
    try:
        if file_format in ("JPEG", "MPO"):
            return _blocks(section_of_jpeg(data))
        if file_format == "TIFF":
            return _blocks(_of_tiff(data))
        if file_format == "PSD":
            return _blocks(_of_psd(data))
    except (struct.error, IndexError) as error:
        raise DamagedError(str(error)) from error
    return []


def _blocks(section: bytes) -> list[Resource]:
    resources: list[Resource] = []
    at = 0
    while at + 4 <= len(section):
        if section[at : at + 4] not in _SIGNATURES:
            if not section[at:].strip(b"\0"):
                break
            raise DamagedError("a block without its signature")
        if len(resources) == _MOST_BLOCKS:
            raise DamagedError(f"more than {_MOST_BLOCKS} blocks")
        (number,) = struct.unpack_from(">H", section, at + 4)
        length = section[at + 6]
        name = section[at + 7 : at + 7 + length]
        at += 6 + _even(1 + length)
        (size,) = struct.unpack_from(">I", section, at)
        at += 4
        if at + size > len(section):
            raise DamagedError("a block that is cut off")
        resources.append(Resource(number, name, section[at : at + size]))
        at += _even(size)
    return resources


def _even(length: int) -> int:
    return length + length % 2


def section_of_jpeg(data: bytes) -> bytes:
    """The content of all APP13 segments together: one holds 64 kB, and blocks go on in the next."""
    return b"".join(
        body[len(_APP13) :]
        for marker, body in segments(data)
        if marker == _APP13_MARKER and body.startswith(_APP13)
    )


def _of_tiff(data: bytes) -> bytes:
    """Resources of the TIFF page that is the photograph; tifffile would drop damaged tags."""
    with opened_tiff(data) as file:
        directory = list(entries(file, data, photograph_in(file).page.offset))
    for entry in directory:
        if entry.code == _TIFF_TAG and entry.kind in _BYTES:
            if entry.start + entry.size > len(data):
                raise DamagedError("a tag that points beyond the file")
            return data[entry.start : entry.start + entry.size]
    return b""


def _of_psd(data: bytes) -> bytes:
    """The third section, after the header of 26 bytes and the colour mode data."""
    (colours,) = struct.unpack_from(">I", data, 26)
    at = 30 + colours
    (length,) = struct.unpack_from(">I", data, at)
    if at + 4 + length > len(data):
        raise DamagedError("image resources that are cut off")
    return data[at + 4 : at + 4 + length]


def resources_in(section: bytes) -> list[Resource]:
    """The blocks of a section that was found elsewhere, such as in a text of a PNG.

    Raises:
        DamagedError: they cannot be read whole.
    """
    try:
        return _blocks(section)
    except (struct.error, IndexError) as error:
        raise DamagedError(str(error)) from error
