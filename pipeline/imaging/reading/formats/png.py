"""PNG: what its chunks say, and pixels of 16 bits at full depth."""

from __future__ import annotations

import ctypes
import zlib
from dataclasses import dataclass, replace

import imagecodecs

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.exif import dots_per_inch, exif_facts
from pipeline.imaging.containers.png_chunks import SIGNATURE_SIZE, Chunk, chunks_of
from pipeline.imaging.libraries.header import Alpha, Decoded, Header
from pipeline.imaging.libraries.imagecodecs_calls import arranged, decoded_by
from pipeline.imaging.libraries.pillow_files import SEVERAL_FRAMES, opened
from pipeline.imaging.libraries.pillow_modes import samples_of
from pipeline.imaging.libraries.samples import Cicp, ColorMeaning, Samples

_MAX_UNFOLDED = 8 * 2**20
"""Bytes that a compressed profile or text may unfold to."""
_SPACES = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}
"""Colour spaces by PNG colour type (PNG, third edition, 11.2.1)."""
_BEFORE_PIXELS = frozenset(
    [b"IHDR", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"pHYs", b"acTL"]
)
"""Chunks that count for nothing behind the pixels (PNG, third edition, table 7)."""
_WANTED = _BEFORE_PIXELS | {b"eXIf"}
_TEXTS = frozenset([b"tEXt", b"zTXt"])
_EXIF_TEXTS = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
_MOST_TRIED = 4
"""Texts that may hold EXIF: one of each name, and those of an older edit."""
_OF_PIXELS = frozenset([b"IHDR", b"PLTE", b"tRNS", b"IDAT"])
_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True, kw_only=True)
class PngHeader(Header):
    """The header of a PNG, with what the chunks say beside the pixels."""

    exif: bytes = b""
    resolution_dpi: tuple[float, float] | None = None
    is_animated: bool = False
    notes: tuple[str, ...] = ()


def look_at_png(data: bytes) -> PngHeader:
    """Walk over the chunks.

    One that a picture can be shown without, and whose checksum is wrong, is left out, as libpng
    does; the checksums of the others are the decoder's to check.

    Raises:
        RowError: `corrupt_image`.
    """
    chunks: dict[bytes, bytes] = {}
    exif_in_text = b""
    notes: list[str] = []
    is_behind_pixels, has_end, num_tried = False, False, 0
    for chunk in chunks_of(data):
        is_behind_pixels = is_behind_pixels or chunk.kind == b"IDAT"
        has_end = chunk.kind == b"IEND"
        if chunk.kind in _WANTED and not (is_behind_pixels and chunk.kind in _BEFORE_PIXELS):
            if _counts(data, chunk):
                chunks.setdefault(chunk.kind, data[chunk.start : chunk.end])
            else:
                note = f"{chunk.kind.decode()} with a wrong checksum is left out"
                notes.extend([note] if note not in notes else [])  # however often it is there
        elif chunk.kind in _TEXTS and data.startswith(_EXIF_TEXTS, chunk.start, chunk.end):
            num_tried += 1
            if not exif_in_text and num_tried <= _MOST_TRIED:
                exif_in_text = _exif_in_text(
                    data[chunk.start : chunk.end], is_packed=chunk.kind == b"zTXt"
                )
    if not has_end:
        notes.append("without an end chunk")
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
        exif=chunks.get(b"eXIf", exif_in_text),
        resolution_dpi=_resolution(chunks.get(b"pHYs", b"")),
        is_animated=int.from_bytes(chunks.get(b"acTL", b"")[:4], "big") > 1,
        notes=tuple(notes),
    )


def read_png(data: bytes, header: Header) -> Decoded:
    """Decode the first picture at the depth it has; a colour declared transparent becomes alpha.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, PngHeader)
    try:
        stored = decoded_by(imagecodecs.png_decode, _pixels_only(data), header)
    except RowError:
        _give_back_none()
        raise
    return _decoded(arranged(stored, header, meaning=header.meaning or ColorMeaning()), header)


def _give_back_none() -> None:
    """Undo what imagecodecs 2026.3.6 does where it raises: it drops a reference to None.

    Python 3.11 counts those, and a worker that lives long enough would have none left. One too
    many does no harm.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))


