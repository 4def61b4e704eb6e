"""Provenance: what the photograph's file says that the finished one says again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from pipeline.imaging.rights.carriers import Carriers, carriers_of
from pipeline.imaging.rights.credits import (
    Capture,
    Credits,
    ExifPolicy,
    TakenOver,
    decoded,
    each_once,
    first_of,
    in_default,
)
from pipeline.imaging.rights.iptc import credits_of_iptc
from pipeline.imaging.rights.placeholder_texts import without_fillers
from pipeline.imaging.rights.xmp_reading import rights_of

_Tag = ExifTags.Base
_INCH = 2
"""EXIF 2.32, tag 296: the unit of a resolution."""
_MOST_DPI = 65535
"""JFIF's density has 16 bits."""
_MOST_BYTES = 60_000
"""The most bytes of an EXIF block. A JPEG has room for 65,533, and refuses more as a whole."""
_MOST_OF_A_CAMERA = 64
"""Characters of a maker's or a model's name."""
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T]([ \d]\d):([ \d]\d):([ \d]\d)([.Z+-].{0,12})?")
"""A date as EXIF has it, or as ISO 8601 does, which some write there."""
_IFD_AT = 10
"""The offset at which the directory of a block begins. At 8, where Pillow puts it, and at 16,
exiftool takes it for a part of the signature of a signed PNG and skips it:
`findings/exiftool-signed-png.sh`."""


def taken_over(photograph: bytes, policy: ExifPolicy) -> TakenOver:
    """The metadata that the finished file repeats: nothing else of the photograph's ever is.

    Metadata that cannot be read is not taken over: the pixels are what matters.

    Args:
        photograph: the file, as fetched.
        policy: 'credits': author, rights and description, wherever the file says them; 'capture':
            also camera and date.
    """
    if policy == "none":
        return TakenOver()
    carriers = carriers_of(photograph)
    xmp = rights_of(carriers.xmp).or_else(rights_of(carriers.extended_xmp))
    capture = _capture(carriers.exif)
    xmp, iptc, exif, last = (
        without_fillers(source, camera=f"{capture.make} {capture.model}")
        for source in (
            xmp,
            credits_of_iptc(*carriers.iptc),
            _of_exif(carriers.exif),
            _of_texts(carriers),
        )
    )
    return TakenOver(
        credits=xmp.or_else(iptc).or_else(exif).or_else(last).bounded(),
        exif_credits=exif.or_else(xmp).or_else(iptc).or_else(last).bounded(),
        capture=capture if policy == "capture" else Capture(),
    )


def exif_block(taken: TakenOver, *, dpi: tuple[float, float] | None = None) -> bytes:
    """The EXIF block that says so; empty: there is nothing to say, or no JPEG has room for it.

    Credits that are `bounded` and a camera's name take 20 kB at the most.

    EXIF allows ASCII alone in these fields. What is not ASCII is written in UTF-8, as exiftool
    does and readers expect.

    Args:
        taken: of the photograph.
        dpi: pixels an inch, across and down, for formats that have no other place for it.
    """
    exif = Image.Exif()
    exif.endian = ">"
    for tag, text in (
        (_Tag.ImageDescription, first_of(taken.exif_credits.description)),
        (_Tag.Make, taken.capture.make),
        (_Tag.Model, taken.capture.model),
        (_Tag.DateTime, taken.capture.date_time),
        (_Tag.Artist, taken.exif_credits.author),
        (_Tag.Copyright, first_of(taken.exif_credits.rights)),
    ):
        if text:
            exif[tag] = text.replace("\0", " ").encode()  # Pillow makes `?` of what is not ASCII
    if dpi is not None:
        exif[_Tag.XResolution], exif[_Tag.YResolution] = map(_rational, dpi)
        exif[_Tag.ResolutionUnit] = _INCH
    if not len(exif):
        return b""
    directory = exif.tobytes(offset=_IFD_AT).removeprefix(b"Exif\0\0")[8:]
    block = b"Exif\0\0MM\0*" + _IFD_AT.to_bytes(4, "big") + bytes(_IFD_AT - 8) + directory
    return block if len(block) <= _MOST_BYTES else b""


def _rational(dpi: float) -> IFDRational:
    return IFDRational(round(min(dpi, _MOST_DPI) * 1000), 1000)


def _of_exif(tags: Mapping[int, Any]) -> Credits:
    # Photographer and editor, parted by a zero (EXIF 2.32, tag 33432).
    rights = each_once(decoded(_stored(tags, _Tag.Copyright)).split("\0"))
    return Credits(
        creators=each_once((_text(tags, _Tag.Artist) or _of_windows(tags)).split(";")),
        rights=in_default("; ".join(rights)),
        description=in_default(_text(tags, _Tag.ImageDescription)),
    )


def _of_windows(tags: Mapping[int, Any]) -> str:
    """XPAuthor, where the Windows Explorer writes an author: UTF-16, little end first, always."""
    value = tags.get(_Tag.XPAuthor)
    return value.decode("utf-16-le", "ignore").strip("\0") if isinstance(value, bytes) else ""


def _of_texts(carriers: Carriers) -> Credits:
    return Credits(
        creators=each_once([carriers.texts.get("author") or carriers.texts.get("artist", "")]),
        rights=in_default(carriers.texts.get("copyright", "")),
        description=in_default(carriers.texts.get("description", "")),
    )


def _capture(tags: Mapping[int, Any]) -> Capture:
    make, model, date_time = (_text(tags, tag) for tag in (_Tag.Make, _Tag.Model, _Tag.DateTime))
    return Capture(
        make=make[:_MOST_OF_A_CAMERA],
        model=model[:_MOST_OF_A_CAMERA],
        date_time=_date(date_time),
    )


def _date(text: str) -> str:
    """The date as EXIF writes it; empty: no such time, as where a clock was never set."""
    match = _DATE.fullmatch(text)
    if match is None:
        return ""
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        datetime(year, month, day, hour, minute, second)
    except ValueError:
        return ""
    return f"{year:04}:{month:02}:{day:02} {hour:02}:{minute:02}:{second:02}"


def _text(tags: Mapping[int, Any], tag: int) -> str:
    """The text of a tag up to the first zero: some cameras leave other data behind that."""
    return decoded(_stored(tags, tag), ends_at_zero=True)


def _stored(tags: Mapping[int, Any], tag: int) -> bytes:
    """A tag whatever its type: Pillow reads ASCII as Latin-1, byte by byte."""
    value = tags.get(tag)
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    return value if isinstance(value, bytes) else b""
