"""What PNG and WebP are made of, one part after another, as far as they are whole."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.imaging.containers.png_chunks import chunks_of

_MOST_PARTS = 2**16
"""The most parts of a WebP file that are looked at; photographs have some ten."""


def png_chunks(data: bytes, kinds: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of chunks of these kinds; some kinds may come after the pixels, too."""
    for chunk in chunks_of(data):
        if chunk.kind in kinds:
            yield chunk.kind, data[chunk.start : chunk.end]


def riff_chunks(data: bytes, kind: bytes) -> Iterator[bytes]:
    """Content of the chunks of this kind (WebP: RFC 9649)."""
    at = 12
    for _ in range(_MOST_PARTS):
        fourcc, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if len(fourcc) < 4:
            return
        if fourcc == kind:
            yield data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
