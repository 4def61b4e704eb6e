"""TIFF: which of a file's pictures is the photograph, and how it is stored. No pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.raw_formats import camera_raw_advice
from pipeline.imaging.containers.tiff_directory import entries, number_of
from pipeline.imaging.containers.tiff_facts import TiffFacts, facts_of_page
from pipeline.imaging.containers.tiff_pages import TiffPhotograph, opened_tiff, photograph_in
from pipeline.imaging.libraries.header import Alpha, Header, Numbers, Unpacked
from pipeline.imaging.reading.formats.tiff_chroma import chroma_sampling

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
"""Kinds of numbers by sample format (TIFF 6.0, tag 339); 4 is 'undefined', to be taken as unsigned.
"""
_MOST_CHANNELS = 56
"""The most channels that are read: as many as Photoshop has."""
_ASSOCIATED, _UNASSOCIATED = 1, 2  # TIFF 6.0, tag 338
_PLANAR = 2
_UNDEFINED = 4  # TIFF 6.0, tag 339
_TILE_OFFSETS = 324

_DNG_VERSION, _MAKE = 50706, 271


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffHeader(Header):
    """The header of the page of a TIFF file that is the photograph."""

    page: int = 0
    sub_page: int | None = None
    """The index among the page's own pages (tag 330, SubIFDs); None: the page itself."""
    alpha_at: int | None = None
    selection_at: int | None = None
    """The indices, among the channels after the colours, of alpha and of a saved selection; None:
    there is none."""
    facts: TiffFacts
    notes: tuple[str, ...] = ()


def look_at_tiff(data: bytes) -> TiffHeader:
    """Find the photograph among the file's pictures, and say how it is stored.

    Raises:
        RowError: `corrupt_image`.
    """
    with opened_tiff(data) as file:
        photograph = photograph_in(file)
        advice = camera_raw_advice([_summary(page) for page in photograph.pages])
        has_damage = _has_damaged_words(file, photograph.page, data)
        facts = facts_of_page(file, photograph.page, data, preview=photograph.first)
        return _header(photograph, advice, facts, has_damage=has_damage)


_WORDS = frozenset([*range(269, 273), 281, 282, 283, *range(285, 292), *range(296, 298), 305, 306])
_WORDS |= {280, 315, 316, 336, 337}
"""What a page is called, when and on what it was made, its resolution, and how text lies on it."""
_PIXEL_TAGS = frozenset([*range(254, 348), *range(529, 533), 34675]) - _WORDS
"""Tags that decide pixels. tifffile leaves out damaged ones, and then reads something else."""

_SINGLE_TAGS = frozenset([256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323])
"""Tags among `_PIXEL_TAGS` whose value is one number."""


def _has_damaged_words(file: TiffFile, page: TiffPage, data: bytes) -> bool:
    """Refuse a directory that is cut, or whose values lie outside of the file, pixels' ones."""
    has_damage = False
    for entry in entries(file, data, page.offset):
        is_inside = entry.size and entry.start + entry.size <= len(data)
        has_damage |= entry.code in _WORDS and not is_inside
        if entry.code in _PIXEL_TAGS and not is_inside:
            raise RowError(ErrorCode.CORRUPT_IMAGE, f"TIFF: tag {entry.code} is not in the file")
        if entry.code in _SINGLE_TAGS and number_of(file, data, entry) is None:
            raise RowError(ErrorCode.CORRUPT_IMAGE, f"TIFF: tag {entry.code} is not one number")
    return has_damage


def _summary(page: TiffPage) -> dict[str, Any]:
    """The tags that tell a camera's raw file."""
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


def _header(
    photograph: TiffPhotograph, advice: str, facts: TiffFacts, *, has_damage: bool
) -> TiffHeader:
    page = photograph.page
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
        "page inside of a page": photograph.sub_index is not None,
        "planar": page.planarconfig == _PLANAR and page.samplesperpixel > 1,
        "shared chroma": chroma_sampling(page) != (1, 1),
        "tiles called strips": page.is_tiled and _TILE_OFFSETS not in page.tags,
        "undefined numbers": page.sampleformat == _UNDEFINED,
        "damaged words": has_damage,
        "several alphas": num_alphas > 1,
        "white is zero": page.photometric == PHOTOMETRIC.MINISWHITE,
        "ICC Lab": page.photometric == PHOTOMETRIC.ICCLAB,
        "big-endian BigTIFF": page.parent.is_bigtiff and page.parent.byteorder == ">",
    }
    refusal = advice or _refusal(page, space, num_colours, depths)
    return TiffHeader(
        kind="TIFF",
        width=int(page.imagewidth),
        height=int(page.imagelength),
        unpacked=_unpacked(page),
        depth=max(depths),
        numbers=_NUMBERS.get(int(page.sampleformat or 1), "signed"),
        space=space,
        alpha=alpha,
        num_selections=len(extras) - num_alphas,
        layout=", ".join(word for word, is_so in layout.items() if is_so),
        packing=_packing(page),
        said=refusal,
        alpha_at=alpha_at,
        selection_at=next((at for at, extra in enumerate(extras) if extra not in alphas), None),
        page=photograph.index,
        sub_page=photograph.sub_index,
        facts=facts,
        notes=photograph.notes,
    )


_SAMPLES_OF_A_PIXEL = 8
"""The number of samples that count as one pixel against the limit: four inks, alpha and what is
rarer."""


def _unpacked(page: TiffPage) -> Unpacked:
    """The largest part that is unpacked at once: a tile may be larger than its picture."""
    samples = max(page.samplesperpixel, 1)
    across, down = int(page.imagewidth), int(page.imagelength)
    words = f"{across} x {down} px"
    if page.is_tiled:
        tile_down = int(page.tilelength) * max(int(page.tiledepth), 1)
        if page.tilewidth * tile_down > across * down:
            across, down = int(page.tilewidth), tile_down
            words = f"tiles of {across} x {down} px"
    if samples > _SAMPLES_OF_A_PIXEL:
        words += f" with {samples} samples each"
    return Unpacked(words, across * down * -(-samples // _SAMPLES_OF_A_PIXEL))


def _packing(page: TiffPage) -> str:
    try:
        return COMPRESSION(page.compression).name.lower()
    except ValueError:
        return str(int(page.compression))


def _refusal(page: TiffPage, space: str, num_colours: int, depths: tuple[int, ...]) -> str:
    """The reason why no decoder reads the page; empty: one may."""
    fix = "Save it as RGB with 8 or 16 bits a channel"
    if space == "other":
        return f"a TIFF with photometric interpretation {int(page.photometric)}. {fix}"
    if page.samplesperpixel > _MOST_CHANNELS:
        return f"a TIFF of {page.samplesperpixel} channels. {fix}"
    if page.samplesperpixel < num_colours:
        return f"a TIFF of {page.samplesperpixel} inks instead of four. {fix}"
    if space == "cmyk" and page.tags.valueof(332, 1) != 1:  # InkSet: 1 is CMYK
        return f"a TIFF of inks other than CMYK. {fix}"
    if chroma_sampling(page) != (1, 1) and (page.samplesperpixel > 3 or page.predictor > 1):
        return f"a TIFF whose chroma is shared in a rare way. {fix}"
    if len(set(depths)) > 1:
        return f"a TIFF whose channels have {depths} bits. {fix}"
    if page.imagedepth > 1:
        return f"a TIFF of {page.imagedepth} layers of depth: a volume is no photograph"
    return ""
