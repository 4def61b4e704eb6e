"""What an XMP packet of others says of rights; whatever else it says is not looked at.

ISO 16684-1: RDF/XML of a restricted kind. A property is an element or an attribute of an
`rdf:Description` below `rdf:RDF`; several values stand in an `rdf:Bag`, `rdf:Seq` or `rdf:Alt`; a
structure is written in one of four ways. A value with qualifiers (7.8) is a structure of which the
field `rdf:value` is the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pipeline.imaging.rights.credits import (
    DEFAULT_LANGUAGE,
    Credits,
    Licensor,
    Words,
    each_once,
    windows_1252,
)

_MOST_BYTES = 4 * 2**20
"""The most bytes of a packet. Photoshop's reach some hundred kB, with the history of an edit."""
_DEEPEST = 64

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"
_VALUE = _RDF + "value"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

_DECLARES_ANOTHER = re.compile(
    rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["'](?!utf-?8["'])""", re.IGNORECASE
)
_UTF_8_MARK = b"\xef\xbb\xbf"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,4}")

Value = Element | str
"""The value of a property: an element, or the text of an attribute."""


def rights_of(packet: bytes) -> Credits:
    """The credits in a packet; none where it is no XMP, or holds what XMP may not."""
    root = _tree(packet)
    if root is None:
        return Credits()
    properties = _properties(root)
    return Credits(
        creators=each_once(_texts(properties.get(_DC + "creator")))
        or _copied(properties, "Artist"),
        rights=_words(properties.get(_DC + "rights"))
        or _words(properties.get(_TIFF + "Copyright")),
        description=_words(properties.get(_DC + "description"))
        or _words(properties.get(_TIFF + "ImageDescription")),
        credit=_text(properties.get(_PHOTOSHOP + "Credit")),
        usage_terms=_words(properties.get(_RIGHTS + "UsageTerms")),
        web_statement=_text(properties.get(_RIGHTS + "WebStatement")),
        marked=_truth(_text(properties.get(_RIGHTS + "Marked"))),
        owners=each_once(_texts(properties.get(_RIGHTS + "Owner"))),
        copyright_owners=each_once(_owner_names(properties.get(_PLUS + "CopyrightOwner"))),
        licensors=tuple(_licensors(properties.get(_PLUS + "Licensor"))),
    )


def tells_place_in_xmp(packet: bytes) -> bool:
    """Whether the packet says where the picture was taken."""
    root = _tree(packet)
    if root is None:  # what cannot be read may yet be read by others
        return b"GPSLatitude" in packet.replace(b"\0", b"")
    return any(
        name in (_EXIF + "GPSLatitude", _EXIF + "GPSLongitude") for name in _properties(root)
    )


def _tree(packet: bytes) -> Element | None:
    root = _parsed(packet)
    if root is None:
        packet = packet.strip(b"\0 \t\r\n")
        root = _parsed(packet)
    if root is None and _is_windows_1252(packet):
        root = _parsed(windows_1252(packet).encode(), encoding="utf-8")
    return root


def _copied(properties: dict[str, Value], tag: str) -> tuple[str, ...]:
    """Names in a tag of TIFF as XMP repeats it (part 2, 3.3): in one text, or in an array."""
    return each_once(
        name for text in _texts(properties.get(_TIFF + tag)) for name in text.split(";")
    )


def _is_windows_1252(packet: bytes) -> bool:
    """Whether it is neither the UTF-8 that XML is by default nor says what else it is."""
    if len(packet) > _MOST_BYTES or _DECLARES_ANOTHER.match(packet):
        return False
    try:
        packet.decode()
    except UnicodeDecodeError:
        return not packet.startswith(_UTF_8_MARK)
    return False


class _RefusedError(Exception):
    """Well-formed or not, it is not to be read on."""


