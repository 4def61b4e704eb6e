"""What a file's header tells of the way its picture is stored: enough to choose who decodes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.imaging.libraries.samples import ColorMeaning, Samples

Numbers = Literal["unsigned", "signed", "float"]
Alpha = Literal["none", "straight", "premultiplied", "key"]
"""Key: one colour, or some of a palette, is declared transparent."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A buffer that a decoder needs, or unpacks in all, beside the picture itself."""

    words: str
    """The kind of content and its size, in words for people."""
    pixels: int
    room: int = 1
    """The factor by which its size may exceed the limit of a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """How a picture is stored. Nothing has been decoded for it."""

    kind: str
    """Pillow's name of the file format, such as JPEG."""
    width: int
    height: int
    """The height of the part that is shown, px, as stored: before it is turned upright."""
    crop: tuple[int, int, int, int] | None = None
    """Left, top, width and height of that part; None: all of it."""
    whole: tuple[int, int] | None = None
    """Width and height of what is decoded, where that is more."""
    unpacked: Unpacked | None = None
    """Tiles of a TIFF, parts of a grid; None: nothing that counts."""
    depth: int = 8
    """Bits of a channel, of the deepest one."""
    numbers: Numbers = "unsigned"
    space: str = "rgb"
    """grey, rgb, palette, ycbcr, cmyk, lab, or the file format's own word for what is rarer."""
    alpha: Alpha = "none"
    num_selections: int = 0
    """Channels that are neither colour nor alpha: saved selections and the like."""
    layout: str = ""
    """What is special about the order of the samples: planar, bit fields, small frame ..."""
    packing: str = ""
    """The compression, where a file format has several."""
    meaning: ColorMeaning | None = None
    """The meaning of the colours, where the header tells all that is known; None: their decoder
    tells it."""
    as_levels: bool = False
    """Asked for as numbers that are no colours, such as a mask's: floats are no light then."""
    said: str = ""
    """The reason why the file cannot be read, where the header tells it, and the fix; empty: none.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A decoded picture, and what the file says about it beside its colours."""

    samples: Samples
    orientation: int = 1
    """EXIF 2.32, tag 274: how the stored pixels have to be turned."""
    is_turned: bool = False
    """The decoder has turned `samples` already."""
    resolution_dpi: tuple[float, float] | None = None
    """Pixels an inch, across and down the picture as stored."""
    notes: tuple[str, ...] = ()
