"""AVIF and HEIC: what their boxes say of the picture that is to be shown (ISO/IEC 23008-12)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.boxes import Box, boxes, content
from pipeline.imaging.containers.item_tables import ItemTables, item_tables, own_properties
from pipeline.imaging.libraries.header import Unpacked
from pipeline.imaging.libraries.samples import Cicp, ColorMeaning

_HALF = Fraction(1, 2)
_ALPHA = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:avc:2015:auxid:1",
)
_GAIN_MAP = b"hdrgainmap"
"""The words in the name of Apple's gain map items; ISO 21496-1 has an item of type tmap instead."""
_DEPTH_MAPS = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth", b"urn:mpeg:hevc:2015:auxid:2")

_DEEPEST = 4
"""Parts within parts: a tone map of a grid of coded pictures has two such steps."""
_ROOM = 4
"""Times the limit of a picture that its parts may have: those of a grid reach over its edges."""
_MOST_OF_A_NAME = 256

_PICTURES = frozenset([b"av01", b"hvc1", b"hev1", b"avc1", b"jpeg", b"grid", b"iovl", b"iden"])
"""Types of items; a tmap, which joins a picture and its gain map, is no further one."""

_ORIENTATIONS = {
    (0, None): 1,
    (1, None): 8,
    (2, None): 3,
    (3, None): 6,
    (0, 0): 4,
    (1, 0): 5,
    (2, 0): 2,
    (3, 0): 7,
    (0, 1): 2,
    (1, 1): 7,
    (2, 1): 4,
    (3, 1): 5,
}
"""EXIF's number for irot (quarter turns, anticlockwise), and then imir (0: top for bottom)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The primary picture of a file."""

    codec: bytes
    """The codec of the item's pixels: av01, hvc1 ...; that of its tiles if it is a grid."""
    width: int
    height: int
    """The height as stored, px: neither cropped nor turned."""
    largest: tuple[int, int]
    """Size of the largest picture in the file, tiles and masks included."""
    depth: int
    is_grey: bool
    meaning: ColorMeaning
    orientation: int
    """The orientation, 1 to 8 as EXIF counts, that irot and imir give; EXIF itself is left out."""
    crop: tuple[int, int, int, int] | None
    """Left, top, width and height of the clean aperture."""
    has_alpha: bool
    alpha_has_size: bool
    is_premultiplied: bool
    has_gain_map: bool
    has_depth_map: bool
    unpacked: Unpacked | None
    """The parts that a grid or an overlay is made of; None: it is one piece."""
    num_pictures: int
    """The number of pictures that stand for themselves, this one among them."""


def has_sequence(data: bytes) -> bool:
    """Whether the file holds a track of pictures, beside or instead of a single one."""
    return any(box.kind == b"moov" for box in boxes(data))


def primary_item(data: bytes) -> Item | None:
    """Read the boxes; None: there is no single picture, as in a mere sequence.

    Raises:
        RowError: `corrupt_image`.
    """
    meta = item_tables(data)
    if meta is None:
        return None
    own = own_properties(meta, meta.primary)
    tiles = [to for kind, at, to in meta.references if kind == b"dimg" and at == meta.primary]
    is_derived = meta.kinds[meta.primary] in (b"grid", b"iovl", b"iden", b"tmap")
    source = tiles[0] if is_derived and tiles else meta.primary
    auxiliaries = [at for kind, at, to in meta.references if kind == b"auxl" and to == meta.primary]
    names = {at: _auxiliary_name(data, meta, at) for at in auxiliaries}
    if is_derived:  # each tile may have an alpha of its own instead
        tile_masks = [at for kind, at, to in meta.references if kind == b"auxl" and to in tiles]
        names |= {at: _auxiliary_name(data, meta, at) for at in tile_masks}
    masks = [at for at, name in names.items() if name in _ALPHA]
    size = next((content(data, box)[4:12] for box in own if box.kind == b"ispe"), b"")
    width, height = int.from_bytes(size[:4], "big"), int.from_bytes(size[4:8], "big")
    if not width or not height:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "a picture without a size")
    sizes = [content(data, box)[4:12] for box in meta.properties if box.kind == b"ispe"]
    return Item(
        codec=meta.kinds.get(source, b""),
        width=width,
        height=height,
        largest=max(
            ((int.from_bytes(s[:4], "big"), int.from_bytes(s[4:], "big")) for s in sizes),
            key=lambda pair: pair[0] * pair[1],
        ),
        depth=max(_depth(data, own), _depth(data, own_properties(meta, source))),
        is_grey=_is_grey(data, own) or _is_grey(data, own_properties(meta, source)),
        meaning=_meaning(data, own)
        or _meaning(data, own_properties(meta, source))
        or ColorMeaning(),
        orientation=_orientation(data, own),
        crop=_crop(data, own, width, height),
        has_alpha=bool(masks),
        alpha_has_size=all(
            any(box.kind == b"ispe" for box in own_properties(meta, at)) for at in masks
        ),
        is_premultiplied=any(kind == b"prem" for kind, _, _ in meta.references),
        has_gain_map=b"tmap" in meta.kinds.values()
        or any(_GAIN_MAP in name for name in names.values()),
        has_depth_map=any(name in _DEPTH_MAPS for name in names.values()),
        unpacked=_parts(data, meta),
        num_pictures=_num_pictures(meta),
    )


