"""JPEG, WebP and GIF: what their headers say that Pillow does not, or only at length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.exif import exif_facts
from pipeline.imaging.containers.jpeg_segments import segments
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.libraries.imagecodecs_calls import arranged, decoded_by
from pipeline.imaging.libraries.samples import ColorMeaning, Samples
from pipeline.imaging.reading.formats.imperfect_jpeg import UNTIDY, has_end, tidied
from pipeline.imaging.reading.formats.pillow_decoder import look_by_pillow

# Shape suffixes: H height, W width, C channel.

_MAX_BLOCKS = 4096
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers that begin a frame (ITU-T T.81, table B.1); the three others are tables."""
_JPEG_LS = 0xF7
"""Begins a frame of ITU-T T.87, which is another format under the same signature."""
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
_APP1, _APP2, _APP14 = 0xE1, 0xE2, 0xEE
_EXIF, _ICC, _ADOBE = b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe"


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader(Header):
    """The header of a JPEG that Pillow does not open."""

    exif: bytes = b""


def look_at_jpeg(data: bytes) -> Header:
    """Ask for the depth: Pillow opens 8 bits only.

    Raises:
        RowError: `corrupt_image`; `unsupported_format` for JPEG-LS.
    """
    before: list[tuple[int, bytes]] = []
    for marker, body in segments(data):
        if marker == _JPEG_LS:
            raise RowError(
                ErrorCode.UNSUPPORTED_FORMAT, "it is JPEG-LS. Save it as JPEG, PNG or TIFF"
            )
        if marker in _FRAMES and len(body) >= 6:
            if body[0] == 8 and marker not in _LOSSLESS:
                break
            return _header_of_frame(marker, body, before)
        before.append((marker, body))
    try:
        return look_by_pillow(data, "JPEG")
    except RowError as error:
        tidy = tidied(data)
        if error.code is not ErrorCode.CORRUPT_IMAGE or tidy == data:
            raise
        return look_by_pillow(tidy, "JPEG", layout=UNTIDY)


def _header_of_frame(marker: int, frame: bytes, before: list[tuple[int, bytes]]) -> JpegHeader:
    """The header made of a frame that Pillow does not open, and the segments before it."""
    icc = sorted(
        (body[12:13], body[14:]) for kind, body in before if kind == _APP2 and body.startswith(_ICC)
    )
    exif = (body for kind, body in before if kind == _APP1 and body.startswith(_EXIF))
    is_ycc = any(
        kind == _APP14 and body.startswith(_ADOBE) and body[11:12] == b"\1" for kind, body in before
    )
    depth, num_channels = frame[0], frame[5]
    refusal = ""
    if num_channels not in (1, 3):
        refusal = f"a JPEG of {num_channels} channels with {depth} bits. Save it with 8 bits"
    elif is_ycc and marker in _LOSSLESS:
        refusal = "a lossless JPEG of YCbCr. Save it as RGB"
    return JpegHeader(
        kind="JPEG",
        width=int.from_bytes(frame[3:5], "big"),
        height=int.from_bytes(frame[1:3], "big"),
        depth=depth,
        space="grey" if num_channels == 1 else "rgb",
        layout="lossless" if marker in _LOSSLESS else "",
        meaning=ColorMeaning(icc=b"".join(part for _, part in icc) or None),
        said=refusal,
        exif=next(exif, b""),
    )


def read_deep_jpeg(data: bytes, header: Header) -> Decoded:
    """Decode 12 bits, or what is stored without loss.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, JpegHeader)
    if not has_end(data):  # libjpeg makes up what is missing
        raise RowError(
            ErrorCode.CORRUPT_IMAGE,
            "JPEG: its end marker is missing, and perhaps pixels. Upload it again, or open and "
            "save it",
        )
    is_lossless_rgb = header.layout == "lossless" and header.space == "rgb"
    decoder = _lossless_rgb if is_lossless_rgb else imagecodecs.jpeg8_decode
    stored_HWC = decoded_by(decoder, data, header)
    facts = exif_facts(header.exif)
    meaning = replace(header.meaning or ColorMeaning(), is_adobe_rgb=facts.is_adobe_rgb)
    return Decoded(
        samples=arranged(stored_HWC, header, meaning=meaning, depth=header.depth),
        orientation=facts.orientation,
        resolution_dpi=facts.resolution_dpi,
    )


def _lossless_rgb(data: bytes) -> NDArray[Any]:
    """RGB whatever JFIF says, as writers have it. libjpeg would refuse to convert it."""
    return np.asarray(imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB"))


def look_at_webp(data: bytes) -> Header:
    """Read the size (RFC 9649). Pillow would make room for the pixels to tell it.

    Raises:
        RowError: `corrupt_image`.
    """
    kind, body = data[12:16], data[20:30]
    has_alpha = False
    if kind == b"VP8X" and len(body) == 10:
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        has_alpha = bool(body[0] & 0x10)
    elif kind == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        has_alpha = bool(bits >> 28 & 1)
    elif kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "WEBP with a header that is damaged, or too exotic")
    return Header(
        kind="WEBP", width=width, height=height, alpha="straight" if has_alpha else "none"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GifHeader(Header):
    """The header of a GIF, with the place of the first frame on the canvas."""

    frame: tuple[int, int, int, int] | None = None
    """Left, top, width and height, where it does not cover the canvas."""


def look_at_gif(data: bytes) -> Header:
    """Find the first frame. Around it the canvas is transparent (GIF89a, section 18).

    Raises:
        RowError: `corrupt_image`.
    """
    header = look_by_pillow(data, "GIF")
    frame = _first_frame(data)
    if frame is None or frame == (0, 0, header.width, header.height):
        return header
    return GifHeader(
        kind="GIF",
        width=header.width,
        height=header.height,
        space=header.space,
        alpha="key",
        layout="small frame",
        frame=frame,
    )


def _first_frame(data: bytes) -> tuple[int, int, int, int] | None:
    flags = data[10] if len(data) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    for _ in range(_MAX_BLOCKS):
        mark = data[at : at + 1]
        if mark == b",":
            left, top, width, height = (
                int.from_bytes(data[i : i + 2], "little") for i in range(at + 1, at + 9, 2)
            )
            return left, top, width, height
        if mark != b"!":
            return None
        at += 2
        while at < len(data) and data[at]:  # blocks of an extension
            at += 1 + data[at]
        at += 1
    return None


def uncovered(samples: Samples, frame: tuple[int, int, int, int]) -> Samples:
    """A canvas that is transparent where its first frame is not."""
    left, top, width, height = frame
    shape = samples.values_HWC.shape[:2]
    inside_HW = np.zeros(shape, np.uint8)
    inside_HW[top : top + height, left : left + width] = 255
    if samples.alpha_HW is not None:
        inside_HW = np.minimum(inside_HW, samples.alpha_HW.astype(np.uint8))
    return replace(samples, alpha_HW=inside_HW)
