"""The paths that were saved with a photograph, and which of them is its clipping path.

Adobe Photoshop File Formats Specification (2019), "Path resource format": records of 26 bytes, a
selector and 24 bytes more. A subpath is a record of its length, and a record for each of its knots:
three points (the control point before, the anchor, the one after), each vertical first, in fixed
point numbers of 8.24 bits, where 1 is the height or width of the picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.containers.photoshop_resources import DamagedError, Resource

Float = NDArray[np.float64]
# Shape suffixes: N knots, and 3 x 2: the points before, at and after a knot, each as x, y.

_FIRST_PATH, _LAST_PATH = 2000, 2997
_CLIPPING_PATH_NAME = 2999
_RECORD = np.dtype([("selector", ">i2"), ("points", ">i4", (3, 2))])
_LENGTH = np.dtype([("selector", ">i2"), ("knots", ">u2"), ("operation", ">i2"), ("rest", "S20")])
_CLOSED, _OPEN = 0, 3
_KNOTS = (1, 2, 4, 5)
_ASIDE = (6, 7, 8)
"""Fill rule, clipboard, initial fill: nothing that a path of its own means something by."""
_ENCODINGS = (
    "utf-8", "mac_roman", "cp1252", "cp932", "gb18030", "big5", "cp949", "mac_cyrillic", "cp1251",
    "mac_greek", "cp1253", "mac_latin2", "cp1250", "mac_turkish", "cp1254",
)  # fmt: skip
"""Encodings that names of paths are tried in: Photoshop wrote them as the computer did that it ran
on."""
_MOST_RECORDS = 200_000
"""The most records that one path may have. The largest ones drawn by hand have some ten thousand
knots."""


class Operation(IntEnum):
    """How Photoshop joins a subpath to those before it."""

    WITH_PREVIOUS = -1
    """One component with the one before; inside a component, even-odd."""
    EXCLUDE = 0
    COMBINE = 1
    SUBTRACT = 2
    INTERSECT = 3


@dataclass(frozen=True, slots=True)
class Subpath:
    """A closed curve of cubic Bézier segments, from knot to knot and back to the first."""

    knots_N32: Float
    """x and y; 1 is the width or height of the picture as it is stored."""
    operation: Operation


@dataclass(frozen=True, slots=True)
class SavedPath:
    """A path with its name."""

    name: str
    data: bytes
    """The path's records, 26 bytes each, as the file stores them."""
    is_clipping: bool
    """The file names it as its clipping path."""
    stored_name: bytes = b""
    """The name as the file stores it, in an encoding that the file does not name."""

    def is_called(self, name: str) -> bool:
        """Whether this may be its name, in whatever script it was written."""
        wanted = plain_name(name)
        if wanted == plain_name(self.name):
            return True
        if self.stored_name.isascii():
            return False
        return any(wanted == plain_name(text) for text in _readings(self.stored_name))

    def subpaths(self) -> list[Subpath]:
        """The path's curves. Open ones are closed by a straight line, as Photoshop fills them.

        Raises:
            DamagedError: the records are not what they should be.
        """
        return _subpaths(self.data)


def saved_paths(resources: Sequence[Resource]) -> list[SavedPath]:
    """All paths that have a name, in the order of their numbers.

    Photoshop's nameless work path (1025) is not among them: it is whatever was drawn last.
    """
    marked = {
        _pascal(resource.data) for resource in resources if resource.id == _CLIPPING_PATH_NAME
    } - {b""}
    marked_texts = {plain_name(_text(name)) for name in marked}
    paths = [resource for resource in resources if _FIRST_PATH <= resource.id <= _LAST_PATH]
    saved: list[SavedPath] = []
    for resource in sorted(paths, key=lambda resource: resource.id):
        name = _text(resource.name)
        is_marked = resource.name in marked or plain_name(name) in marked_texts
        is_first = not any(path.is_clipping for path in saved)
        saved.append(SavedPath(name, resource.data, is_marked and is_first, resource.name))
    return saved


def without_repeats(subpaths: Sequence[Subpath]) -> list[Subpath]:
    """The subpaths; of those that are combined and were drawn twice, the first.

    Photoshop shows no difference, and so such paths are delivered. By the even-odd rule the two
    would cancel each other, and nothing of the product be left. With which knot a curve begins, and
    which way round it goes, makes no difference to what it encloses.
    """
    kept: list[Subpath] = []
    known: set[bytes] = set()
    for subpath in subpaths:
        if subpath.operation == Operation.COMBINE:
            shape = _shape(subpath.knots_N32)
            if shape in known:
                continue
            known.add(shape)
        kept.append(subpath)
    return kept


def _shape(knots_N32: Float) -> bytes:
    """A key that is equal for all ways to write down one closed curve."""
    ways = []
    for way_N32 in (knots_N32, knots_N32[::-1, ::-1]):
        first = int(np.lexsort(way_N32.reshape(len(way_N32), -1).T[::-1])[0])
        ways.append(np.roll(way_N32, -first, axis=0).tobytes())
    return min(ways)


def plain_name(name: str) -> str:
    """A path's name for comparing: Macs write an accent as a letter of its own, others do not."""
    return unicodedata.normalize("NFC", name).strip()


def marked_name(resources: Sequence[Resource]) -> str | None:
    """The name of the file's clipping path, be that there or not; None: it has none."""
    names = [_pascal(resource.data) for resource in resources if resource.id == _CLIPPING_PATH_NAME]
    return next((_text(name) for name in names if name), None)


def _pascal(data: bytes) -> bytes:
    return data[1 : 1 + data[0]] if data else b""


def _text(name: bytes) -> str:
    """Newer files hold UTF-8, older ones what a Macintosh wrote."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("mac_roman")


def _readings(name: bytes) -> Iterator[str]:
    for encoding in _ENCODINGS:
        with suppress(UnicodeDecodeError):
            yield name.decode(encoding)


def _subpaths(data: bytes) -> list[Subpath]:
    count = len(data) // _RECORD.itemsize
    if count > _MOST_RECORDS:
        raise DamagedError(f"a path of more than {_MOST_RECORDS} records")
    whole = data[: count * _RECORD.itemsize]
    records, lengths = np.frombuffer(whole, _RECORD), np.frombuffer(whole, _LENGTH)
    subpaths: list[Subpath] = []
    at = 0
    while at < count:
        selector = int(records["selector"][at])
        if selector in _ASIDE:
            at += 1
            continue
        if selector not in (_CLOSED, _OPEN):
            raise DamagedError(f"a record {selector} where a subpath should begin")
        knots = records[at + 1 : at + 1 + int(lengths["knots"][at])]
        if len(knots) < lengths["knots"][at] or not np.isin(knots["selector"], _KNOTS).all():
            raise DamagedError("a subpath that lacks knots")
        if len(knots):
            knots_N32 = knots["points"][..., ::-1].astype(np.float64) / 2**24
            if selector == _OPEN:
                knots_N32[-1, 2], knots_N32[0, 0] = knots_N32[-1, 1], knots_N32[0, 1]
            subpaths.append(Subpath(knots_N32, _operation(int(lengths["operation"][at]))))
        at += 1 + len(knots)
    return subpaths


def _operation(stored: int) -> Operation:
    try:
        return Operation(stored)
    except ValueError:
        raise DamagedError(f"a subpath with the operation {stored}") from None