def _parts(data: bytes, meta: ItemTables) -> Unpacked | None:
    """The parts that are decoded for the primary item: one counts as often as it is drawn.

    Raises:
        RowError: `corrupt_image`: parts within parts within parts without end.
    """
    drawn: dict[int, list[int]] = {}
    for kind, at, to in meta.references:
        if kind == b"dimg":
            drawn.setdefault(at, []).append(to)
    if not drawn.get(meta.primary):
        return None
    known: dict[int, int] = {}

    def pixels_of(item: int, depth: int) -> int:
        if depth > _DEEPEST:
            raise RowError(ErrorCode.CORRUPT_IMAGE, "a picture made of parts that have no end")
        if item not in known:
            parts = drawn.get(item, [])
            known[item] = (
                sum(pixels_of(part, depth + 1) for part in parts)
                if parts
                else _area(data, own_properties(meta, item))
            )
        return known[item]

    pixels = pixels_of(meta.primary, 0)
    num_parts = len(drawn[meta.primary])
    return Unpacked(f"{num_parts:,} parts of {pixels / 1e6:.1f} megapixels in all", pixels, _ROOM)


def _area(data: bytes, own: list[Box]) -> int:
    size = next((content(data, box)[4:12] for box in own if box.kind == b"ispe"), b"")
    return int.from_bytes(size[:4], "big") * int.from_bytes(size[4:8], "big")


def alphas_of(data: bytes, meta: ItemTables, item: int) -> list[int]:
    """The items that are coverage of this one."""
    auxiliaries = [at for kind, at, to in meta.references if kind == b"auxl" and to == item]
    return [at for at in auxiliaries if _auxiliary_name(data, meta, at) in _ALPHA]


def _num_pictures(meta: ItemTables) -> int:
    """Neither hidden, nor a part, a thumbnail, a mask or a map of another one."""
    parts = {to for kind, _, to in meta.references if kind == b"dimg"}
    parts |= {at for kind, at, _ in meta.references if kind in (b"thmb", b"auxl")}
    others = {at for at, kind in meta.kinds.items() if kind in _PICTURES} - parts - meta.hidden
    return len(others | {meta.primary})


def _auxiliary_name(data: bytes, meta: ItemTables, item: int) -> bytes:
    name = next(
        (
            data[box.start + 4 : min(box.end, box.start + 4 + _MOST_OF_A_NAME)]
            for box in own_properties(meta, item)
            if box.kind == b"auxC"
        ),
        b"",
    )
    return name.partition(b"\0")[0]


def _depth(data: bytes, own: list[Box]) -> int:
    depth = 8
    for box in own:
        body = content(data, box)
        if box.kind == b"pixi":
            depth = max(depth, *body[5 : 5 + body[4]], 8) if len(body) > 5 else depth
        elif box.kind == b"av1C" and len(body) > 2 and body[2] & 0x40:  # high_bitdepth
            depth = max(depth, 12 if body[2] & 0x20 else 10)
        elif box.kind == b"hvcC" and len(body) > 17:
            depth = max(depth, 8 + (body[17] & 7))
    return depth


def _is_grey(data: bytes, own: list[Box]) -> bool:
    av1 = next((content(data, box) for box in own if box.kind == b"av1C"), b"")
    hevc = next((content(data, box) for box in own if box.kind == b"hvcC"), b"")
    return bool((len(av1) > 2 and av1[2] & 0x10) or (len(hevc) > 16 and hevc[16] & 3 == 0))


def _meaning(data: bytes, own: list[Box]) -> ColorMeaning | None:
    icc, cicp = None, None
    for box in own:
        if box.kind != b"colr":
            continue
        body = content(data, box)
        if body[:4] in (b"prof", b"rICC") and icc is None:
            icc = body[4:]
        elif body[:4] == b"nclx" and len(body) >= 11 and cicp is None:
            primaries, transfer, matrix = (
                int.from_bytes(body[i : i + 2], "big") for i in (4, 6, 8)
            )
            # Its range is that of the coded YCbCr: what decoders hand over is RGB of full range.
            cicp = Cicp(primaries=primaries, transfer=transfer, matrix=matrix, is_full_range=True)
    return None if icc is None and cicp is None else ColorMeaning(icc=icc, cicp=cicp)


def _orientation(data: bytes, own: list[Box]) -> int:
    turns = next((content(data, box)[:1] for box in own if box.kind == b"irot"), b"\0") or b"\0"
    mirror = next((content(data, box)[:1] for box in own if box.kind == b"imir"), b"")
    return _ORIENTATIONS[turns[0] & 3, mirror[0] & 1 if mirror else None]


def _crop(data: bytes, own: list[Box], width: int, height: int) -> tuple[int, int, int, int] | None:
    """The clean aperture (ISO/IEC 14496-12, 12.1.4), if it is in the picture; else it is left out.

    MIAF wants whole pixels. What is not is rounded, to the left and to the top, as libheif does.
    """
    body = next((content(data, box) for box in own if box.kind == b"clap"), b"")
    numbers = [
        int.from_bytes(body[i : i + 4], "big", signed=i in (16, 24)) for i in range(0, 32, 4)
    ]
    if len(body) != 32 or not all(numbers[1::2]):
        return None
    shown_width, shown_height, across, down = (
        Fraction(numbers[i], numbers[i + 1]) for i in range(0, 8, 2)
    )
    left = floor(Fraction(width, 2) + across - shown_width / 2)
    top = floor(Fraction(height, 2) + down - shown_height / 2)
    part = left, top, floor(shown_width + _HALF), floor(shown_height + _HALF)
    is_inside = (
        min(left, top) >= 0
        and min(part[2:]) > 0
        and left + part[2] <= width
        and top + part[3] <= height
    )
    return part if is_inside else None
