"""Rights in the encodings that programs really write, declared or not, whole or cut."""

from __future__ import annotations

import struct

import pytest

from pipeline.imaging.rights.credits import Credits
from pipeline.imaging.rights.iptc import credits_of_iptc
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