def read_png_by_pillow(data: bytes, header: Header) -> Decoded:
    """Read a PNG by Pillow, in 8 bits, with no chunks but those of its pixels.

    Pillow gets the chunks of the pixels and no others: one that it finds too large, or whose
    checksum is wrong, would cost it the whole file.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, PngHeader)
    with opened(_pixels_only(data), "PNG") as image:
        image.load()
        samples = samples_of(image, header.meaning or ColorMeaning())
    return _decoded(samples, header)


def _decoded(samples: Samples, header: PngHeader) -> Decoded:
    facts = exif_facts(header.exif)
    notes = [*header.notes]
    if facts.is_unreadable:
        notes.append("EXIF unreadable, taken as upright")
    if header.is_animated:
        notes.append(SEVERAL_FRAMES)
    meaning = replace(samples.meaning, is_adobe_rgb=facts.is_adobe_rgb)
    return Decoded(
        samples=replace(samples, meaning=meaning),
        orientation=facts.orientation,
        resolution_dpi=header.resolution_dpi or facts.resolution_dpi,
        notes=tuple(notes),
    )


def _counts(data: bytes, chunk: Chunk) -> bool:
    """Whether it is what was written, or its decoder will say so: capitals are critical."""
    if chunk.kind[:1].isupper():
        return True
    checksum = int.from_bytes(data[chunk.end : chunk.end + 4], "big")
    return zlib.crc32(data[chunk.start - 4 : chunk.end]) == checksum


def _pixels_only(data: bytes) -> bytes:
    """The file without what a decoder of its pixels need not know.

    It ends as it should even where the file does not, unless that breaks off within a chunk of
    pixels. Whether there are enough of those is the decoder's to say.
    """
    parts = [data[:SIGNATURE_SIZE]]
    seen: set[bytes] = set()
    for chunk in chunks_of(data):
        is_out_of_place = chunk.kind in _BEFORE_PIXELS and seen & {chunk.kind, b"IDAT"}
        if chunk.kind in _OF_PIXELS and not is_out_of_place and _counts(data, chunk):
            parts.append(data[chunk.start - 8 : chunk.end + 4])
            seen.add(chunk.kind)
            if chunk.end + 4 > len(data):
                return b"".join(parts)
    return b"".join([*parts, _END])


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
    """The ICC profile in an iCCP chunk: a name, a zero, the method (0), the packed profile.

    What cannot be unpacked is handed on as it is: as an unreadable profile, not as none.
    """
    packed = body.partition(b"\0")[2][1:]
    return (_unfolded(packed) or body) if body else None


def _unfolded(packed: bytes) -> bytes:
    """The bytes that zlib has packed; empty where they are damaged or too large."""
    unfolding = zlib.decompressobj()
    try:
        unfolded = unfolding.decompress(packed, _MAX_UNFOLDED)
    except zlib.error:
        return b""
    return b"" if unfolding.unconsumed_tail else unfolded


def _exif_in_text(body: bytes, *, is_packed: bool) -> bytes:
    """ImageMagick's way: in a text, after a name and a length, as hexadecimal digits.

    Under the name APP1 it may as well be XMP, which is no EXIF: empty.
    """
    text = body.partition(b"\0")[2]
    if is_packed:
        text = _unfolded(text[1:])
    try:
        block = bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b"damaged"
    return b"" if body.startswith(_EXIF_TEXTS[1]) and not block.startswith(b"Exif\0") else block


def _resolution(body: bytes) -> tuple[float, float] | None:
    """PNG, third edition, 11.3.4.3: pixels a unit across and down; 1 is a metre."""
    if len(body) != 9 or body[8] != 1:
        return None
    across, down = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    return dots_per_inch(across / 100, down / 100, unit=3)
