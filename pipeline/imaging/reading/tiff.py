"""TIFF: which of a file's pictures is the photograph, and how it is stored. No pixel is decoded."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.codecs import in_short
from pipeline.imaging.reading.header import Alpha, Header, Numbers
from pipeline.imaging.reading.pillow import DAMAGE
from pipeline.imaging.reading.raw import camera_raw_advice
from pipeline.imaging.reading.tiff_directory import entries, number_of
from pipeline.imaging.reading.tiff_facts import TiffFacts, facts_of_page

_MAX_PAGES = 256
"""That are looked at. More are left unread: nobody delivers a photograph as page 257."""
_MAX_SUB_PAGES = 32
"""Of one page (TIFF/EP keeps the photograph there, behind a preview)."""
_PREVIEW_SCALE = 2
"""A page that has the shape of a later one and at most half of its sides is that one's preview."""

_SPACES: dict[int, tuple[str, int]] = {
    PHOTOMETRIC.MINISWHITE: ("grey", 1),
    PHOTOMETRIC.MINISBLACK: ("grey", 1),
    PHOTOMETRIC.RGB: ("rgb", 3),
    PHOTOMETRIC.PALETTE: ("palette", 1),
    PHOTOMETRIC.SEPARATED: ("cmyk", 4),
    PHOTOMETRIC.YCBCR: ("ycbcr", 3),
    PHOTOMETRIC.CIELAB: ("lab", 3),
    PHOTOMETRIC.ICCLAB: ("lab", 3),
}
"""Colour space and number of channels by photometric interpretation (TIFF 6.0, tag 262)."""
_NUMBERS: dict[int, Numbers] = {1: "unsigned", 2: "signed", 3: "float", 4: "unsigned"}
"""By sample format (TIFF 6.0, tag 339); 4 is 'undefined', to be taken as unsigned."""
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
_MOST_CHANNELS = 56
"""As many as Photoshop has."""
_ASSOCIATED, _UNASSOCIATED = 1, 2  # TIFF 6.0, tag 338
_REDUCED, _MASK = 1, 4  # TIFF 6.0, bits of tag 254
_OLD_REDUCED = 2  # TIFF 6.0, tag 255
_PLANAR = 2

_OLD_SUBFILE_TYPE, _DNG_VERSION, _MAKE = 255, 50706, 271

TIFF_DAMAGE = (*DAMAGE, tifffile.TiffFileError, ImportError)
"""What tifffile and its codecs raise on files that are not what they seem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffHeader(Header):
    """Of the page that is the photograph."""

    page: int = 0
    sub_page: int | None = None
    """Which of the page's own pages it is (tag 330, SubIFDs); None: the page itself."""
    alpha_at: int | None = None
    selection_at: int | None = None
    """Which of the channels after the colours these are."""
    facts: TiffFacts
    notes: tuple[str, ...] = ()


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


def look_at_tiff(data: bytes) -> TiffHeader:
    """Choose the photograph among the file's pictures, and say how it is stored.

    That is the first page, unless the file calls it a reduced copy, or it is a small copy of a
    later page: then the largest of the others. Pages inside of pages are looked at as well.

    Raises:
        RowError: `corrupt_image`.
    """
    with opened_tiff(data) as file:
        pages = list(_pages(file))
        advice = camera_raw_advice([_summary(page) for _, page in pages])
        (index, sub_index), page = _photograph(pages)
        _check_directory(file, page, data)
        first = pages[0][1]
        notes = []
        num_pages = sum(sub is None for (_, sub), _ in pages)
        if page is not first:
            where = f"page {index + 1}" + ("" if sub_index is None else " (a page inside of it)")
            notes.append(
                f"{where} was read, the first page is a preview of "
                f"{first.imagewidth} x {first.imagelength} px"
            )
        elif num_pages > 1:
            more = " or more" if num_pages == _MAX_PAGES else ""
            notes.append(f"first of {num_pages}{more} frames")
        if _is_reduced(page):
            notes.append("the file calls its only picture a reduced copy")
        facts = facts_of_page(file, page, data, preview=first)
        return _header(page, index, sub_index, advice, facts, tuple(notes))


_PIXEL_TAGS = frozenset([*range(254, 348), *range(529, 533), 34675])
"""Those that decide pixels. tifffile leaves out what is damaged, and then reads something else."""

_SINGLE_TAGS = frozenset([256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323])
"""Those of them that are one number."""


def _check_directory(file: TiffFile, page: TiffPage, data: bytes) -> None:
    """Refuse a directory that is cut, or whose values lie outside of the file."""
    for entry in entries(file, data, page.offset):
        is_inside = entry.size and entry.start + entry.size <= len(data)
        if entry.code in _PIXEL_TAGS and not is_inside:
            raise RowError(ErrorCode.CORRUPT_IMAGE, f"TIFF: tag {entry.code} is not in the file")
        if entry.code in _SINGLE_TAGS and number_of(file, data, entry) is None:
            raise RowError(ErrorCode.CORRUPT_IMAGE, f"TIFF: tag {entry.code} is not one number")


