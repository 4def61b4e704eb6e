"""Rights in the encodings that programs really write, declared or not, whole or cut."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from PIL import ExifTags, Image

from pipeline.imaging.rights.credits import Credits, decoded
from pipeline.imaging.rights.iptc import credits_of_iptc
from pipeline.imaging.rights.taking_over import taken_over
from pipeline.imaging.rights.xmp_reading import rights_of

UTF_8_DECLARED = struct.pack(">BBBH", 0x1C, 1, 90, 3) + b"\x1b%G"
BYLINE, CREDIT, COPYRIGHT = 80, 110, 116


def dataset(number, value):
    return struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value


@pytest.mark.parametrize("declared", [UTF_8_DECLARED, b""])
def test_a_byline_cut_within_a_character_loses_that_alone(declared):
    name = "Müller Fotografie und Co GmbH Österreich".encode()
    cut = name[:32]
    assert cut.endswith(b"GmbH \xc3")
    assert credits_of_iptc(declared + dataset(BYLINE, cut)).creators == (
        "Müller Fotografie und Co GmbH",
    )


@pytest.mark.parametrize(("number", "longest"), [(BYLINE, 32), (CREDIT, 32), (COPYRIGHT, 128)])
@pytest.mark.parametrize("last", ["é", "€", "\U0001f600"])
def test_text_that_is_else_ascii_is_cut_too_where_utf_8_is_declared(number, longest, last):
    for left in range(1, len(last.encode())):
        cut = ("A" * (longest - left) + last).encode()[:longest]
        found = credits_of_iptc(UTF_8_DECLARED + dataset(number, cut))
        texts = (*found.creators, found.credit, *(text for _, text in found.rights))
        assert "".join(texts) == "A" * (longest - left)


@pytest.mark.parametrize("declared", [UTF_8_DECLARED, b""])
def test_a_short_text_that_ends_like_a_cut_one_is_windows_1252(declared):
    found = credits_of_iptc(declared + dataset(BYLINE, "René".encode("cp1252")))
    assert found.creators == ("René",)


def test_a_declaration_that_is_wrong_costs_no_name():
    found = credits_of_iptc(UTF_8_DECLARED + dataset(BYLINE, "Jörg Müller".encode("cp1252")))
    assert found.creators == ("Jörg Müller",)


def xmp(head="", rights="© Müller – 5 €"):
    return (
        f'{head}<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Description>'
        f"<dc:rights>{rights}</dc:rights></rdf:Description></rdf:RDF>"
    )


@pytest.mark.parametrize(
    "head", ["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>']
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("after", [b"", bytes(40)])
def test_xmp_that_is_no_utf_8_is_windows_1252(head, encoding, after):
    found = rights_of(xmp(head).encode(encoding) + after)
    assert found.rights == (("x-default", "© Müller – 5 €"),)


def test_xmp_that_declares_its_encoding_is_read_in_it():
    head = '<?xml version="1.0" encoding="ISO-8859-2"?>'
    assert rights_of(xmp(head, "Łódź").encode("iso-8859-2")).rights == (("x-default", "Łódź"),)


def test_xmp_that_is_broken_stays_so_in_any_encoding():
    for broken in (xmp()[:-5], "<!DOCTYPE r>" + xmp(), "ÿþ" + xmp()):
        assert rights_of(broken.encode("cp1252")) == Credits()
        assert rights_of(broken.encode()) == Credits()


@pytest.mark.parametrize(
    "text",
    [
        "Jens Trübiger",
        "© Müller",
        "Hans-Jürgen Groß, Straße 5",
        "Übung für Ärzte",
        "André Lefèvre – crème brûlée",
        "Begoña Ibáñez",
        "Citroën à côté",
    ],
)
def test_mac_roman_is_told_where_windows_1252_would_have_no_letter(text):
    assert credits_of_iptc(dataset(COPYRIGHT, text.encode("mac-roman"))).rights == (
        ("x-default", text),
    )


@pytest.mark.parametrize(
    "text",
    [
        "Dušan Žižek & Šárka",
        "DUŠAN ŽIŽEK",
        "L’été – “crème brûlée” … œuvre d’art",
        "MŸLLER, Ÿves",
        "§ 5 UrhG, §5",
        "100 €, €uro, 5‰, † 1980",
        "Œuvre • Acme™ • ‹Ñandú›",
        "Müller · Groß · Straße · Ærø",
    ],
)
def test_windows_1252_stays_what_it_is(text):
    assert decoded(text.encode("cp1252")) == text


@pytest.mark.parametrize("text", ["(c) Müller", "© M – 5 €", "Acme", "Ł. Nowak"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize("end", [b"", b"\0", b"\0\0", bytes(20)])
def test_utf_16_is_told_by_its_zeros(text, encoding, end):
    assert decoded(text.encode(encoding) + end) == text


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
@pytest.mark.parametrize("end", [b"", b"\0\0"])
def test_utf_16_in_exif_is_read(format_name, end):
    exif, file = Image.Exif(), BytesIO()
    exif[ExifTags.Base.Copyright] = "(c) Müller".encode("utf-16-le") + end
    exif[ExifTags.Base.Artist] = "Jörg M.; Zoë Å.".encode("utf-16-le") + end
    Image.new("RGB", (40, 30)).save(file, format_name, exif=exif)
    found = taken_over(file.getvalue(), "credits").credits
    assert found.rights == (("x-default", "(c) Müller"),)
    assert found.creators == ("Jörg M.", "Zoë Å.")


def test_a_photographer_and_an_editor_in_utf_16_are_parted_by_a_zero():
    assert decoded("© Müller\0© Verlag".encode("utf-16-le")) == "© Müller\0© Verlag"


@pytest.mark.parametrize(
    "stored",
    [b"A\0B", b"AB\0CD\0", b"A\0B\0C", b" \0(c) Verlag", b"A\0", b"\0\0\0\0\0\0\0\0", b"\0", b""],
)
def test_text_with_a_zero_or_two_is_no_utf_16(stored):
    assert decoded(stored) == stored.decode().strip(" \0")


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_author_that_windows_writes_is_read(format_name):
    exif, file = Image.Exif(), BytesIO()
    exif[ExifTags.Base.XPAuthor] = "Jörg 5 €;山田".encode("utf-16-le") + b"\0\0"
    Image.new("RGB", (40, 30)).save(file, format_name, exif=exif)
    taken = taken_over(file.getvalue(), "credits")
    assert taken.credits == Credits(creators=("Jörg 5 €", "山田"))
    exif[ExifTags.Base.Artist] = "A. Artist"
    Image.new("RGB", (40, 30)).save(file := BytesIO(), format_name, exif=exif)
    assert taken_over(file.getvalue(), "credits").credits.creators == ("A. Artist",)
