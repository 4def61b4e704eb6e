"""The pages of a TIFF, and which of them is the photograph."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import tifffile
from tifffile import TiffFile, TiffPage

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.imagecodecs_calls import in_short
from pipeline.imaging.libraries.pillow_files import DAMAGE, SEVERAL_FRAMES

_MAX_PAGES = 256
"""The most pages that are looked at. More are left unread: nobody delivers a photograph as page
257."""
_MAX_SUB_PAGES = 32
"""The most pages that one page may hold below it (TIFF/EP keeps the photograph there, behind a
preview)."""
_TIMES_READ, _READ_AT_LEAST = 4, 2**20
"""The bytes that the directories of all pages may have together: a multiple of the file's length,
and a constant. Directories that lie apart have once its length at the most."""
_ENTRY_BYTES = 20
_PREVIEW_SCALE = 2
"""A page that has the shape of a later one and at most half of its sides is that one's preview."""

_SINGLE_NUMBERS = (
    "imagewidth",
    "imagelength",
    "imagedepth",
    "samplesperpixel",
    "subfiletype",
    "planarconfig",
    "photometric",
    "compression",
    "predictor",
    "fillorder",
    "rowsperstrip",
    "tilewidth",
    "tilelength",
    "tiledepth",
)
_REDUCED, _MASK = 1, 4  # TIFF 6.0, bits of tag 254
_OLD_REDUCED = 2  # TIFF 6.0, tag 255
_OLD_SUBFILE_TYPE = 255

TIFF_DAMAGE = (*DAMAGE, tifffile.TiffFileError, ImportError)
"""What tifffile and its codecs raise on files that are not what they seem."""


@contextmanager
def opened_tiff(data: bytes) -> Iterator[TiffFile]:
    """Open the file; damage found meanwhile is a `RowError`."""
    logging.getLogger("tifffile").disabled = True  # what it finds wrong costs a row and has a code
    try:
        with TiffFile(BytesIO(data)) as file:
            yield file
    except ImportError as error:
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT,
            f"TIFF: {error}. Save it with LZW, Deflate or no compression",
        ) from error
    except TIFF_DAMAGE as error:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"TIFF: {in_short(error)}") from error


def first_page(file: TiffFile) -> TiffPage:
    """Whatever that is: what concerns the file as a whole is said there."""
    return _full(file.pages[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffPhotograph:
    """The page that is the photograph, and why that one."""

    page: TiffPage
    index: int
    sub_index: int | None
    """The index among that page's own pages (tag 330, SubIFDs); None: the page itself."""
    pages: tuple[TiffPage, ...]
    """All that were looked at, in the file's order."""
    notes: tuple[str, ...]
    """Notes on the other pages, for a user."""

    @property
    def first(self) -> TiffPage:
        """The first page: a preview of the photograph, or that itself."""
        return self.pages[0]


def photograph_in(file: TiffFile) -> TiffPhotograph:
    """Choose the photograph among the file's pictures.

    That is the first page, unless the file calls it a reduced copy, or it is a small copy of a
    later page: then the largest of the others. Pages inside of pages are looked at as well.
    """
    numbered = list(_pages(file))
    (index, sub_index), page = _photograph(numbered)
    first = numbered[0][1]
    notes = []
    if page is not first:
        where = f"page {index + 1}" + ("" if sub_index is None else " (a page inside of it)")
        notes.append(
            f"{where} was read, the first page is a preview of "
            f"{first.imagewidth} x {first.imagelength} px"
        )
    elif any(index for (index, _), _ in numbered):
        notes.append(SEVERAL_FRAMES)
    if _is_reduced(page):
        notes.append("the file calls its only picture a reduced copy")
    return TiffPhotograph(
        page=page,
        index=index,
        sub_index=sub_index,
        pages=tuple(page for _, page in numbered),
        notes=tuple(notes),
    )


def page_at(file: TiffFile, index: int, sub_index: int | None) -> TiffPage:
    """The page that `photograph_in` chose, without looking for it again."""
    page = _full(file.pages[index])
    if sub_index is None:
        return page
    assert page.pages is not None  # it was chosen from them
    return _full(page.pages[sub_index])


def _pages(file: TiffFile) -> Iterator[tuple[tuple[int, int | None], TiffPage]]:
    """Each page and each page inside of it, with their numbers, as far as we look.

    Raises:
        RowError: `corrupt_image`: pages that share their values have read them for many times the
            length of the file.
    """
    left = _TIMES_READ * file.filehandle.size + _READ_AT_LEAST
    for index in range(_MAX_PAGES):
        try:
            page = _full(file.pages[index])
        except IndexError:
            if index == 0:
                raise
            return
        left = _after_reading(file, page, left)
        yield (index, None), page
        for sub_index in range(min(len(page.subifds or ()), _MAX_SUB_PAGES)):
            assert page.pages is not None  # it has them
            inner = _full(page.pages[sub_index])
            left = _after_reading(file, inner, left)
            yield (index, sub_index), inner


def _after_reading(file: TiffFile, page: TiffPage, left: int) -> int:
    """Bytes that may yet be read for directories and their values, as far as the file has these."""
    size = file.filehandle.size
    left -= sum(
        _ENTRY_BYTES + tag.valuebytecount * (tag.valueoffset + tag.valuebytecount <= size)
        for tag in page.tags
    )
    if left < 0:
        raise RowError(
            ErrorCode.CORRUPT_IMAGE, "TIFF: its pages are the same bytes over and over again"
        )
    return left


def _full(page: object) -> TiffPage:
    if not isinstance(page, TiffPage):
        raise tifffile.TiffFileError("a page without a directory of its own")
    for name in _SINGLE_NUMBERS:  # a damaged count makes a tuple of one, and sums of it a disaster
        if not isinstance(getattr(page, name), int):
            raise tifffile.TiffFileError(f"its {name} is not a number")
    return page


def _is_reduced(page: TiffPage) -> bool:
    return bool(page.subfiletype & _REDUCED) or (
        page.tags.valueof(_OLD_SUBFILE_TYPE) == _OLD_REDUCED and not page.subfiletype
    )


def _photograph(
    pages: list[tuple[tuple[int, int | None], TiffPage]],
) -> tuple[tuple[int, int | None], TiffPage]:
    first = pages[0]
    whole = [
        entry
        for entry in pages
        if not _is_reduced(entry[1]) and not entry[1].subfiletype & _MASK and _area(entry[1])
    ]
    if not whole:
        return max(pages, key=lambda entry: _area(entry[1]))
    largest = max(whole, key=lambda entry: _area(entry[1]))  # of equals the first
    if first in whole and not _is_preview_of(first[1], largest[1]):
        return first
    return largest


def _area(page: TiffPage) -> int:
    return int(page.imagewidth * page.imagelength)


def _is_preview_of(page: TiffPage, other: TiffPage) -> bool:
    across, down = other.imagewidth / page.imagewidth, other.imagelength / page.imagelength
    step = max(across / page.imagewidth, down / page.imagelength)  # one pixel more or less
    return min(across, down) >= _PREVIEW_SCALE and abs(across - down) <= max(2 * step, across / 50)
