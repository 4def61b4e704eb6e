"""Rights in the encodings that programs really write, declared or not, whole or cut."""

from __future__ import annotations

import struct

import pytest

from pipeline.imaging.rights.iptc import credits_of_iptc

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
