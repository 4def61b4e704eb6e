"""The segments of a JPEG file before its pixels (ITU-T T.81, annex B)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.errors import ErrorCode, RowError

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_PADDING = 0xFF
_SCAN = int.from_bytes(b"\xff\xda", "little")
MOST_SCANS = 100
"""Each goes over the whole picture. Encoders write 10, the thriftiest 20; libtiff allows 100."""
_MOST_SEGMENTS = 2**16


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


def check_scans(data: bytes) -> None:
    """Refuse a progressive JPEG of absurdly many scans; pictures behind its end do not count.

    Decoders look for the next marker wherever something else stands in its place, and so do we.

    Raises:
        RowError: `corrupt_image`.
    """
    if _num_places(data) <= MOST_SCANS:  # most files: no marker has to be walked over
        return
    at, num_scans = 2, 0
    for _ in range(_MOST_SEGMENTS):
        at = data.find(b"\xff", at)
        while at >= 0 and data[at + 1 : at + 2] in (b"\xff", b"\0"):  # padding, and a stuffed byte
            at = data.find(b"\xff", at + 1)
        marker = data[at + 1] if 0 <= at < len(data) - 1 else _END_OF_IMAGE
        if marker == _END_OF_IMAGE:
            return
        num_scans += marker == _START_OF_SCAN
        if num_scans > MOST_SCANS:
            raise RowError(
                ErrorCode.CORRUPT_IMAGE, f"JPEG: more than {MOST_SCANS} scans over its pixels"
            )
        standalone = marker in _STANDALONE
        at += 2 if standalone else 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
    raise RowError(ErrorCode.CORRUPT_IMAGE, f"JPEG: more than {_MOST_SEGMENTS:,} segments")


def _num_places(data: bytes) -> int:
    """The number of places that look like a scan's start, counted at 0.1 ms a megabyte."""
    pairs = (np.frombuffer(data, "<u2", (len(data) - start) // 2, start) for start in (0, 1))
    return sum(int(np.count_nonzero(each == _SCAN)) for each in pairs) if len(data) > 2 else 0
