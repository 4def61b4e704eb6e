"""JPEGs that are not as they should be: without an end marker, or with damaged metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.libraries.pillow_files import DAMAGE
from pipeline.imaging.reading.formats.pillow_decoder import read_by_pillow
from pipeline.imaging.reading.limits import ImageLimits

_END = b"\xff\xd9"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""The marker behind a scan's data, no stuffed zero and no restart marker (ITU-T T.81, B.1.1.5)."""
_START_OF_SCAN = 0xDA
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
"""Huffman-coded frames (T.81, table B.1)."""
_METADATA = frozenset([*range(0xE0, 0xF0), 0xFE])
"""APP0 to APP15 and comments, which decide no coefficient."""
_NEEDED = ((b"Exif\0\0", 14), (b"ICC_PROFILE\0", 15), (b"Adobe", 12))
"""Names of segments, and the bytes that are the least of them."""
UNTIDY = "damaged metadata"
"""A layout: read without it."""
_TAIL, _LONGEST_PERIOD, _NOISE = 160, 65, 4096
"""Bytes: of the last data looked at, of what may repeat itself in them, of noise."""
_TALLEST_BLOCK = 32
"""Pixels that are coded together, where colours have a fourth of the height."""
_NUM_COEFFICIENTS = 64
_UNFINISHED = 13
"""The bits still to come of a coefficient that no scan has begun: more than any coefficient has."""
_MOST_MARKERS = 4096


def read_jpeg(
    data: bytes, header: Header, limits: ImageLimits, *, shown_px: int | None = None
) -> Decoded:
    """Read a JPEG by Pillow, also one that lacks nothing but its end marker.

    Raises:
        RowError: as `read_by_pillow`; a file that was cut short is `corrupt_image`, also if it was
            closed with an end marker behind the cut.
    """
    if header.layout == UNTIDY:
        decoded = read_jpeg(tidied(data), replace(header, layout=""), limits, shown_px=shown_px)
        return replace(decoded, notes=(*decoded.notes, "metadata that is damaged is left out"))
    try:
        decoded = read_by_pillow(data, header, limits, shown_px=shown_px)
    except RowError as error:
        if error.code is not ErrorCode.CORRUPT_IMAGE or has_end(data):
            raise
        if not _is_complete(data):
            raise RowError(
                ErrorCode.CORRUPT_IMAGE,
                "JPEG: its end marker is missing, and pixels before it, or it cannot be told that "
                "none are. Upload it again, or open and save it",
            ) from error
    else:
        if _may_be_made_up(decoded, data):
            _refuse_made_up(decoded, data, header, limits, shown_px)
        return decoded
    decoded = read_by_pillow(data + _END, header, limits, shown_px=shown_px)
    note = "without an end marker, but with all of its pixels"
    return replace(decoded, notes=(note, *decoded.notes))


def _may_be_made_up(decoded: Decoded, data: bytes) -> bool:
    """Whether it ends in one colour, as libjpeg goes on where data are missing, without need.

    Where an encoder has written so much of one colour, the data repeat themselves.
    """
    last_WC = decoded.samples.values_HWC[-1]
    if (last_WC != last_WC[0]).any():
        return False
    end = _end_of_scans(data)
    tail = data[max(end - _TAIL, 0) : end - 2]
    return not any(tail[period:] == tail[:-period] for period in range(1, _LONGEST_PERIOD))


