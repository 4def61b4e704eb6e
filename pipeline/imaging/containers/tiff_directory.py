"""Directories of a TIFF (IFDs), entry by entry: what stands where, before anything is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tifffile import TiffFile

_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_SIZES |= {16: 8, 17: 8, 18: 8}  # TIFF 6.0, section 2, and BigTIFF
_TYPE_SIZES |= {129: 1}  # UTF-8: EXIF 3.0, 4.6.2
_INTEGERS = (1, 3, 4, 13, 16, 18)
"""Types of unsigned ones: bytes, 16, 32 and 64 bits, and offsets of directories."""
_MOST_ENTRIES = 2**16
"""The most entries that are walked over: as many as TIFF can count. BigTIFF can count more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag of a directory; its value may lie outside of the file."""

    code: int
    kind: int
    """TIFF 6.0, section 2."""
    start: int
    size: int
    """The size of the value in bytes; 0 if TIFF has no such type."""


def entries(file: TiffFile, data: bytes, directory: int) -> Iterator[Entry]:
    """Entries of the directory that begins at an offset of the file.

    Raises:
        EOFError: before the first, where the directory is cut.
    """
    form = file.tiff
    first = directory + form.tagnosize
    num_entries = _number(file, data, directory, form.tagnosize)
    if first + num_entries * form.tagsize > len(data) or num_entries > _MOST_ENTRIES:
        raise EOFError("its directory is cut")
    room = form.tagoffsetthreshold  # for a value, and as long as a count
    for at in range(first, first + num_entries * form.tagsize, form.tagsize):
        kind = _number(file, data, at + 2, 2)
        size = _number(file, data, at + 4, room) * _TYPE_SIZES.get(kind, 0)
        start = at + 4 + room
        if size > room:
            start = _number(file, data, start, room)
        yield Entry(_number(file, data, at, 2), kind, start, size)


def number_of(file: TiffFile, data: bytes, entry: Entry) -> int | None:
    """The value of an entry that is one unsigned integer, such as an offset; None: it is not."""
    is_one = entry.kind in _INTEGERS and entry.size == _TYPE_SIZES[entry.kind]
    return _number(file, data, entry.start, entry.size) if is_one else None


def _number(file: TiffFile, data: bytes, at: int, size: int) -> int:
    order: Literal["little", "big"] = "little" if file.tiff.byteorder == "<" else "big"
    return int.from_bytes(data[at : at + size], order)
