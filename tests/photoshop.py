"""Writes what Photoshop keeps beside the pixels: image resources, and the paths among them."""

import struct
from io import BytesIO

import numpy as np
from PIL import Image

CIRCLE = 0.5522847498
"""Length of the handles of a quarter circle of radius 1: the radius is then right within 3e-4."""


def ellipse(x, y, radius_x, radius_y):
    """Four knots, clockwise from the top; shares of the picture's width and height."""
    h, v = CIRCLE * radius_x, CIRCLE * radius_y
    return [
        ((x - h, y - radius_y), (x, y - radius_y), (x + h, y - radius_y)),
        ((x + radius_x, y - v), (x + radius_x, y), (x + radius_x, y + v)),
        ((x + h, y + radius_y), (x, y + radius_y), (x - h, y + radius_y)),
        ((x - radius_x, y + v), (x - radius_x, y), (x - radius_x, y - v)),
    ]


def polygon(*corners):
    """Straight lines: each knot's handles lie on it."""
    return [(corner, corner, corner) for corner in corners]


def rectangle(left, top, right, bottom):
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def _fixed(point):
    return [round(share * 2**24) for share in reversed(point)]


def subpath(knots, *, operation=1, is_open=False):
    """A record of the subpath's length and those of its knots."""
    head = struct.pack(">hHhHI", 3 if is_open else 0, len(knots), operation, 1, 0) + bytes(14)
    selector = 4 if is_open else 1
    numbers = [[number for point in knot for number in _fixed(point)] for knot in knots]
    rows = [struct.pack(">h6i", selector, *six) for six in numbers]
    return head + b"".join(rows)


def path(*subpaths):
    """The records of a path; knots alone are a closed subpath."""
    told = [part if isinstance(part, bytes) else subpath(part) for part in subpaths]
    return struct.pack(">h24x", 6) + struct.pack(">hh22x", 8, 0) + b"".join(told)


def resource(number, data, name=b""):
    """One block."""
    told = bytes([len(name)]) + name
    told += bytes(len(told) % 2)
    return (
        b"8BIM"
        + struct.pack(">H", number)
        + told
        + struct.pack(">I", len(data))
        + data
        + bytes(len(data) % 2)
    )


def clipping(name):
    """The block that names the clipping path, and its flatness."""
    told = bytes([len(name)]) + name
    return resource(2999, told + bytes(len(told) % 2) + bytes(6))


def marked(*subpaths, name=b"Path 1"):
    """A path and the word that it is the clipping path."""
    return resource(2000, path(*subpaths), name) + clipping(name)


def jpeg(blocks=b"", *, size=(120, 80), picture=None, segment=60000, exif=None):
    """A JPEG file with blocks, in segments of so many bytes."""
    out = BytesIO()
    picture = Image.new("RGB", size, "white") if picture is None else picture
    picture.save(out, "JPEG", quality=95, **({} if exif is None else {"exif": exif}))
    data = out.getvalue()
    segments = []
    for first in range(0, len(blocks), segment):
        body = b"Photoshop 3.0\0" + blocks[first : first + segment]
        segments.append(b"\xff\xed" + struct.pack(">H", len(body) + 2) + body)
    return data[:2] + b"".join(segments) + data[2:]


def tiff(blocks=b"", *, size=(120, 80), order="<", big=False, before=None):
    """An uncompressed RGB TIFF with blocks on its last page; `before`: the size of another one."""
    version, count, entry, link = (43, "Q", "HHQQ", "Q") if big else (42, "H", "HHII", "I")
    out = bytearray(b"II" if order == "<" else b"MM")
    out += struct.pack(order + "H", version)
    out += struct.pack(order + "HHQ", 8, 0, 0) if big else struct.pack(order + "I", 0)
    where = len(out) - struct.calcsize(link)
    sizes = [*([before["size"]] if before else []), size]
    for width, height in sizes:
        is_last = (width, height) == size
        pixels = len(out)
        out += np.full(width * height * 3, 255, np.uint8).tobytes()
        bits = len(out)
        out += struct.pack(order + "HHHH", 8, 8, 8, 0)
        start = len(out)
        out += blocks
        out += bytes(len(out) % 2)
        short, long = 3, 4
        entries = [
            (254, long, 1, 0),
            (256, long, 1, width),
            (257, long, 1, height),
            (258, short, 3, bits),
            (259, short, 1, 1),
            (262, short, 1, 2),
            (273, long, 1, pixels),
            (277, short, 1, 3),
            (278, long, 1, height),
            (279, long, 1, width * height * 3),
        ]
        if is_last and blocks:
            entries.append((34377, 1, len(blocks), start))
        struct.pack_into(order + link, out, where, len(out))
        out += struct.pack(order + count, len(entries))
        for tag, kind, length, value in entries:
            room = struct.calcsize(link)
            told = struct.pack(order + link, value)
            if tag == 258 and big:  # three shorts fit into eight bytes
                told = struct.pack(order + "HHHH", 8, 8, 8, 0)
            elif length == 1 and kind == short:
                told = struct.pack(order + "H", value) + bytes(room - 2)
            elif length == 1 and kind == long:
                told = struct.pack(order + "I", value) + bytes(room - 4)
            out += struct.pack(order + entry, tag, kind, length, 0)[:-room] + told
        where = len(out)
        out += bytes(struct.calcsize(link))
    return bytes(out)


def psd(blocks=b"", *, size=(120, 80), big=False, planes=None):
    """A flat RGB document, white; or of 8-bit planes, those after three are saved selections."""
    if planes is None:
        planes = np.full((3, size[1], size[0]), 255, np.uint8)
    count, height, width = planes.shape
    header = b"8BPS" + struct.pack(">H6xHIIHH", 2 if big else 1, count, height, width, 8, 3)
    layers = bytes(8 if big else 4)
    pixels = bytes(2) + planes.tobytes()
    return header + bytes(4) + struct.pack(">I", len(blocks)) + blocks + layers + pixels
