"""Boxes of AVIF and HEIC files put in by hand (ISO/IEC 14496-12, 23008-12)."""

import struct

from pipeline.imaging.containers.boxes import boxes


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def found(data, *path):
    """Start and end of the content of a box, down a path; meta is followed by four more bytes."""
    start, end = 0, len(data)
    for kind in path:
        inner = next(one for one in boxes(data, start, end) if one.kind == kind)
        start, end = inner.start + (4 if kind == b"meta" else 0), inner.end
    return start, end


def grown(data, path, at, insert):
    """Bytes put into a box; the boxes around it and the places of all items move along."""
    data = bytearray(data)
    for depth in range(1, len(path) + 1):
        head = found(data, *path[:depth])[0] - 8 - (4 if path[depth - 1] == b"meta" else 0)
        data[head : head + 4] = struct.pack(
            ">I", struct.unpack(">I", data[head : head + 4])[0] + len(insert)
        )
    start, _ = found(data, b"meta", b"iloc")
    assert data[start] == 0  # version 0
    assert data[start + 4] == 0x44  # four bytes for a place, four for a length
    base_size, place = data[start + 5] >> 4, start + 8
    for _ in range(int.from_bytes(data[start + 6 : start + 8], "big")):
        parts = place + 4 + base_size + 2
        num_parts = int.from_bytes(data[parts - 2 : parts], "big")
        places = [place + 4] if base_size else range(parts, parts + 8 * num_parts, 8)
        for at_place in places:
            moved = int.from_bytes(data[at_place : at_place + 4], "big") + len(insert)
            data[at_place : at_place + 4] = struct.pack(">I", moved)
        place = parts + 8 * num_parts
    data[at:at] = insert
    return bytes(data)


def with_property(data, kind, body, *, item=1):
    """A picture's property, new in the file."""
    number = 1 + sum(1 for _ in boxes(data, *found(data, b"meta", b"iprp", b"ipco")))
    data = grown(
        data,
        (b"meta", b"iprp", b"ipco"),
        found(data, b"meta", b"iprp", b"ipco")[1],
        box(kind, body),
    )
    start, _ = found(data, b"meta", b"iprp", b"ipma")
    at = start + 8
    while int.from_bytes(data[at : at + 2], "big") != item:
        at += 3 + data[at + 2]
    data = grown(data, (b"meta", b"iprp", b"ipma"), at + 3, bytes([0x80 | number]))
    return data[: at + 2] + bytes([data[at + 2] + 1]) + data[at + 3 :]
