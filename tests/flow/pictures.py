"""Photographs made for the tests: a product that U2-Net-p finds, in every shape a file can have."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def photograph(size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A shaded red vase on a pale wall; `size` is (width, height)."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    wall = np.stack([215 + 20 * y / height, 212 + 20 * y / height, 205 + 18 * y / height], -1)
    picture = Image.fromarray(wall.astype(np.uint8))
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    draw.ellipse((width * 0.34, height * 0.35, width * 0.66, height * 0.9), fill=255)
    draw.rectangle((width * 0.44, height * 0.15, width * 0.56, height * 0.45), fill=255)
    shade = np.clip(1.1 - 1.2 * np.abs(x / width - 0.46), 0.2, 1)
    body = np.stack([190 * shade, 40 * shade, 36 * shade], -1).astype(np.uint8)
    picture.paste(Image.fromarray(body), mask=mask)
    return picture


def encoded(picture: Image.Image, format_name: str, **options: object) -> bytes:
    sink = BytesIO()
    picture.save(sink, format_name, **options)
    return sink.getvalue()


def jpeg(size: tuple[int, int] = (320, 240)) -> bytes:
    return encoded(photograph(size), "JPEG", quality=92)


def rotated() -> bytes:
    """Stored on its side, with the EXIF note to turn it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photograph().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


def deep_grey() -> bytes:
    grey = np.asarray(photograph().convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def with_alpha(shift_px: int = 0) -> bytes:
    picture = photograph().convert("RGBA")
    alpha = Image.new("L", picture.size)
    ImageDraw.Draw(alpha).ellipse((100 + shift_px, 60, 220 + shift_px, 220), fill=255)
    picture.putalpha(alpha)
    return encoded(picture, "PNG")


def bomb() -> bytes:
    """A PNG whose header announces 30000 x 30000 px, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
