"""What cameras and programs write where an author or a description belongs."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from pipeline.imaging.rights.credits import Capture, Credits
from pipeline.imaging.rights.taking_over import exif_block, taken_over

TAG = ExifTags.Base


def shot(make="OLYMPUS OPTICAL CO.,LTD", model="C2040Z", **said):
    exif, file = Image.Exif(), BytesIO()
    for name, text in {"Make": make, "Model": model, **said}.items():
        exif[getattr(TAG, name)] = text
    Image.new("RGB", (40, 30)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def described(text, **camera):
    return taken_over(shot(ImageDescription=text, **camera), "credits")


@pytest.mark.parametrize(
    ("text", "camera"),
    [
        ("OLYMPUS DIGITAL CAMERA         ", {}),
        ("OLYMPUS DIGITAL CAMERA", {"make": "", "model": ""}),
        ("KODAK Digital Still Camera", {"make": "EASTMAN KODAK COMPANY", "model": "DC240"}),
        ("Minolta DSC", {"make": "Minolta Co., Ltd.", "model": "Dimage 7"}),
        ("<KENOX S730  / Samsung S730>", {"make": "Samsung Techwin", "model": "KENOX S730"}),
        ("GC-X1E Image", {"make": "Acme", "model": "GC-X1E"}),
        ("Exif_JPEG_PICTURE", {}),
        ("default", {}),
        ("null", {}),
        ("---", {}),
        ("Created with GIMP", {}),
        ("Created with The GIMP", {}),
        ("File written by Adobe Photoshop 4.0", {}),
        ("CREATOR: gd-jpeg v1.0 (using IJG JPEG v80), quality = 90", {}),
        ("Processed with VSCO with a6 preset", {}),
        ("ImageJ=1.53c\nimages=30\nslices=30", {}),
        ('<?xml version="1.0"?><OME UUID="urn:uuid:1"/>', {}),
        ("DCIM\\100MEDIA\\DJI_0001.JPG", {"make": "DJI", "model": "FC220"}),
        ("C:\\Users\\erika\\Desktop\\Kunde Geheim\\1.psd", {}),
        ("\\\\studio-pc\\share\\1.tif", {}),
        ("/Users/erika/Pictures/1.tif", {}),
        ("file:///home/erika/1.tif", {}),
        ("Scanned\nFrom file: /home/erika/1.tif\nSize: 64 x 64", {}),
        ("Opened C:\\Users\\erika\\1.psd, cropped", {}),
    ],
)
def test_what_a_camera_or_a_program_says_is_no_description(text, camera):
    taken = described(text, **camera)
    assert taken.credits == taken.exif_credits == Credits()
    assert exif_block(taken) == b""


@pytest.mark.parametrize(
    "text",
    [
        "Bag for a digital camera, black",
        "Olympus C2040Z in its box",
        "Cup 1/2 litre",
        "and/or",
        "Default settings of the lamp",
        "Created with love",
        "A: front, B: back",
        "for /home/ use",
        "Bose home/Users guide",
        "https://shop.example/cup",
    ],
)
def test_what_somebody_has_written_is_one(text):
    assert described(text).credits.description == (("x-default", text),)


def test_what_tifffile_says_of_its_arrays_is_none():
    file = BytesIO()
    tifffile.imwrite(file, np.zeros((30, 40, 3), np.uint8), photometric="rgb")
    assert b'{"shape"' in file.getvalue()
    assert not taken_over(file.getvalue(), "credits").credits


@pytest.mark.parametrize("name", ["unknown", "Unknown", "null", "N/A", "  ", "-", "."])
def test_nobody_is_no_author(name):
    assert not taken_over(shot(Artist=name, Copyright=name), "credits").credits


def test_a_filler_does_not_stand_before_what_was_meant():
    packet = (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        b' xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Description'
        b' dc:description="OLYMPUS DIGITAL CAMERA" dc:creator="unknown"/></rdf:RDF>'
    )
    exif, file = Image.Exif(), BytesIO()
    exif[TAG.Artist], exif[TAG.ImageDescription] = "A. Artist", "A cup"
    Image.new("RGB", (40, 30)).save(file, "JPEG", exif=exif, xmp=packet)
    assert taken_over(file.getvalue(), "credits").credits == Credits(
        creators=("A. Artist",), description=(("x-default", "A cup"),)
    )


@pytest.mark.parametrize("other", [b"Gemini11\0\0H\0\x01", b"\x7f\xfe", b"secret"])
def test_what_stands_behind_the_zero_that_ends_a_text_is_not_said(other):
    names = ("Artist", "ImageDescription", "Make", "Model")
    said = {name: name.encode() + b"\0" + other for name in names}
    taken = taken_over(shot(DateTime=b"2026:11:28 10:00:00\0" + other, **said), "capture")
    assert taken.credits.creators == ("Artist",)
    assert taken.credits.description == (("x-default", "ImageDescription"),)
    assert taken.capture == Capture(make="Make", model="Model", date_time="2026:11:28 10:00:00")
    empty = taken_over(shot(Artist=b"\0" + other, ImageDescription=b"\0\0" + other), "credits")
    assert not empty.credits


def test_data_that_is_no_text_is_not_taken_for_one():
    data = bytes(range(1, 200))
    taken = taken_over(
        shot(make=data, model=data, Artist=data, Copyright=data, ImageDescription=data), "capture"
    )
    assert (taken.credits, taken.capture) == (Credits(), Capture())


def test_a_text_of_lines_stays_whole():
    text = "First line\r\nsecond\tline\vthird"
    assert described(text).credits.description == (("x-default", text),)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("2026:11:28 10:00:00", "2026:11:28 10:00:00"),
        ("2026-11-28T10:00:00+01:00", "2026:11:28 10:00:00"),
        ("2026-11-28T10:00:00Z", "2026:11:28 10:00:00"),
        ("2026:11:28 10:00:00.264", "2026:11:28 10:00:00"),
        ("2026:11:28  9:05: 7", "2026:11:28 09:05:07"),
        ("2026:11:28 10:61:00", ""),
        ("0000:00:00 00:00:00", ""),
        ("    :  :     :  :  ", ""),
        ("06:01:1998", ""),
        ("<?xpacket 2026:11:28 10:00:00", ""),
        ("2026:11:28 10:00:00 2026:11:28 10:00:00", ""),
    ],
)
def test_a_date_is_one(stored, said):
    assert taken_over(shot(DateTime=stored), "capture").capture.date_time == said
