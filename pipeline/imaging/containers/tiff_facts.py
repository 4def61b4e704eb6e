"""What a page of a TIFF says about its pixels beside how they are stored, whoever decodes them."""

from __future__ import annotations

from dataclasses import dataclass

from tifffile import TiffFile, TiffPage

from pipeline.imaging.containers.exif import dots_per_inch, orientation_of, tells_adobe_rgb
from pipeline.imaging.containers.tiff_directory import Entry, entries, number_of

_ORIENTATION, _ICC = 274, 34675
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_EXIF, _COLOR_SPACE, _INTEROPERABILITY, _INDEX = 34665, 40961, 40965, 1  # EXIF 2.32
_LONGEST_INDEX = 16
"""Bytes. It is R03 and a zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffFacts:
    """Facts about the page of a TIFF file that is the photograph."""

    orientation: int = 1
    """EXIF 2.32, tag 274."""
    resolution_dpi: tuple[float, float] | None = None
    icc: bytes | None = None
    is_adobe_rgb: bool = False


def facts_of_page(file: TiffFile, page: TiffPage, data: bytes, *, preview: TiffPage) -> TiffFacts:
    """Read them. What is damaged says nothing.

    A profile and a resolution are of the page that has them. EXIF and an orientation are often said
    once, where the file begins, of the preview and the photograph that it is a preview of.

    Args:
        file: open.
        page: the photograph.
        data: the file.
        preview: the first page, if that is another one than the photograph; else the photograph.
    """
    tags = page.tags
    orientation = tags.valueof(_ORIENTATION)
    if orientation is None and _lie_alike(page, preview):
        orientation = preview.tags.valueof(_ORIENTATION)
    icc = tags.valueof(_ICC)
    return TiffFacts(
        orientation=orientation_of(orientation),
        resolution_dpi=dots_per_inch(
            _quotient(tags.valueof(_X_RESOLUTION)),
            _quotient(tags.valueof(_Y_RESOLUTION)),
            unit=tags.valueof(_RESOLUTION_UNIT, 2),
        ),
        icc=bytes(icc) if isinstance(icc, bytes | bytearray) and icc else None,
        is_adobe_rgb=_is_adobe_rgb(file, page if _EXIF in tags else preview, data),
    )


def _lie_alike(page: TiffPage, preview: TiffPage) -> bool:
    """Neither is upright where the other lies on its side: a preview may be turned already."""
    excess = page.imagelength - page.imagewidth
    return bool(excess * (preview.imagelength - preview.imagewidth) >= 0)


def _is_adobe_rgb(file: TiffFile, page: TiffPage, data: bytes) -> bool:
    """Whether EXIF declares Adobe RGB; tifffile does not follow its interoperability pointer."""
    try:
        exif = _directory(file, data, page.offset, _EXIF)
        space = exif.get(_COLOR_SPACE)
        index = _directory(file, data, page.offset, _EXIF, _INTEROPERABILITY).get(_INDEX)
    except EOFError:  # the pixels are whole: worth more than their label
        return False
    return tells_adobe_rgb(
        None if space is None else number_of(file, data, space),
        None
        if index is None or index.size > _LONGEST_INDEX
        else data[index.start : index.start + index.size],
    )


def _directory(file: TiffFile, data: bytes, at: int, *path: int) -> dict[int, Entry]:
    """The entries of a directory that is found by following pointers; of a code the first."""
    for code in path:
        pointer = _directory(file, data, at).get(code)
        at = 0 if pointer is None else number_of(file, data, pointer) or 0
        if not at:
            return {}
    entries_by_code: dict[int, Entry] = {}
    for entry in entries(file, data, at):
        entries_by_code.setdefault(entry.code, entry)
    return entries_by_code


def _quotient(value: object) -> object:
    """A RATIONAL as tifffile gives it."""
    if isinstance(value, tuple) and len(value) == 2 and value[1]:
        return value[0] / value[1]
    return None
