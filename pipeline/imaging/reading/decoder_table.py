"""The table: which decoder reads which kind of picture, and why that one. The first row that fits.

Faults of other libraries are named with the version in which they were seen.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.imaging.libraries.header import Header

_SIMPLE_PACKINGS = ("none", "lzw", "deflate", "adobe_deflate", "packbits")
_PILLOW_PACKINGS = frozenset(
    [*_SIMPLE_PACKINGS, "ccittrle", "ccittrlew", "ccittfax3", "ccittfax4", "jpeg"]
)
_JPEG_PACKINGS = frozenset({"jpeg", "ojpeg"})
_TIFFFILE_PACKINGS = frozenset(
    [*_SIMPLE_PACKINGS, "lzma", "zstd", "zstd_deprecated", "webp", "jpeg", "jpeg2000", "pixtiff"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A kind of picture and its decoder. A condition that is None asks for nothing."""

    kind: str
    decoder: str
    """Empty: refused, and `why` says what to do."""
    why: str
    depths: Collection[int] | None = None
    numbers: Collection[str] | None = None
    spaces: Collection[str] | None = None
    alphas: Collection[str] | None = None
    layouts: Collection[str] | None = None
    packings: Collection[str] | None = None
    has_selections: bool | None = None

    def fits(self, header: Header) -> bool:
        """Whether this row is about such a picture."""
        requirements = (
            (self.depths, header.depth),
            (self.numbers, header.numbers),
            (self.spaces, header.space),
            (self.alphas, header.alpha),
            (self.layouts, header.layout),
            (self.packings, header.packing),
        )
        return (
            self.kind == header.kind
            and all(wanted is None or value in wanted for wanted, value in requirements)
            and self.has_selections in (None, header.num_selections > 0)
        )

    @property
    def words(self) -> str:
        """The requirements in words for people; of compressions only that there are some."""
        requirements = [] if self.depths is None else [_depth_words(sorted(self.depths))]
        requirements.extend(
            " or ".join(_WORDS.get(word, word) for word in sorted(wanted))
            for wanted in (self.numbers, self.spaces, self.alphas, self.layouts)
            if wanted is not None
        )
        if self.has_selections is False:
            requirements.append("no further channels")
        return "; ".join(requirements) or "all others"


_WORDS = {
    "": "nothing special about it",
    "none": "no alpha",
    "straight": "straight alpha",
    "premultiplied": "premultiplied alpha",
    "key": "a transparent colour",
    "unsigned": "unsigned numbers",
    "signed": "signed numbers",
    "float": "floats",
    "cmyk": "CMYK",
    "rgb": "RGB",
    "lab": "Lab",
    "ycbcr": "YCbCr",
    "sycc": "sYCC",
}


def _depth_words(depths: list[int]) -> str:
    if len(depths) > 2 and depths == list(range(depths[0], depths[-1] + 1)):
        return f"{depths[0]} to {depths[-1]} bits"
    if len(depths) > 3 and depths[:-1] == list(range(depths[0], depths[-2] + 1)):
        return f"{depths[0]} to {depths[-2]} and {depths[-1]} bits"
    return " or ".join(str(depth) for depth in depths) + " bits"


PILLOW, TIFFFILE, IMAGECODECS, BACKLOT = "Pillow", "tifffile", "imagecodecs", "Backlot"
PI_HEIF = "pi-heif"

