"""XMP as others write it, and as nobody should."""

from __future__ import annotations

import time

import pytest

from pipeline.imaging.rights.credits import Credits, Licensor
from pipeline.imaging.rights.xmp_reading import rights_of

SPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:r="http://ns.adobe.com/xap/1.0/rights/" '
    'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
    'xmlns:mm="http://ns.adobe.com/xap/1.0/mm/" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    'xmlns:q="http://q.example/" '
)


def packet(inner, head=""):
    return f"{head}<rdf:RDF {SPACES}><rdf:Description>{inner}</rdf:Description></rdf:RDF>".encode()


ACME = (Licensor(name="Acme", url="https://acme.example"),)


@pytest.mark.parametrize(
    "licensor",
    [
        '<rdf:li rdf:parseType="Resource"><plus:LicensorName>Acme</plus:LicensorName>'
        "<plus:LicensorURL>https://acme.example</plus:LicensorURL></rdf:li>",
        '<rdf:li plus:LicensorName="Acme" plus:LicensorURL="https://acme.example"/>',
        '<rdf:li><rdf:Description plus:LicensorName="Acme">'
        "<plus:LicensorURL>https://acme.example</plus:LicensorURL></rdf:Description></rdf:li>",
        "<rdf:li><rdf:Description><plus:LicensorName>Acme</plus:LicensorName>"
        '<plus:LicensorURL rdf:resource="https://acme.example"/></rdf:Description></rdf:li>',
    ],
)
@pytest.mark.parametrize("array", ["Seq", "Bag"])
def test_a_structure_is_read_however_it_is_written(licensor, array):
    inner = f"<plus:Licensor><rdf:{array}>{licensor}</rdf:{array}></plus:Licensor>"
    assert rights_of(packet(inner)).licensors == ACME


@pytest.mark.parametrize(
    "inner",
    [
        "<dc:creator><rdf:Seq><rdf:li>A. B.</rdf:li></rdf:Seq></dc:creator>",
        "<dc:creator><rdf:Bag><rdf:li>A. B.</rdf:li></rdf:Bag></dc:creator>",
        "<dc:creator>A. B.</dc:creator>",
        '<dc:creator><rdf:Alt><rdf:li xml:lang="en"> A. B. </rdf:li></rdf:Alt></dc:creator>',
    ],
)
def test_an_author_is_read_from_any_array_or_none(inner):
    assert rights_of(packet(inner)).creators == ("A. B.",)


@pytest.mark.parametrize(
    "value",
    [
        '<{0} rdf:parseType="Resource"><rdf:value>(c) Q</rdf:value><q:role>x</q:role></{0}>',
        "<{0}><rdf:Description><rdf:value>(c) Q</rdf:value><q:role>x</q:role></rdf:Description>"
        "</{0}>",
        '<{0}><rdf:Description rdf:value="(c) Q" q:role="x"/></{0}>',
        '<{0} rdf:value="(c) Q" q:role="x"/>',
        '<{0} rdf:parseType="Resource"><rdf:value rdf:parseType="Resource">'
        "<rdf:value>(c) Q</rdf:value></rdf:value><q:role>x</q:role></{0}>",
    ],
)
def test_a_value_with_qualifiers_is_read_however_it_is_written(value):
    item = value.format("rdf:li")
    inner = "".join(f"<{name}><rdf:Alt>{item}</rdf:Alt></{name}>" for name in ("dc:creator",
        "dc:rights"))  # fmt: skip
    found = rights_of(packet(inner + value.format("r:WebStatement")))
    assert found.creators == ("(c) Q",)
    assert found.rights == (("x-default", "(c) Q"),)
    assert found.web_statement == "(c) Q"


def test_an_array_or_a_structure_may_have_qualifiers_too():
    rights = (
        '<dc:rights rdf:parseType="Resource"><rdf:value><rdf:Alt>'
        '<rdf:li xml:lang="x-default">(c) A</rdf:li><rdf:li xml:lang="de" rdf:parseType="Resource">'
        "<rdf:value>(c) B</rdf:value></rdf:li><rdf:li><rdf:Description>"
        '<rdf:value xml:lang="fr">(c) C</rdf:value></rdf:Description></rdf:li>'
        "</rdf:Alt></rdf:value><q:role>x</q:role></dc:rights>"
    )
    licensor = (
        '<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource"><rdf:value '
        'rdf:parseType="Resource"><plus:LicensorName>Acme</plus:LicensorName><plus:LicensorURL '
        'rdf:parseType="Resource"><rdf:value>https://acme.example</rdf:value></plus:LicensorURL>'
        "</rdf:value><q:role>x</q:role></rdf:li></rdf:Seq></plus:Licensor>"
    )
    found = rights_of(packet(rights + licensor))
    assert found.rights == (("x-default", "(c) A"), ("de", "(c) B"), ("fr", "(c) C"))
    assert found.licensors == ACME


