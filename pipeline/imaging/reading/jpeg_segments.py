"""The segments of a JPEG file before its pixels (ITU-T T.81, annex B)."""

from __future__ import annotations

from collections.abc import Iterator

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_PADDING = 0xFF


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The second byte of each marker, and what is said there, in the file's order.

    A segment that is cut off is given as far as it goes; what is no marker ends the reading.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _PADDING:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        else:
            length = max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
            yield marker, data[at + 4 : at + 2 + length]
            at += 2 + length
