"""Author, rights and description of a photograph, from wherever its file keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal
from unicodedata import category

ExifPolicy = Literal["none", "credits", "capture"]
"""The metadata taken over from the photograph. Where it was taken never is, nor what turns it, nor
its thumbnail: the first is nobody's business, the others would be wrong for the new pixels."""

MOST_CHARACTERS = 2000
"""The most characters of one field: longer ones are no credits."""
MOST_IN_ALL = 5000
"""The most characters of all fields together. A JPEG has room for 65 kB of XMP, which the prompt
shares; a character takes five bytes at the most."""
MOST_VALUES = 20
"""The most values of a field that has several: authors, languages, licensors."""

_IN_TEXTS = "\0\t\n\v\f\r\x03"
"""Control characters that texts have: at their ends, and for new lines."""
_TEXT_PER_CONTROL = 25

_MAC_ROMAN = re.compile(
    rb"[a-z][\x8a\x8c\x8e\x9f]|[A-Z][\x8a\x8c\x8e\x9f][a-z]"  # a capital: Tr\u0178biger
    rb"|[A-Za-z][\x81\x86-\x89\x8b\x8d\x8f\x90\x98\x9d\xa7][A-Za-z]"  # a sign: Stra\u00a7e
    rb"|[A-Za-z][\x87\x88\x89\x8d\x8f]\x96[A-Za-z]"  # two: Ib\u2021\u2013ez
    rb"|(?<![A-Za-z])\x86[a-z]"  # a sign that begins a word: \u2020bung
)
"""Letters of Mac Roman that stand in no word of Windows-1252."""

DEFAULT_LANGUAGE = "x-default"