def chosen_page(file: TiffFile, header: TiffHeader) -> TiffPage:
    """The page that `look_at_tiff` chose."""
    page = _full(file.pages[header.page])
    if header.sub_page is None:
        return page
    assert page.pages is not None  # it was chosen from them
    return _full(page.pages[header.sub_page])


def first_page(file: TiffFile) -> TiffPage:
    """Whatever that is: what concerns the file as a whole is said there."""
    return _full(file.pages[0])


def _pages(file: TiffFile) -> Iterator[tuple[tuple[int, int | None], TiffPage]]:
    """Each page and each page inside of it, with their numbers, as far as we look."""
    for index in range(_MAX_PAGES):
        try:
            page = _full(file.pages[index])
        except IndexError:
            if index == 0:
                raise
            return
        yield (index, None), page
        for sub_index in range(min(len(page.subifds or ()), _MAX_SUB_PAGES)):
            assert page.pages is not None  # it has them
            yield (index, sub_index), _full(page.pages[sub_index])


def _full(page: object) -> TiffPage:
    if not isinstance(page, TiffPage):
        raise tifffile.TiffFileError("a page without a directory of its own")
    for name in _SINGLE_NUMBERS:  # a damaged count makes a tuple of one, and sums of it a disaster
        if not isinstance(getattr(page, name), int):
            raise tifffile.TiffFileError(f"its {name} is not a number")
    return page


def _summary(page: TiffPage) -> dict[str, Any]:
    """What tells a camera's raw file."""
    return {
        "photometric": int(page.photometric),
        "compression": int(page.compression),
        "make": _text(page, _MAKE),
        "is_dng": _DNG_VERSION in page.tags,
        "tags": {int(tag.code) for tag in page.tags},
    }


def _text(page: TiffPage, code: int) -> str:
    value = page.tags.valueof(code, "")
    return value if isinstance(value, str) else ""


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


def _header(
    page: TiffPage,
    index: int,
    sub_index: int | None,
    advice: str,
    facts: TiffFacts,
    notes: tuple[str, ...],
) -> TiffHeader:
    space, num_colours = _SPACES.get(int(page.photometric), ("other", 0))
    extras = tuple(int(extra) for extra in page.extrasamples)
    num_extras = max(0, page.samplesperpixel - num_colours)
    extras = (extras + (0,) * num_extras)[:num_extras]  # what is not declared is of no known use
    alphas: dict[int, Alpha] = {_ASSOCIATED: "premultiplied", _UNASSOCIATED: "straight"}
    alpha_at = next((at for at, extra in enumerate(extras) if extra in alphas), None)
    alpha = "none" if alpha_at is None else alphas[extras[alpha_at]]
    num_alphas = sum(extra in alphas for extra in extras)
    bits = page.bitspersample
    depths = bits if isinstance(bits, tuple) else (bits,)
    layout = {
        "page inside of a page": sub_index is not None,
        "planar": page.planarconfig == _PLANAR and page.samplesperpixel > 1,
        "several alphas": num_alphas > 1,
        "white is zero": page.photometric == PHOTOMETRIC.MINISWHITE,
        "ICC Lab": page.photometric == PHOTOMETRIC.ICCLAB,
        "big-endian BigTIFF": page.parent.is_bigtiff and page.parent.byteorder == ">",
    }
    said = advice or _refusal(page, space, num_colours, depths)
    return TiffHeader(
        kind="TIFF",
        width=int(page.imagewidth),
        height=int(page.imagelength),
        depth=max(depths),
        numbers=_NUMBERS.get(int(page.sampleformat or 1), "signed"),
        space=space,
        alpha=alpha,
        num_selections=len(extras) - num_alphas,
        layout=", ".join(word for word, is_so in layout.items() if is_so),
        packing=_packing(page),
        said=said,
        alpha_at=alpha_at,
        selection_at=next((at for at, extra in enumerate(extras) if extra not in alphas), None),
        page=index,
        sub_page=sub_index,
        facts=facts,
        notes=notes,
    )


def _packing(page: TiffPage) -> str:
    try:
        return COMPRESSION(page.compression).name.lower()
    except ValueError:
        return str(int(page.compression))


def _refusal(page: TiffPage, space: str, num_colours: int, depths: tuple[int, ...]) -> str:
    """Why no decoder reads it; empty: one may."""
    fix = "Save it as RGB with 8 or 16 bits a channel"
    if space == "other":
        return f"a TIFF with photometric interpretation {int(page.photometric)}. {fix}"
    if page.samplesperpixel > _MOST_CHANNELS:
        return f"a TIFF of {page.samplesperpixel} channels. {fix}"
    if page.samplesperpixel < num_colours:
        return f"a TIFF of {page.samplesperpixel} inks instead of four. {fix}"
    if space == "cmyk" and page.tags.valueof(332, 1) != 1:  # InkSet: 1 is CMYK
        return f"a TIFF of inks other than CMYK. {fix}"
    if len(set(depths)) > 1:
        return f"a TIFF whose channels have {depths} bits. {fix}"
    if page.imagedepth > 1:
        return f"a TIFF of {page.imagedepth} layers of depth: a volume is no photograph"
    return ""
