"""What a PNG is made of, one chunk after another, as far as it is whole (PNG, third edition, 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE_SIZE = 8
MOST_CHUNKS = 2**16
"""The most chunks that are walked over. A file of 64 MiB has 8,000 where encoders write 8 kB each.
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One of them; the file may end before it does."""

    kind: bytes
    start: int
    end: int
    """The offset in the file where the chunk's body ends; its checksum follows."""


def chunks_of(data: bytes) -> Iterator[Chunk]:
    """All up to the end mark, which is the last."""
    at = SIGNATURE_SIZE
    for _ in range(MOST_CHUNKS):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if len(kind) < 4:
            return
        yield Chunk(kind, at + 8, at + 8 + size)
        if kind == b"IEND":
            return
        at += 12 + size