def _refuse_made_up(
    decoded: Decoded, data: bytes, header: Header, limits: ImageLimits, shown_px: int | None
) -> None:
    """Put noise behind the data of the last scan: where it shows, something was missing.

    Raises:
        RowError: `corrupt_image`: above the last row of blocks.
    """
    end = _end_of_scans(data)
    if not end:  # its segments are such that only libjpeg finds a way through them
        return
    noise = bytes(i * i * 37 % 251 for i in range(1, _NOISE))
    changed = data[:end].rstrip(b"\xff") + noise + _END
    try:
        noisy = read_by_pillow(changed, header, limits, shown_px=shown_px)
    except RowError:  # noise is not all that is wrong with it, and it was read
        return
    before_HWC, after_HWC = decoded.samples.values_HWC, noisy.samples.values_HWC
    rows = np.flatnonzero((before_HWC != after_HWC).any(axis=(1, 2)))
    block = -(-_TALLEST_BLOCK * before_HWC.shape[0] // header.height)
    if len(rows) and rows[0] < before_HWC.shape[0] - block:
        raise RowError(
            ErrorCode.CORRUPT_IMAGE,
            f"JPEG: cut short at {rows[0] / before_HWC.shape[0]:.0%} of its height, and closed "
            "with an end marker. Upload it again",
        )


def tidied(data: bytes) -> bytes:
    """The file without metadata but its profile, its EXIF and what tells of its channels.

    Pillow does not open a file of which a segment is shorter than it is by its name. What is as
    short among those that decide pixels is left out, too.
    """
    kept = [data[:2]]
    for part in _parts(data):
        if part.marker == _START_OF_SCAN:
            return b"".join([*kept, data[part.start :]])
        names = [size for name, size in _NEEDED if part.body.startswith(name)]
        if part.marker not in _METADATA or (names and len(part.body) >= names[0]):
            kept.append(data[part.start : part.end])
    return data


def has_end(data: bytes) -> bool:
    """Whether there is an end marker behind the data of the scans."""
    return any(part.marker == _END[1] for part in _parts(data))


@dataclass(frozen=True, slots=True)
class _Part:
    marker: int
    start: int
    """The offset of the part's first byte in the file."""
    body: bytes
    end: int
    """The offset behind the part; behind the data, too, if it is a scan."""


def _parts(data: bytes) -> Iterator[_Part]:
    """The segments of a JPEG up to its end, as far as they are whole."""
    at = 2
    for _ in range(_MOST_MARKERS):
        while data[at : at + 2] == b"\xff\xff":  # padding
            at += 1
        if at + 2 > len(data) or data[at] != 0xFF:
            return
        marker = data[at + 1]
        if marker == _END[1]:
            yield _Part(marker, at, b"", at + 2)
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            return
        body, start = data[at + 4 : end], at
        if marker == _START_OF_SCAN:
            following = _NEXT_MARKER.search(data, end)
            end = following.start() if following else len(data)
        yield _Part(marker, start, body, end)
        at = end


def _end_of_scans(data: bytes) -> int:
    """The offset at which the data of the last scan end; 0: there are none."""
    return max((part.end for part in _parts(data) if part.marker == _START_OF_SCAN), default=0)


def _is_complete(data: bytes) -> bool:
    """Whether every bit of every coefficient is there, in a JPEG that has no end marker.

    The last scan has to be the last of its frame, and libjxl, which is to store the coefficients
    without a change, must not run out of bits: it counts them, where others fill up with zeros.
    What it does not know (inks, arithmetic coding) is taken for incomplete.
    """
    parts = list(_parts(data))
    if not parts or parts[-1].marker != _START_OF_SCAN or not _all_announced(parts):
        return False
    kept = b"".join(data[part.start : part.end] for part in parts if part.marker not in _METADATA)
    try:
        imagecodecs.jpegxl_encode_jpeg(data[:2] + kept + _END, numthreads=1)
    except DAMAGE:
        return False
    return True


def _all_announced(parts: list[_Part]) -> bool:
    """Whether the scans there are, if whole, hold all coefficients to the last bit (T.81, G.1)."""
    missing: dict[int, list[int]] = {}
    """The number of bits still to come, by component and by coefficient."""
    for part in parts:
        if part.marker in (*_SEQUENTIAL, _PROGRESSIVE):
            if missing:  # a second frame
                return False
            missing = {i: [_UNFINISHED] * _NUM_COEFFICIENTS for i in part.body[6::3]}
        elif part.marker == _START_OF_SCAN:
            num = part.body[0] if part.body else 0
            if len(part.body) != 4 + 2 * num:
                return False
            first, last, precision = part.body[-3:]
            for component in part.body[1:-3:2]:
                for i in range(first, min(last + 1, _NUM_COEFFICIENTS)):
                    missing.setdefault(component, [_UNFINISHED] * _NUM_COEFFICIENTS)[i] = (
                        precision & 15
                    )
    return bool(missing) and not any(map(any, missing.values()))
