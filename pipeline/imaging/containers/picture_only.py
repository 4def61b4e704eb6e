"""AVIF and HEIC reduced to what the picture needs, for decoders that stumble over all the rest."""

from __future__ import annotations

from pipeline.imaging.containers.boxes import Box, boxes, content
from pipeline.imaging.containers.iso_media import alphas_of
from pipeline.imaging.containers.item_tables import ItemTables, item_tables

_ESSENTIAL = frozenset([b"av1C", b"hvcC", b"a1op", b"lsel"])
"""Properties that a reader has to understand (AV1-ISOBMFF 2.3; ISO/IEC 23008-12, 6.5)."""
_OTHERS = frozenset([b"ispe", b"pixi", b"colr", b"auxC", b"a1lx"])
"""Turns, mirrors and crops are none of them: our readers do that themselves."""
_UNKNOWN = b"skip"
_UNUSED = b"free"
_GAIN_MAP, _PICTURE = b"tmap", b"mif1"
"""Brands, of which the first one promises an item that is hidden here."""


def picture_alone(data: bytes) -> bytes | None:
    """The file with nothing but the picture and its alpha as items, at the same length.

    libavif holds the whole container against the standard, as few writers do and libheif does not:
    associations in several boxes of one kind, a crop that is not marked as essential, EXIF
    without content, gain maps of another version, groups that are too long. None of that changes a
    pixel of the picture. Its data, and where they lie, stay as they are; what turns or crops it is
    taken away, too.

    Returns:
        None: there is no single picture.
    """
    meta_box = next((box for box in boxes(data) if box.kind == b"meta"), None)
    tables = item_tables(data)
    if meta_box is None or tables is None:
        return None
    needed = _needed(data, tables)
    plain = bytearray(data)
    brands = next(boxes(data))
    plain[brands.start : brands.end] = content(data, brands).replace(_GAIN_MAP, _PICTURE)
    for box in boxes(data, meta_box.start + 4, meta_box.end):
        if box.kind == b"grpl":
            _rename(plain, box, _UNUSED)
        elif box.kind == b"iinf":
            first = box.start + (6 if data[box.start : box.start + 1] == b"\0" else 8)
            for entry in boxes(data, first, box.end):
                _hide_unless(needed, plain, entry)
        elif box.kind == b"iprp" and not _rewrite_properties(data, plain, box, tables):
            return None
    return bytes(plain)


def _needed(data: bytes, tables: ItemTables) -> list[int]:
    """The primary item, the tiles it is made of, and the alphas of them all."""
    needed = [tables.primary]
    for item in needed:  # which grows meanwhile
        parts = [to for kind, at, to in tables.references if kind == b"dimg" and at == item]
        for part in [*parts, *alphas_of(data, tables, item)]:
            if part not in needed:
                needed.append(part)
    return sorted(needed)


def _rename(plain: bytearray, box: Box, kind: bytes) -> None:
    at = plain.rindex(box.kind, 0, box.start)
    plain[at : at + 4] = kind


def _hide_unless(needed: list[int], plain: bytearray, entry: Box) -> None:
    """Change the type of an infe box's item to one that no reader knows."""
    id_size = 2 if plain[entry.start] == 2 else 4
    kind_at = entry.start + 4 + id_size + 2
    item = int.from_bytes(plain[entry.start + 4 : entry.start + 4 + id_size], "big")
    if item not in needed and kind_at + 4 <= entry.end:
        plain[kind_at : kind_at + 4] = _UNKNOWN


def _rewrite_properties(data: bytes, plain: bytearray, iprp: Box, tables: ItemTables) -> bool:
    """One ipma box in place of all of them; what they took more is an unused box behind iprp."""
    parts = list(boxes(data, iprp.start, iprp.end))
    associations = [part for part in parts if part.kind == b"ipma"]
    if not associations or parts[-len(associations) :] != associations:
        return False
    for own in tables.properties:
        if own.kind not in _ESSENTIAL | _OTHERS:
            _rename(plain, own, _UNKNOWN)
    start = associations[0].start - 8
    body = _associations(
        tables,
        is_wide=any(data[part.start] for part in associations),
        has_long=any(data[part.start + 3] & 1 for part in associations),
    )
    left = iprp.end - start - 8 - len(body)
    if left < 0 or 0 < left < 8:
        return False
    boxed = (8 + len(body)).to_bytes(4, "big") + b"ipma" + body
    rest = left.to_bytes(4, "big") + _UNUSED + bytes(left - 8) if left else b""
    plain[start : iprp.end] = boxed + rest
    size_at = iprp.start - 8
    plain[size_at : size_at + 4] = (iprp.end - left - size_at).to_bytes(4, "big")
    return data[size_at + 4 : iprp.start] == b"iprp"


def _associations(tables: ItemTables, *, is_wide: bool, has_long: bool) -> bytes:
    """The content of an ipma box (ISO/IEC 23008-12, 9.3), items in their order."""
    body = bytes([is_wide, 0, 0, has_long]) + len(tables.owned).to_bytes(4, "big")
    for item, numbers in sorted(tables.owned.items()):
        body += item.to_bytes(4 if is_wide else 2, "big") + bytes([min(len(numbers), 255)])
        for number in numbers[:255]:
            associated = tables.properties[number - 1 : number] if number else []
            is_essential = any(own.kind in _ESSENTIAL for own in associated)
            body += (number | is_essential << (15 if has_long else 7)).to_bytes(1 + has_long, "big")
    return body