Words = tuple[tuple[str, str], ...]
"""One text in several languages (RFC 3066), the default first; most have that alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensor:
    """PLUS: from whom a licence is to be had."""

    name: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """All that may be taken over of what a photograph's file says in words. Empty: not said."""

    creators: tuple[str, ...] = ()
    """dc:creator, EXIF Artist, IPTC By-line."""
    rights: Words = ()
    """dc:rights, EXIF Copyright, IPTC Copyright Notice."""
    description: Words = ()
    """dc:description, EXIF ImageDescription, IPTC Caption."""
    credit: str = ""
    """photoshop:Credit, IPTC Credit: who is to be named."""
    usage_terms: Words = ()
    """xmpRights:UsageTerms."""
    web_statement: str = ""
    """xmpRights:WebStatement: where the rights are stated."""
    marked: bool | None = None
    """xmpRights:Marked: False for the public domain."""
    owners: tuple[str, ...] = ()
    """xmpRights:Owner: whose rights they are."""
    copyright_owners: tuple[str, ...] = ()
    """plus:CopyrightOwner: names."""
    licensors: tuple[Licensor, ...] = ()
    """plus:Licensor."""

    @property
    def author(self) -> str:
        """All creators as EXIF's Artist has them: parted by semicolons (MWG 2.0, 3.2)."""
        return "; ".join(self.creators)

    def __bool__(self) -> bool:
        return self != Credits()

    def or_else(self, other: Credits) -> Credits:
        """These credits, completed from `other` where they say nothing."""
        return Credits(
            creators=self.creators or other.creators,
            rights=self.rights or other.rights,
            description=self.description or other.description,
            credit=self.credit or other.credit,
            usage_terms=self.usage_terms or other.usage_terms,
            web_statement=self.web_statement or other.web_statement,
            marked=other.marked if self.marked is None else self.marked,
            owners=self.owners or other.owners,
            copyright_owners=self.copyright_owners or other.copyright_owners,
            licensors=self.licensors or other.licensors,
        )

    def bounded(self) -> Credits:
        """These credits cut to what any file has room for: rights before descriptions.

        Of a text that is too long its beginning is kept, and an ellipsis.
        """
        room = _Room(MOST_IN_ALL)
        rights = room.words(self.rights)
        creators, owners, copyright_owners = (
            tuple(filter(None, map(room.text, names[:MOST_VALUES])))
            for names in (self.creators, self.owners, self.copyright_owners)
        )
        web_statement = room.whole(self.web_statement)
        credit = room.text(self.credit)
        licensors = tuple(
            Licensor(name=room.text(licensor.name), url=room.whole(licensor.url))
            for licensor in self.licensors[:MOST_VALUES]
        )
        return replace(
            self,
            rights=rights,
            creators=creators,
            owners=owners,
            copyright_owners=copyright_owners,
            web_statement=web_statement,
            credit=credit,
            licensors=tuple(licensor for licensor in licensors if licensor.name or licensor.url),
            usage_terms=room.words(self.usage_terms),
            description=room.words(self.description),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """The camera and the time of a photograph, as its EXIF has them. Empty: not given."""

    make: str = ""
    model: str = ""
    date_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """The metadata of a photograph that its finished file repeats."""

    credits: Credits = field(default_factory=Credits)
    exif_credits: Credits = field(default_factory=Credits)
    """The credits for EXIF, which keeps its own words where it has any."""
    capture: Capture = field(default_factory=Capture)


class _Room:
    """Characters that are left for all fields together."""

    def __init__(self, left: int) -> None:
        self._left = left

    def text(self, text: str) -> str:
        room = min(MOST_CHARACTERS, self._left)
        kept = text if len(text) <= room else text[: max(room - 1, 0)] + "…"[:room]
        self._left -= len(kept)
        return kept

    def whole(self, address: str) -> str:
        """Half an address leads nowhere."""
        return self.text(address) if len(address) <= min(MOST_CHARACTERS, self._left) else ""

    def words(self, words: Words) -> Words:
        cut = [(language, self.text(text)) for language, text in words[:MOST_VALUES]]
        return tuple((language, text) for language, text in cut if text)


def in_default(text: str) -> Words:
    """A text of which nobody says which language it is in."""
    return ((DEFAULT_LANGUAGE, text),) if text else ()


def first_of(words: Words) -> str:
    """The text for whoever takes only one."""
    return words[0][1] if words else ""


def each_once(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts in order, without empty ones and repetitions."""
    return tuple(dict.fromkeys(filter(None, (text.strip() for text in texts))))


def decoded(stored: bytes, *, may_be_cut: bool = False, ends_at_zero: bool = False) -> str:
    """Text that does not say how it is encoded: as UTF-8 if it can be, else as Windows-1252.

    EXIF allows ASCII alone, IPTC-IIM mostly does not say, and programs write what their users do.
    Mac Roman is told where it has letters and Windows-1252 would have none; any other 8-bit
    encoding is taken for Windows-1252, of which Latin-1 is a part. UTF-8 that ends
    within a character, cut to the length of a field, loses that character and nothing else. UTF-16
    is told by the zeros in it.

    Args:
        stored: the text.
        may_be_cut: it is UTF-8 and as long as its field may be: one byte that begins a character
            is no letter of Windows-1252 then, even if all before it is ASCII.
        ends_at_zero: as in C; what stands behind it is something else.

    >>> decoded("© Müller".encode()), decoded("© Müller".encode("latin-1"))
    ('© Müller', '© Müller')
    >>> decoded("Straße für Müller".encode("mac-roman"))
    'Straße für Müller'
    >>> decoded("© Müller, é".encode()[:-1])
    '© Müller,'
    """
    utf_16 = _of_utf_16(stored)
    if utf_16 is not None:
        return _as_text(utf_16.partition("\0")[0] if ends_at_zero else utf_16)
    stored = stored.partition(b"\0")[0] if ends_at_zero else stored.rstrip(b"\0")
    try:
        text = stored.decode()
    except UnicodeDecodeError as fault:
        whole = stored[: fault.start]
        is_cut = fault.reason == "unexpected end of data"
        if is_cut and (may_be_cut or not whole.isascii()):
            text = whole.decode()
        else:
            is_of_a_mac = _MAC_ROMAN.search(stored) is not None
            text = stored.decode("mac-roman") if is_of_a_mac else windows_1252(stored)
    return _as_text(text)


def _as_text(letters: str) -> str:
    """Nothing, where so many letters are control characters that it is no text but other data."""
    controls = sum(category(letter) == "Cc" and letter not in _IN_TEXTS for letter in letters)
    return "" if controls * _TEXT_PER_CONTROL > len(letters) else letters.strip("\0 \t\r\n")


def windows_1252(stored: bytes) -> str:
    """Text of 8 bits a letter, whatever it is: an error never."""
    try:
        return stored.decode("cp1252")
    except UnicodeDecodeError:  # five bytes have no letter there
        return stored.decode("latin-1")


def _of_utf_16(stored: bytes) -> str | None:
    """UTF-16 that says so by its first two bytes, or of which most letters are below U+0100.

    Those have a zero each, on the same side. Text of other encodings has a zero between two names,
    if at all, and hardly four names of one letter.
    """
    even = stored + b"\0" * (len(stored) % 2)  # readers take one zero off its end
    if stored.startswith((b"\xff\xfe", b"\xfe\xff")):
        return even.decode("utf-16", "ignore")
    if 0 not in stored:
        return None
    beginning = even[: 2 * MOST_CHARACTERS]
    sides = (beginning[0::2], beginning[1::2])
    for (low, high), encoding in ((sides, "utf-16-le"), (sides[::-1], "utf-16-be")):
        letters = [above for below, above in zip(low, high, strict=True) if below]
        is_torn = any(above and not below for below, above in zip(low, high, strict=True))
        if len(letters) >= 4 and letters.count(0) * 2 > len(letters) and not is_torn:
            return even.decode(encoding, "ignore")
    return None