def _parsed(packet: bytes, *, encoding: str | None = None) -> Element | None:
    """The tree of a packet; None for what is malformed, too large or too deep.

    What stands behind its end does not count: programs that write a shorter packet over a longer
    one leave the rest of that, and some fill a fixed length with zeros.

    `encoding` overrules what the packet declares.

    A document type is refused before anything of it is read: XMP has none, and every entity, be it
    one that explodes or one that is fetched, would have to be declared in it.
    """
    if len(packet) > _MOST_BYTES:
        return None
    builder, depth, is_whole = TreeBuilder(), 0, False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise _RefusedError
        builder.start(_expanded(name), {_expanded(key): text for key, text in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth, is_whole
        depth -= 1
        builder.end(_expanded(name))
        is_whole = depth == 0

    def refuse(*_: Any) -> None:
        raise _RefusedError

    parser = expat.ParserCreate(encoding, namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(packet)
        parser.Parse(b"", True)  # noqa: FBT003 - the end; it has no name
    except expat.ExpatError:
        if not is_whole:
            return None
    except (_RefusedError, AssertionError, ValueError, LookupError):
        return None
    root = builder.close()
    return root if isinstance(root, Element) else None


def _expanded(name: str) -> str:
    """The name `{space}name`, as ElementTree spells it, of expat's `space}name`."""
    return "{" + name if "}" in name else name


def _properties(root: Element) -> dict[str, Value]:
    """Properties of the picture itself by name, the first of each."""
    properties: dict[str, Value] = {}
    rdf = root if root.tag == _RDF + "RDF" else root.find(_RDF + "RDF")
    for description in () if rdf is None else rdf.findall(_RDF + "Description"):
        for name, text in description.attrib.items():
            properties.setdefault(name, text)
        for element in description:
            properties.setdefault(element.tag, element)
    return properties


def _items(value: Value | None) -> Iterator[Value]:
    """The values of an array; what is no array is its own only value."""
    value = _unqualified(value)
    if value is None or isinstance(value, str):
        yield from () if value is None else (value,)
        return
    arrays = [each for each in value if each.tag in (_RDF + "Bag", _RDF + "Seq", _RDF + "Alt")]
    if arrays:
        yield from arrays[0].findall(_RDF + "li")
    else:
        yield value


def _text(value: Value | None) -> str:
    """The text of the first value there is."""
    return next((text for text in _texts(value)), "")


def _texts(value: Value | None) -> Iterator[str]:
    for item in _items(value):
        text = _own_text(item)
        if text:
            yield text


def _own_text(item: Value | None) -> str:
    item = _unqualified(item)
    if item is None or isinstance(item, str):
        return (item or "").strip()
    return (item.text or item.get(_RDF + "resource") or "").strip()


def _unqualified(value: Value | None) -> Value | None:
    """The value without its qualifiers, which may have qualifiers of their own."""
    while isinstance(value, Element) and (inner := _fields(value).get(_VALUE)) is not None:
        value = inner
    return value


def _words(value: Value | None) -> Words:
    """A text in its languages, the default first."""
    words: dict[str, str] = {}
    for item in _items(value):
        text, language = _own_text(item), _language(item)
        if not _LANGUAGE_TAG.fullmatch(language):
            language = DEFAULT_LANGUAGE
        if text:
            words.setdefault(language, text)
    if words and DEFAULT_LANGUAGE not in words:  # the first stands for it, as readers take it
        words = {DEFAULT_LANGUAGE: next(iter(words.values())), **words}
    return tuple(sorted(words.items(), key=lambda word: word[0] != DEFAULT_LANGUAGE))


def _language(item: Value) -> str:
    """A qualifier like others, but an attribute always: of the item or of what is in it."""
    if isinstance(item, str):
        return DEFAULT_LANGUAGE
    within = _fields(item)
    value = within.get(_VALUE)
    inner = value.get(_LANGUAGE) if isinstance(value, Element) else None
    return item.get(_LANGUAGE) or inner or str(within.get(_LANGUAGE, ""))


def _truth(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _licensors(value: Value | None) -> Iterator[Licensor]:
    for item in map(_unqualified, _items(value)):
        if isinstance(item, Element):
            fields = _fields(item)
            name, url = (
                _text(fields.get(_PLUS + part)) for part in ("LicensorName", "LicensorURL")
            )
            if name or url:
                yield Licensor(name=name, url=url)


def _owner_names(value: Value | None) -> Iterator[str]:
    for item in map(_unqualified, _items(value)):
        if isinstance(item, Element):
            yield _text(_fields(item).get(_PLUS + "CopyrightOwnerName"))


def _fields(item: Element) -> dict[str, Value]:
    """The fields of a structure: its own attributes and elements, or its description's."""
    inner = item.find(_RDF + "Description")
    holders = [item] if inner is None else [item, inner]
    fields: dict[str, Value] = {}
    for holder in holders:
        fields |= holder.attrib
        fields |= {element.tag: element for element in holder}
    return fields
