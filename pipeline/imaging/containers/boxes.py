"""Boxes, as JPEG 2000 and the ISO media formats nest them (ISO/IEC 15444-1 annex I, 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MAX_BOXES = 4096
"""The most boxes that are read on one level. Those that follow are left unread."""


@dataclass(frozen=True, slots=True)
class Box:
    """The position of a box's content in the file."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Walk over the boxes of one level; a box that reaches beyond its level ends with it."""
    end = len(data) if end is None else min(end, len(data))
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind, head = (
            int.from_bytes(data[start : start + 4], "big"),
            data[start + 4 : start + 8],
            8,
        )
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:  # to the end
            size = end - start
        if size < head:
            return
        yield Box(kind, start + head, min(start + size, end))
        start += size


def content(data: bytes, box: Box) -> bytes:
    """The content of a box."""
    return data[box.start : box.end]