TABLE: tuple[Row, ...] = (
    Row(
        kind="JPEG",
        depths=range(9, 17),
        decoder=IMAGECODECS,
        why="Pillow 13.0 opens 8 bits only",
    ),
    Row(
        kind="JPEG",
        layouts={"lossless"},
        decoder=IMAGECODECS,
        why="Pillow 13.0 does not open what is stored without loss",
    ),
    Row(kind="JPEG", decoder=PILLOW, why="right and fastest; leaves out what is not shown"),
    Row(kind="MPO", decoder=PILLOW, why="right and fastest; its first picture"),
    Row(
        kind="PNG",
        depths=(16,),
        decoder=IMAGECODECS,
        why="Pillow 13.0 cuts to the high byte, has no grey with alpha, and misses keys",
    ),
    Row(
        kind="PNG",
        depths=(2, 4),
        spaces={"grey"},
        alphas={"key"},
        decoder=IMAGECODECS,
        why="Pillow 13.0 scales the pixels, but not the grey that is declared transparent",
    ),
    Row(kind="PNG", decoder=PILLOW, why="right for 8 bits and less"),
    Row(kind="WEBP", decoder=PILLOW, why="right"),
    Row(
        kind="AVIF",
        layouts={"sequence"},
        decoder=PILLOW,
        why="the first picture, in 8 bits: imagecodecs 2026.3 decodes all of a sequence or none",
    ),
    Row(
        kind="AVIF",
        depths=range(9, 17),
        decoder=IMAGECODECS,
        why="Pillow 13.0 has libavif cut it to 8 bits",
    ),
    Row(
        kind="AVIF",
        layouts={"alpha without a size"},
        decoder=IMAGECODECS,
        why="Pillow 13.0 has libavif refuse what is not strictly as the standard has it",
    ),
    Row(kind="AVIF", decoder=PILLOW, why="right for 8 bits"),
    Row(
        kind="GIF",
        layouts={"small frame"},
        decoder=PILLOW,
        why="Pillow 13.0 paints what the first frame leaves free; made transparent here",
    ),
    Row(kind="GIF", decoder=PILLOW, why="right"),
    Row(
        kind="BMP",
        layouts={"bit fields"},
        decoder=BACKLOT,
        why=(
            "Pillow 13.0 knows some masks only, and loses the alpha of 5551; imagecodecs 2026.3 "
            "returns the low byte of masks of 10 bits"
        ),
    ),
    Row(kind="BMP", decoder=PILLOW, why="right for all without masks"),
    Row(kind="HEIF", decoder=PI_HEIF, why="Pillow 13.0 has no HEVC; extra heic"),
    Row(
        kind="PSD",
        decoder=BACKLOT,
        why=(
            "Pillow 13.0 takes a saved channel for alpha, drops two, reads no 16 bits, and opens "
            "what has no flat picture"
        ),
    ),
    Row(
        kind="JPEG2000",
        depths=range(1, 17),
        spaces={"grey", "rgb", "cmyk", "sycc"},
        layouts={"", "palette"},
        decoder=IMAGECODECS,
        why=(
            "Pillow 13.0 reads the brightest of 9 to 16 bits as 0, and neither puts channels in "
            "the order of cdef nor divides by an alpha that the colours are multiplied by"
        ),
    ),
    Row(
        kind="JPEG2000",
        depths=range(1, 9),
        spaces={"grey", "rgb", "sycc"},
        alphas={"none", "straight"},
        layouts={"subsampled", "depths that differ"},
        decoder=PILLOW,
        why="imagecodecs 2026.3 wants channels of one size and depth",
    ),
    Row(
        kind="TIFF",
        numbers={"signed"},
        decoder="",
        why="signed numbers, of which none says what is white: save it with unsigned ones",
    ),
    Row(
        kind="TIFF",
        depths=(1, 2, 4),
        numbers={"unsigned"},
        spaces={"grey"},
        alphas={"none"},
        layouts={"", "white is zero"},
        packings=_PILLOW_PACKINGS,
        has_selections=False,
        decoder=PILLOW,
        why="right, scans of one bit in all their compressions",
    ),
    Row(
        kind="TIFF",
        depths=(8,),
        numbers={"unsigned"},
        spaces={"grey", "rgb", "cmyk", "lab"},
        alphas={"none"},
        layouts={"", "white is zero"},
        packings=_PILLOW_PACKINGS,
        has_selections=False,
        decoder=PILLOW,
        why="right, and for LZW and JPEG faster",
    ),
    Row(
        kind="TIFF",
        depths=(8,),
        numbers={"unsigned"},
        spaces={"grey", "rgb"},
        alphas={"straight"},
        layouts={""},
        packings=_PILLOW_PACKINGS,
        has_selections=False,
        decoder=PILLOW,
        why="right, and for LZW and JPEG faster",
    ),
    Row(
        kind="TIFF",
        depths=(8,),
        numbers={"unsigned"},
        spaces={"ycbcr", "rgb"},
        alphas={"none"},
        layouts={""},
        packings=_JPEG_PACKINGS,
        has_selections=False,
        decoder=PILLOW,
        why="right for a JPEG inside, of the old way, too",
    ),
    Row(
        kind="TIFF",
        depths=(8,),
        numbers={"unsigned"},
        spaces={"ycbcr"},
        layouts={"", "planar", "shared chroma"},
        packings=_TIFFFILE_PACKINGS - {"jpeg", "jpeg2000", "webp"},
        decoder=TIFFFILE,
        why=(
            "Pillow 13.0 leaves weights and range aside, and takes what shares chroma for damage; "
            "converted here"
        ),
    ),
    Row(
        kind="TIFF",
        depths=(*range(1, 17), 32),
        numbers={"unsigned"},
        spaces={"grey", "rgb", "cmyk"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why=(
            "Pillow 13.0 cuts 16 bits to the high byte, reads planar ones as garbage, loses alpha "
            "of planar grey, has no mode for CMYK with alpha, and drops saved selections"
        ),
    ),
    Row(
        kind="TIFF",
        depths=range(1, 17),
        numbers={"unsigned"},
        spaces={"palette"},
        alphas={"none", "straight"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why="Pillow 13.0 cuts colours of a palette to the high byte",
    ),
    Row(
        kind="TIFF",
        depths=(8, 16),
        numbers={"unsigned"},
        spaces={"lab"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why="Pillow 13.0 has no mode for Lab of 16 bits, ICC Lab, nor Lab with alpha",
    ),
    Row(
        kind="TIFF",
        depths=(16, 32, 64),
        numbers={"float"},
        spaces={"grey", "rgb"},
        packings=_TIFFFILE_PACKINGS,
        decoder=TIFFFILE,
        why="Pillow 13.0 reads no float colours, and has no white for grey ones",
    ),
)


def as_markdown() -> str:
    """The table, for the documentation."""
    lines = ["| kind | which | read by | why |", "|---|---|---|---|"]
    for row in TABLE:
        reader = row.decoder or "refused"
        lines.append(f"| {row.kind} | {row.words} | {reader} | {row.why} |")
    return "\n".join(lines) + "\n"


def packings_in_words() -> str:
    """The compressions of TIFF, for the documentation."""
    return "\n".join(
        f"- {name}: {', '.join(sorted(packings))}"
        for name, packings in (
            (PILLOW, _PILLOW_PACKINGS | _JPEG_PACKINGS),
            (TIFFFILE, _TIFFFILE_PACKINGS),
        )
    )
