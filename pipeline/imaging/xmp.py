"""What a file says of how it came about: an XMP packet, written and read back.

IPTC Photo Metadata Standard 2025.1, IPTC Extension 1.9; XMP is ISO 16684-1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

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
_XMP = "http://ns.adobe.com/xap/1.0/"

_SOURCE = re.compile(
    rb"""DigitalSourceType\s*(?:=\s*["']|>\s*|[^>]*?rdf:resource\s*=\s*["'])\s*"""
    rb"""(https?://cv\.iptc\.org/newscodes/digitalsourcetype/\w+)"""
)
"""As an attribute, as an element's text, or as a resource: RDF allows all three."""

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


def xmp_packet(provenance: Provenance) -> bytes:
    """The XMP packet, UTF-8, that says so. The same provenance always gives the same bytes."""
    prompt = provenance.ai_prompt
    fields = {
        "DigitalSourceType": provenance.source_uri,
        "AISystemUsed": provenance.ai_system,
        "AISystemVersionUsed": provenance.ai_system_version,
        "AIPromptInformation": None if prompt is None else prompt[:MOST_PROMPT_CHARACTERS],
        "AIPromptWriterName": provenance.ai_prompt_writer,
    }
    said = "".join(
        f"   <Iptc4xmpExt:{name}>{_text(value)}</Iptc4xmpExt:{name}>\n"
        for name, value in fields.items()
        if value
    )
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_EXTENSION}" xmlns:xmp="{_XMP}">\n'
        "   <xmp:CreatorTool>Backlot</xmp:CreatorTool>\n"
        f"{said}"
        "  </rdf:Description>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    )
    return packet.encode()


def read_source_uri(packet: bytes) -> str | None:
    """The digital source type that an XMP packet states, whoever wrote it; None: it states none."""
    found = _SOURCE.search(packet)
    return None if found is None else found[1].decode()


def _text(value: str) -> str:
    """Text for an XML element; characters that XML 1.0 has no place for become spaces."""
    allowed = "".join(letter if _is_allowed(letter) else " " for letter in value)
    return escape(allowed)


def _is_allowed(letter: str) -> bool:
    code = ord(letter)
    return code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF
