"""AVIF and HEIC: the items of a file, what each is, and where it lies (ISO/IEC 14496-12, 8.11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.imaging.containers.boxes import Box, boxes, content

_MAX_ITEMS = 4096
_MOST_OWNED = 255
"""Properties of an item: as many as one table can count, however many tables there are."""
_MOST_PARTS = 64
"""The most parts that one item may be stored in. EXIF and XMP are in one piece."""
_MOST_BYTES = 8 * 2**20
"""The most bytes of an item that is not a picture."""
_IN_FILE, _IN_IDAT = 0, 1
"""Construction methods of ISO/IEC 14496-12: an item's offset counts from the file's start, or from
idat's."""


@dataclass(frozen=True, slots=True)
class Place:
    """The position of an item in the file."""

    counted_from: int
    parts: tuple[tuple[int, int], ...]
    """Offset and length."""


@dataclass(slots=True)
class ItemTables:
    """The tables of a meta box about its items."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    content_types: dict[int, bytes] = field(default_factory=dict)
    """The content types, such as application/rdf+xml, of items of type mime, by item number."""
    places: dict[int, Place] = field(default_factory=dict)
    idat: Box | None = None
    hidden: set[int] = field(default_factory=set)
    """Items that are there for others only."""
    properties: list[Box] = field(default_factory=list)
    owned: dict[int, list[int]] = field(default_factory=dict)
    references: list[tuple[bytes, int, int]] = field(default_factory=list)
    """Kind, from, to."""


def item_tables(data: bytes) -> ItemTables | None:
    """The tables of items; None: there are none, or not that of the primary one."""
    meta = any_item_tables(data)
    return None if meta is None or meta.primary not in meta.kinds else meta


def any_item_tables(data: bytes) -> ItemTables | None:
    """The tables of items, be there a primary one among them or not; None: there are none."""
    meta_box = next((box for box in boxes(data) if box.kind == b"meta"), None)
    if meta_box is None:
        return None
    return _meta(data, Box(meta_box.kind, meta_box.start + 4, meta_box.end))


def first_item(data: bytes, meta: ItemTables, kind: bytes) -> bytes:
    """The content of the first item of a type, or content type; empty: none, or it is not whole."""
    kinds = meta.kinds | meta.content_types
    contents = (
        _content(data, meta.places[item], meta.idat)
        for item, own_kind in kinds.items()
        if own_kind == kind and item in meta.places
    )
    return next(filter(None, contents), b"")


def _meta(data: bytes, meta_box: Box) -> ItemTables:
    meta = ItemTables()
    for box in boxes(data, meta_box.start, meta_box.end):
        body = content(data, box) if box.kind in (b"pitm", b"iinf", b"iref", b"iloc") else b""
        if box.kind == b"pitm":
            meta.primary = int.from_bytes(body[4 : 6 if body[:1] == b"\0" else 8], "big")
        elif box.kind == b"iinf":
            first = box.start + (6 if body[:1] == b"\0" else 8)
            for entry in boxes(data, first, box.end):
                _read_item(content(data, entry), meta)
        elif box.kind == b"iref":
            is_wide = body[:1] != b"\0"
            for reference in boxes(data, box.start + 4, box.end):
                _read_reference(reference.kind, content(data, reference), meta, is_wide=is_wide)
        elif box.kind == b"iprp":
            _read_properties(data, box, meta)
        elif box.kind == b"iloc":
            meta.places = dict(_places(body))
        elif box.kind == b"idat":
            meta.idat = box
    return meta


def _read_properties(data: bytes, box: Box, meta: ItemTables) -> None:
    for part in boxes(data, box.start, box.end):
        if part.kind == b"ipco":
            meta.properties = list(boxes(data, part.start, part.end))
        elif part.kind == b"ipma":
            _read_associations(content(data, part), meta)


def _read_item(body: bytes, meta: ItemTables) -> None:
    """An infe box, of version 2 or 3 (ISO/IEC 14496-12, 8.11.6)."""
    id_size = 2 if body[:1] == b"\2" else 4
    if len(meta.kinds) < _MAX_ITEMS:
        kind_at = 4 + id_size + 2
        item = int.from_bytes(body[4 : 4 + id_size], "big")
        meta.kinds[item] = body[kind_at : kind_at + 4]
        if meta.kinds[item] == b"mime":  # a name, then the content type
            named = body[kind_at + 4 :].partition(b"\0")[2]
            meta.content_types[item] = named.partition(b"\0")[0]
        if body[3:4] and body[3] & 1:
            meta.hidden.add(item)


def _read_reference(kind: bytes, body: bytes, meta: ItemTables, *, is_wide: bool) -> None:
    size = 4 if is_wide else 2
    source = int.from_bytes(body[:size], "big")
    for at in range(size + 2, len(body) - size + 1, size):
        if len(meta.references) < _MAX_ITEMS:
            meta.references.append((kind, source, int.from_bytes(body[at : at + size], "big")))


def _read_associations(body: bytes, meta: ItemTables) -> None:
    """An ipma box (ISO/IEC 23008-12, 9.3): for each item the numbers of its properties."""
    id_size = 2 if body[:1] == b"\0" else 4
    size = 2 if body[3:4] and body[3] & 1 else 1
    num_items, at = min(int.from_bytes(body[4:8], "big"), _MAX_ITEMS), 8
    for _ in range(num_items):
        item, count = (
            int.from_bytes(body[at : at + id_size], "big"),
            body[at + id_size : at + id_size + 1],
        )
        at += id_size + 1
        if not count:
            return
        numbers = [body[i : i + size] for i in range(at, at + count[0] * size, size)]
        mask = 0x7FFF if size == 2 else 0x7F
        own = meta.owned.setdefault(item, [])
        own.extend(int.from_bytes(n, "big") & mask for n in numbers[: _MOST_OWNED - len(own)])
        at += count[0] * size


def own_properties(meta: ItemTables, item: int) -> list[Box]:
    """The properties of an item, in the order in which it has them."""
    numbers = meta.owned.get(item, [])
    return [meta.properties[n - 1] for n in numbers if 1 <= n <= len(meta.properties)]


def _places(body: bytes) -> Iterator[tuple[int, Place]]:
    """An iloc box, 8.11.3; what is cut off ends it."""
    version, sizes = body[0] if body else 0, body[4:6]
    if len(sizes) < 2 or version > 2:
        return
    offset_size, length_size = sizes[0] >> 4, sizes[0] & 15
    base_size, index_size = sizes[1] >> 4, (sizes[1] & 15 if version else 0)
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(body[at - size : at], "big")

    wide = 4 if version == 2 else 2
    for _ in range(min(number(wide), _MAX_ITEMS)):
        item = number(wide)
        counted_from = number(2) & 15 if version else _IN_FILE
        at += 2  # of another file, which nobody has
        base, count = number(base_size), number(2)
        if count > _MOST_PARTS or at > len(body):
            return
        parts = []
        for _ in range(count):
            at += index_size
            parts.append((base + number(offset_size), number(length_size)))
        yield item, Place(counted_from, tuple(parts))


def _content(data: bytes, place: Place, idat: Box | None) -> bytes:
    if place.counted_from == _IN_IDAT:
        source = b"" if idat is None else content(data, idat)
    elif place.counted_from == _IN_FILE:
        source = data
    else:
        return b""
    if sum(length for _, length in place.parts) > _MOST_BYTES:
        return b""
    return b"".join(source[offset : offset + length] for offset, length in place.parts)
