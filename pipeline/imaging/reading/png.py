"""PNG: what its chunks say, and pixels of 16 bits at full depth."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import imagecodecs

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.codecs import arranged, decoded_by
from pipeline.imaging.reading.exif import dots_per_inch, exif_facts
from pipeline.imaging.reading.header import Alpha, Decoded, Header
from pipeline.imaging.reading.samples import Cicp, ColorMeaning

_SIGNATURE_SIZE = 8
_MAX_CHUNKS = 2**16
"""That are walked over. A file of 64 MiB has 8,000 where encoders write 8 kB each."""
_MAX_PROFILE = 8 * 2**20
"""Bytes that a compressed profile or text may unfold to."""
_SPACES = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}
"""By colour type (PNG, third edition, 11.2.1)."""
_WANTED = frozenset(
    [b"IHDR", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"pHYs", b"eXIf", b"acTL"]
)
_TEXTS = frozenset([b"tEXt", b"zTXt"])
_EXIF_TEXT = b"Raw profile type exif\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PngHeader(Header):
    """With what the chunks say beside the pixels."""

    exif: bytes = b""
    resolution_dpi: tuple[float, float] | None = None
    num_frames: int = 1


def look_at_png(data: bytes) -> PngHeader:
    """Walk over the chunks. Their checksums are the decoder's to check.

    Raises:
        RowError: `corrupt_image`.
    """
    chunks: dict[bytes, bytes] = {}
    for kind, body in _chunks(data):
        if kind in _WANTED:
            chunks.setdefault(kind, body)
        elif kind in _TEXTS and body.startswith(_EXIF_TEXT):
            chunks.setdefault(b"eXIf", _exif_in_text(body, is_packed=kind == b"zTXt"))
    header = chunks.get(b"IHDR", b"")
    if len(header) != 13 or header[9] not in _SPACES:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "PNG with a header that is damaged")
    depth, colour_type = header[8], header[9]
    alpha: Alpha = "straight" if colour_type in (4, 6) else "key" if b"tRNS" in chunks else "none"
    return PngHeader(
        kind="PNG",
        width=int.from_bytes(header[:4], "big"),
        height=int.from_bytes(header[4:8], "big"),
        depth=depth,
        space=_SPACES[colour_type],
        alpha=alpha,
        layout="interlaced" if header[12] else "",
        meaning=_meaning(chunks),
        exif=chunks.get(b"eXIf", b""),
        resolution_dpi=_resolution(chunks.get(b"pHYs", b"")),
        num_frames=int.from_bytes(chunks.get(b"acTL", b"\0\0\0\1")[:4], "big"),
    )


def read_png(data: bytes, header: Header) -> Decoded:
    """Decode the first picture at the depth it has; a colour declared transparent becomes alpha.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, PngHeader)
    stored = decoded_by(imagecodecs.png_decode, data, header)
    facts = exif_facts(header.exif)
    notes = ["EXIF unreadable, taken as upright"] * facts.is_unreadable
    if header.num_frames > 1:
        notes.append(f"first of {header.num_frames} frames")
    return Decoded(
        samples=arranged(
            stored,
            header,
            meaning=replace(header.meaning or ColorMeaning(), is_adobe_rgb=facts.is_adobe_rgb),
        ),
        orientation=facts.orientation,
        resolution_dpi=header.resolution_dpi or facts.resolution_dpi,
        notes=tuple(notes),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = _SIGNATURE_SIZE
    for _ in range(_MAX_CHUNKS):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        is_kept = kind in _WANTED or kind in _TEXTS
        yield kind, data[at + 8 : at + 8 + size] if is_kept else b""
        at += 12 + size


def _meaning(chunks: dict[bytes, bytes]) -> ColorMeaning:
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big") / 100_000
    chroma = chunks.get(b"cHRM", b"")
    cicp = chunks.get(b"cICP", b"")
    xy = [int.from_bytes(chroma[at : at + 4], "big") / 100_000 for at in range(0, 32, 4)]
    return ColorMeaning(
        icc=_profile(chunks.get(b"iCCP", b"")),
        cicp=None
        if len(cicp) != 4
        else Cicp(
            primaries=cicp[0],
            transfer=cicp[1],
            matrix=cicp[2],
            is_full_range=bool(cicp[3]),
            is_png=True,
        ),
        gamma=gamma if b"gAMA" in chunks else None,
        chromaticities=None
        if len(chroma) != 32
        else (xy[0], xy[1], xy[2], xy[3], xy[4], xy[5], xy[6], xy[7]),
        is_srgb=b"sRGB" in chunks,
    )


def _profile(body: bytes) -> bytes | None:
    """Of iCCP: a name, a zero, the method (0), and the profile as zlib packs it."""
    packed = body.partition(b"\0")[2][1:]
    return _unfolded(packed) or None


def _unfolded(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MAX_PROFILE)
    except zlib.error:
        return b""


def _exif_in_text(body: bytes, *, is_packed: bool) -> bytes:
    """ImageMagick's way: in a text, after a name and a length, as hexadecimal digits."""
    text = body[len(_EXIF_TEXT) :]
    if is_packed:
        text = _unfolded(text[1:])
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b"damaged"


def _resolution(body: bytes) -> tuple[float, float] | None:
    """PNG, third edition, 11.3.4.3: pixels a unit across and down; 1 is a metre."""
    if len(body) != 9 or body[8] != 1:
        return None
    across, down = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    return dots_per_inch(across / 100, down / 100, unit=3)
