"""What a file says of how it came about and whose it is: an XMP packet, written and read back.

IPTC Photo Metadata Standard 2025.1, IPTC Extension 1.9; XMP is ISO 16684-1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from pipeline.imaging.rights.credits import Credits, Words

SourceType = Literal[
    "algorithmicallyEnhanced",
    "compositeSynthetic",
    "compositeWithTrainedAlgorithmicMedia",
    "trainedAlgorithmicMedia",
]
"""Terms of IPTC's Digital Source Type NewsCodes that our pictures can have."""

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NAMESPACES = {
    "Iptc4xmpExt": _EXTENSION,
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
}

_SOURCE = re.compile(
    rb"""DigitalSourceType\s{0,99}(?:=\s{0,99}["']|>\s{0,99}|"""
    rb"""[^>]{0,300}?rdf:resource\s{0,99}=\s{0,99}["'])\s{0,99}"""
    rb"""(https?://cv\.iptc\.org/newscodes/digitalsourcetype/\w+)"""
)
"""The digital source type as an attribute, as an element's text, or as a resource: RDF allows all
three."""
_MOST_BYTES = 256 * 2**10
"""The most bytes of a packet that is searched for the source type: four times what a JPEG has room
for."""

MOST_PROMPT_CHARACTERS = 4000
"""A JPEG has room for 65 kB of XMP in all, and a character can take six bytes once escaped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """How a picture came about. None: not said."""

    source_type: SourceType
    ai_system: str | None = None
    ai_system_version: str | None = None
    ai_prompt: str | None = None
    ai_prompt_writer: str | None = None

    @property
    def source_uri(self) -> str:
        """The term as files and manifests spell it: the whole URI."""
        return source_uri(self.source_type)


def source_uri(source_type: SourceType) -> str:
    """A term's URI, which is what the standard asks for, never the term alone.

    >>> source_uri("compositeSynthetic")
    'http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic'
    """
    return _VOCABULARY + source_type


def xmp_packet(provenance: Provenance | None, credits: Credits | None = None) -> bytes:  # noqa: A002
    """The XMP packet, UTF-8, that says so. The same of both always gives the same bytes.

    Args:
        provenance: how the picture came about; None: not said.
        credits: of the photograph it was made from, `bounded`; None or empty: not said.
    """
    written = [] if provenance is None else _of_provenance(provenance)
    written += [] if credits is None else _of_credits(credits)
    used = {name for name, _ in written}
    spaces = "".join(f' xmlns:{name}="{uri}"' for name, uri in _NAMESPACES.items() if name in used)
    properties = "".join(f"   {element}\n" for _, element in written)
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'  <rdf:Description rdf:about=""{spaces}>\n'
        f"{properties}"
        "  </rdf:Description>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    )
    return packet.encode()


_Property = tuple[str, str]
"""Prefix of its namespace, and the element."""


def _of_provenance(provenance: Provenance) -> list[_Property]:
    prompt = provenance.ai_prompt
    fields = {
        "DigitalSourceType": provenance.source_uri,
        "AISystemUsed": provenance.ai_system,
        "AISystemVersionUsed": provenance.ai_system_version,
        "AIPromptInformation": None if prompt is None else prompt[:MOST_PROMPT_CHARACTERS],
        "AIPromptWriterName": provenance.ai_prompt_writer,
    }
    properties = [_simple("xmp", "CreatorTool", "Backlot")]
    return properties + [
        _simple("Iptc4xmpExt", name, text) for name, text in fields.items() if text
    ]


def _of_credits(credits: Credits) -> list[_Property]:  # noqa: A002
    marked = credits.marked
    authors, owners = _items(credits.creators), _items(credits.owners)
    copyright_owners = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<plus:CopyrightOwnerName>{_text(name)}</plus:CopyrightOwnerName></rdf:li>"
        for name in credits.copyright_owners
    )
    licensors = "".join(
        '<rdf:li rdf:parseType="Resource">'
        + "".join(
            f"<plus:Licensor{part}>{_text(text)}</plus:Licensor{part}>"
            for part, text in (("Name", licensor.name), ("URL", licensor.url))
            if text
        )
        + "</rdf:li>"
        for licensor in credits.licensors
    )
    properties = [
        _property("dc", "creator", authors and f"<rdf:Seq>{authors}</rdf:Seq>"),
        _property("dc", "rights", _alternatives(credits.rights)),
        _property("dc", "description", _alternatives(credits.description)),
        _simple("xmpRights", "Marked", "" if marked is None else str(marked)),
        _property("xmpRights", "Owner", owners and f"<rdf:Bag>{owners}</rdf:Bag>"),
        _simple("xmpRights", "WebStatement", credits.web_statement),
        _property("xmpRights", "UsageTerms", _alternatives(credits.usage_terms)),
        _simple("photoshop", "Credit", credits.credit),
        _property(
            "plus", "CopyrightOwner", copyright_owners and f"<rdf:Seq>{copyright_owners}</rdf:Seq>"
        ),
        _property("plus", "Licensor", licensors and f"<rdf:Seq>{licensors}</rdf:Seq>"),
    ]
    return [(prefix, element) for prefix, element in properties if element]


def _items(names: tuple[str, ...]) -> str:
    return "".join(f"<rdf:li>{_text(name)}</rdf:li>" for name in names)


def _alternatives(words: Words) -> str:
    items = "".join(
        f'<rdf:li xml:lang="{language}">{_text(text)}</rdf:li>' for language, text in words
    )
    return items and f"<rdf:Alt>{items}</rdf:Alt>"


def _simple(prefix: str, name: str, text: str) -> _Property:
    return _property(prefix, name, _text(text))


def _property(prefix: str, name: str, inner: str) -> _Property:
    return prefix, inner and f"<{prefix}:{name}>{inner}</{prefix}:{name}>"


def read_source_uri(packet: bytes) -> str | None:
    """The digital source type that an XMP packet states, whoever wrote it; None: it states none.

    It is looked for in the first 256 kB.
    """
    match = _SOURCE.search(packet, 0, _MOST_BYTES)
    return None if match is None else match[1].decode()


def _text(value: str) -> str:
    """Text for an XML element; characters that XML 1.0 has no place for become spaces."""
    allowed = "".join(letter if _is_allowed(letter) else " " for letter in value)
    return escape(allowed)


def _is_allowed(letter: str) -> bool:
    code = ord(letter)
    return code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF
