"""What PNG and WebP are made of, one part after another, as far as they are whole."""

from __future__ import annotations

from collections.abc import Iterator

_MOST_PARTS = 2**16
"""That are looked at. A PNG of 64 MiB has 8,000 chunks where encoders write 8 kB each."""


def png_chunks(data: bytes, kinds: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of chunks of these kinds; some kinds may come after the pixels, too."""
    at = 8
    for _ in range(_MOST_PARTS):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        if kind in kinds:
            yield kind, data[at + 8 : at + 8 + size]
        at += 12 + size


def riff_chunks(data: bytes, kind: bytes) -> Iterator[bytes]:
    """Content of the chunks of this kind (WebP: RFC 9649)."""
    at = 12
    for _ in range(_MOST_PARTS):
        found, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if len(found) < 4:
            return
        if found == kind:
            yield data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
