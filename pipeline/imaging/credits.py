"""Whose photograph a picture was made from: the part of its EXIF that is taken over."""

from __future__ import annotations

from typing import Literal

from PIL import ExifTags, Image

from pipeline.errors import RowError
from pipeline.imaging.reading.identify import identify
from pipeline.imaging.reading.pillow import opened

ExifPolicy = Literal["none", "credits", "capture"]
"""What is taken over from the photograph. Where it was taken never is, nor what turns it, nor its
thumbnail: the first is nobody's business, the others would be wrong for the new pixels."""

_Tag = ExifTags.Base

_CREDITS = (_Tag.Artist, _Tag.Copyright, _Tag.ImageDescription)
_CAPTURE = (_Tag.Make, _Tag.Model, _Tag.DateTime)


MOST_CHARACTERS = 2000
"""Of a field: a JPEG has room for 65 kB of EXIF in all, and what is longer is no credit."""


def exif_of(photograph: bytes, policy: ExifPolicy) -> bytes:
    """The EXIF block that a picture made from this photograph gets; empty: none.

    Metadata that cannot be read is not taken over: the pixels are what matters. Of a field that is
    longer than `MOST_CHARACTERS` its beginning is.

    Args:
        photograph: the file, as fetched.
        policy: 'credits': author, copyright and description; 'capture': also camera and date.
    """
    if policy == "none":
        return b""
    wanted = _CREDITS if policy == "credits" else _CREDITS + _CAPTURE
    try:
        with opened(photograph, identify(photograph)) as image:
            found = image.getexif()
            kept = Image.Exif()
            for tag in wanted:
                if isinstance(found.get(tag), str):
                    kept[tag] = found[tag][:MOST_CHARACTERS]
            return kept.tobytes() if len(kept) else b""
    except RowError:
        return b""
