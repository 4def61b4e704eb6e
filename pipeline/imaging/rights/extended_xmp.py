"""XMP that a JPEG has no room for in one segment (XMP specification, part 3, 1.1.3.1)."""

from __future__ import annotations

from collections.abc import Iterable

_START = b"http://ns.adobe.com/xmp/extension/\0"
_NAME_SIZE, _NUMBER_SIZE = 32, 4
"""Sizes in bytes: of the packet's name (its MD5 in hexadecimal digits), and of its length and each
part's offset."""
_MOST_BYTES = 4 * 2**20
"""The most bytes of an extended packet, as of any other packet."""
_MOST_PARTS = 1024
"""The most parts that are looked up in the standard packet. Those of 4 MiB are 65, one older edit's
as many."""


def extended(standard: bytes, bodies: Iterable[bytes]) -> bytes:
    """The packet that the standard one names, put together; empty: none, or it is not whole.

    Parts may come in any order. Those of another name are left over from an older edit.

    Args:
        standard: the packet that stands in a segment of its own, in UTF-8 as there it has to be.
        bodies: all segments APP1.
    """
    parts: dict[int, bytes] = {}
    whole_size = num_parts = 0
    for body in bodies:
        head = len(_START) + _NAME_SIZE
        if not body.startswith(_START) or len(body) < head + 2 * _NUMBER_SIZE:
            continue
        num_parts += 1
        if num_parts > _MOST_PARTS:
            return b""
        if body[len(_START) : head] not in standard:
            continue
        whole_size = int.from_bytes(body[head : head + _NUMBER_SIZE], "big")
        place = int.from_bytes(body[head + _NUMBER_SIZE : head + 2 * _NUMBER_SIZE], "big")
        parts.setdefault(place, body[head + 2 * _NUMBER_SIZE :])
    if whole_size > _MOST_BYTES:
        return b""
    whole = bytearray()
    for place, part in sorted(parts.items()):
        if place != len(whole):
            return b""
        whole += part
    return bytes(whole) if len(whole) == whole_size else b""
