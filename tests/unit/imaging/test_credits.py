from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image

from pipeline.imaging.codec import OutputFormat, encode
from pipeline.imaging.credits import exif_of

RGB = np.full((40, 60, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def photograph():
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "A. Photographer"
    exif[ExifTags.Base.Copyright] = "(c) Acme"
    exif[ExifTags.Base.Make] = "Camera works"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 30.0, 0.0)
    file = BytesIO()
    Image.fromarray(RGB).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("format_", list(OutputFormat))
@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("none", set()),
        ("credits", {ExifTags.Base.Artist, ExifTags.Base.Copyright}),
        ("capture", {ExifTags.Base.Artist, ExifTags.Base.Copyright, ExifTags.Base.Make}),
    ],
)
def test_a_policy_takes_over_its_fields_and_never_place_or_turn(photograph, format_, policy, kept):
    file = encode(RGB, format=format_, quality=90, exif=exif_of(photograph, policy))
    found = Image.open(BytesIO(file)).getexif()
    assert set(found) == kept
    assert not found.get_ifd(ExifTags.IFD.GPSInfo)


def test_what_cannot_be_read_is_not_taken_over():
    assert exif_of(b"\xff\xd8\xff\xe1 torn", "capture") == b""


@pytest.mark.parametrize("format_", list(OutputFormat))
def test_a_field_that_no_file_has_room_for_is_cut(format_):
    exif = Image.Exif()
    for tag in (ExifTags.Base.Artist, ExifTags.Base.Copyright, ExifTags.Base.ImageDescription):
        exif[tag] = "A. Photographer" + "x" * 70_000
    file = BytesIO()
    Image.fromarray(RGB).save(file, "PNG", exif=exif)
    encoded = encode(RGB, format=format_, quality=90, exif=exif_of(file.getvalue(), "credits"))
    found = Image.open(BytesIO(encoded)).getexif()
    assert found[ExifTags.Base.Artist].startswith("A. Photographerx")
    assert {len(value) for value in found.values()} == {2000}


@pytest.mark.parametrize("format_", list(OutputFormat))
def test_the_profile_can_be_left_out(format_):
    with_it, without = (encode(RGB, format=format_, quality=90, icc=icc) for icc in (True, False))
    assert "icc_profile" in Image.open(BytesIO(with_it)).info
    assert not Image.open(BytesIO(without)).info.get("icc_profile")
