"""Limits on how a file is built, held before a pixel is decoded.

A valid file of some kilobytes can keep a decoder busy for minutes: it asks for the same pixels
again and again, or for millions of parts with nothing in them. The limits are far above what
cameras and editors write, and far below that. `header.Unpacked` has those that count pixels.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.codestream_parts import check_codestream, codestream_at
from pipeline.imaging.containers.jpeg_segments import check_scans
from pipeline.imaging.containers.png_chunks import MOST_CHUNKS, chunks_of


def check_structure(data: bytes, kind: str) -> None:
    """Refuse a file that is built to keep its decoder busy.

    Args:
        data: the file.
        kind: its format, as `identify` calls it.

    Raises:
        RowError: `corrupt_image`, with what there is too much of.
    """
    check = _CHECKS.get(kind)
    if check is not None:
        check(data)


def _check_png(data: bytes) -> None:
    if sum(1 for _ in chunks_of(data)) >= MOST_CHUNKS:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"PNG: more than {MOST_CHUNKS:,} chunks")


def _check_jpeg2000(data: bytes) -> None:
    check_codestream(data, codestream_at(data))


_CHECKS: dict[str, Callable[[bytes], None]] = {
    "JPEG": check_scans,
    "MPO": check_scans,
    "PNG": _check_png,
    "JPEG2000": _check_jpeg2000,
}
