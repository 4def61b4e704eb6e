"""The few facts of EXIF that reading needs: how to turn, how large, and Adobe RGB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image

from pipeline.imaging.libraries.pillow_files import DAMAGE

_UNCALIBRATED = 65535  # EXIF 2.32, tag 40961
_ADOBE_RGB = 2  # the same tag: in no standard, but what some cameras write
_INTEROPERABILITY_INDEX = 1
_INCHES = {2: 1.0, 3: 1 / 2.54}
"""EXIF 2.32, tag 296: of the unit in which the resolution is given; 1 is no unit."""
_LEAST_DPI, _MOST_DPI = 1, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExifFacts:
    """The facts in EXIF that decide pixels or sizes."""

    orientation: int = 1
    resolution_dpi: tuple[float, float] | None = None
    is_adobe_rgb: bool = False
    is_unreadable: bool = False


def exif_facts(block: bytes) -> ExifFacts:
    """Read an EXIF block, with or without its six bytes `Exif`. A damaged one costs no picture."""
    if not block:
        return ExifFacts()
    exif = Image.Exif()
    try:
        exif.load(block)
        tags = dict(exif)
        shot = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in tags else {}
        space = shot.get(ExifTags.Base.ColorSpace)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(_INTEROPERABILITY_INDEX) if shot else None
    except DAMAGE:
        return ExifFacts(is_unreadable=True)
    return ExifFacts(
        orientation=orientation_of(tags.get(ExifTags.Base.Orientation)),
        resolution_dpi=_resolution(tags),
        is_adobe_rgb=tells_adobe_rgb(space, index),
    )


def tells_adobe_rgb(color_space: object, index: object) -> bool:
    """DCF 2.0: an option file has an uncalibrated colour space and interoperability index R03.

    Args:
        color_space: EXIF 2.32, tag 40961.
        index: tag 1 of the interoperability directory, as bytes or text; None: there is none.
    """
    if color_space != _UNCALIBRATED:
        return color_space == _ADOBE_RGB
    if isinstance(index, bytes):
        index = index.decode("ascii", "replace")
    return isinstance(index, str) and index.partition("\0")[0].strip() == "R03"


def orientation_of(value: object) -> int:
    """EXIF 2.32, tag 274; 1 where it makes no sense. Some write it as a byte, and are obeyed."""
    if isinstance(value, bytes) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _resolution(tags: Mapping[int, object]) -> tuple[float, float] | None:
    across, down = tags.get(ExifTags.Base.XResolution), tags.get(ExifTags.Base.YResolution)
    return dots_per_inch(across, down, unit=tags.get(ExifTags.Base.ResolutionUnit, 2))


def dots_per_inch(across: object, down: object, *, unit: object) -> tuple[float, float] | None:
    """A resolution in TIFF's terms as pixels an inch; None: no unit, or no sense.

    Below 1 and above 100,000 it is what programs write that have none, such as 1/65536.

    Args:
        across: pixels a unit.
        down: the same; None: as many as across.
        unit: 1 none, 2 an inch, 3 a centimetre.
    """
    inches = _INCHES.get(unit) if isinstance(unit, int) else None
    try:
        x = float(across)  # type: ignore[arg-type]  # whatever the file holds there
        y = x if down is None else float(down)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if inches is None:
        return None
    x, y = x / inches, y / inches
    if not all(_LEAST_DPI <= value <= _MOST_DPI for value in (x, y)):  # nor where one is no number
        return None
    return x, y