def test_what_tiff_has_words_for_is_read_where_nothing_else_says_it():
    copied = (
        "<tiff:Artist>A. B.; C. D.</tiff:Artist><tiff:Copyright><rdf:Alt>"
        '<rdf:li xml:lang="x-default">(c) A</rdf:li></rdf:Alt></tiff:Copyright>'
        "<tiff:ImageDescription>A cup</tiff:ImageDescription>"
    )
    found = rights_of(packet(copied))
    assert found.creators == ("A. B.", "C. D.")
    assert found.rights == (("x-default", "(c) A"),)
    assert found.description == (("x-default", "A cup"),)
    own = "<dc:creator>E. F.</dc:creator><dc:rights>(c) E</dc:rights>"
    found = rights_of(packet(copied + own))
    assert (found.creators, found.rights) == (("E. F.",), (("x-default", "(c) E"),))


def test_several_descriptions_say_it_together():
    text = packet('<r:WebStatement>https://a.example</r:WebStatement></rdf:Description>'
                  '<rdf:Description dc:rights="(c) A" r:Marked="false">')  # fmt: skip
    found = rights_of(text)
    assert found.web_statement == "https://a.example"
    assert found.rights == (("x-default", "(c) A"),)
    assert found.marked is False


def test_the_rights_of_what_was_put_into_the_picture_are_not_its_own():
    ingredient = (
        '<mm:Ingredients><rdf:Bag><rdf:li><rdf:Description dc:rights="(c) Other"/>'
        "</rdf:li></rdf:Bag></mm:Ingredients>"
    )
    assert rights_of(packet(ingredient)) == Credits()


def test_the_first_language_stands_for_a_default_that_is_missing():
    inner = (
        '<dc:rights><rdf:Alt><rdf:li xml:lang="fr">Tous</rdf:li><rdf:li xml:lang="de">Alle'
        '</rdf:li><rdf:li xml:lang="&quot;>">x</rdf:li></rdf:Alt></dc:rights>'
    )
    assert rights_of(packet(inner)).rights[0] == ("x-default", "x")
    plain = inner.replace('<rdf:li xml:lang="&quot;>">x</rdf:li>', "")
    assert rights_of(packet(plain)).rights == (
        ("x-default", "Tous"),
        ("fr", "Tous"),
        ("de", "Alle"),
    )


@pytest.mark.parametrize(
    "refused",
    [
        # A document type is refused whatever is in it: these are harmless to any parser.
        packet("<dc:creator>&author;</dc:creator>", '<!DOCTYPE r [<!ENTITY author "A. B.">]>'),
        packet("<dc:creator>A. B.</dc:creator>", '<!DOCTYPE r SYSTEM "rights.dtd">'),
        packet("<dc:creator>A. B.</dc:creator>", "<!DOCTYPE r>"),
        packet("<dc:creator>&author;</dc:creator>"),
        packet("<dc:creator>A. B."),
        packet("<x:y>A. B.</x:y>"),
        packet("<dc:creator>A. B.</dc:creator>", '<?xml version="1.0" encoding="x-unknown"?>'),
        b"\xff\xfe",
        b"<a/>",
        b"",
    ],
)
def test_what_is_no_xmp_says_nothing(refused):
    assert rights_of(refused) == Credits()


def test_what_is_deep_or_long_is_not_read_to_its_end():
    author = "<dc:creator>A. B.</dc:creator>"
    assert rights_of(packet(author + "<dc:x>" * 50 + "</dc:x>" * 50)).creators == ("A. B.",)
    assert rights_of(packet(author + "<dc:x>" * 70 + "</dc:x>" * 70)) == Credits()
    started = time.process_time()
    assert rights_of(packet(author + "<dc:x>y</dc:x>" * 400_000)) == Credits()  # 5.6 MB
    assert time.process_time() - started < 2
