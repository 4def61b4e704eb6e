"""Credits of a photograph, however long, cost no row: shortened, or left out."""

from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image

from pipeline.imaging.rights.credits import MOST_CHARACTERS, Credits, TakenOver
from pipeline.imaging.rights.taking_over import exif_block, taken_over
from pipeline.imaging.writing.encoding import OutputFormat, encode
from pipeline.imaging.writing.provenance_xmp import xmp_packet

RGB_HWC = np.full((40, 60, 3), 90, np.uint8)
TAG = ExifTags.Base


def photograph(text, *, tags=(TAG.ImageDescription, TAG.Artist, TAG.Copyright), kind="PNG"):
    exif = Image.Exif()
    for tag in tags:
        exif[tag] = text.encode()
    out = BytesIO()
    Image.fromarray(RGB_HWC).save(out, kind, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u4e16", "\U0001f600", "&"])
@pytest.mark.parametrize("format_", OutputFormat)
def test_credits_of_70_kb_fit_into_every_format(letter, format_):
    size = len(letter.encode())
    taken = taken_over(photograph((letter * 7 + "a. ") * (70_000 // (7 * size + 3))), "credits")
    file = encode(
        RGB_HWC,
        format=format_,
        quality=90,
        exif=exif_block(taken),
        xmp=xmp_packet(None, taken.credits),
    )
    with Image.open(BytesIO(file)) as image:
        said = image.getexif()
    for tag in (TAG.Artist, TAG.Copyright):
        text = said[tag]
        text = text if isinstance(text, bytes) else text.encode("latin-1", "ignore")
        assert text.decode().rstrip("\0").endswith("…")


def test_a_long_credit_is_cut_at_a_letter_and_says_so():
    taken = taken_over(photograph("\u4e16a" * 35_000, tags=(TAG.Copyright,)), "credits")
    ((_, text),) = taken.exif_credits.rights
    assert text == ("\u4e16a" * MOST_CHARACTERS)[: MOST_CHARACTERS - 1] + "…"


def test_what_just_fits_is_kept_whole():
    taken = taken_over(photograph("x" * MOST_CHARACTERS, tags=(TAG.Copyright,)), "credits")
    assert taken.exif_credits.rights == (("x-default", "x" * MOST_CHARACTERS),)


def test_exif_that_a_jpeg_has_no_room_for_is_left_out():
    large = TakenOver(exif_credits=Credits(description=(("x-default", "x" * 70_000),)))
    small = TakenOver(exif_credits=Credits(description=(("x-default", "x" * 50_000),)))
    assert exif_block(large) == b""
    assert len(exif_block(small)) > 50_000
