"""What the file of a picture is called: after its row's id, as far as names of files go.

Letters and digits of any script stay, with the marks and the joiners without which words of some
scripts are others. Everything else becomes a hyphen: separators, symbols and emoji, and whatever is
invisible or turns the direction of a line, by which one name could pass for another.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import accumulate

_MOST_CHARACTERS = 80
_MOST_BYTES = 120
"""The most bytes of the readable part, in UTF-8. With the hash and an ending a name has 143 bytes
at the most, as many as encrypted folders take (others: 255)."""

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
"""Letters and marks that nobody sees: fillers of Hangul, inherent vowels of Khmer."""
_OF_EMOJI = frozenset("\ufe0e\ufe0f")
_VIRAMA = 9
"""The combining class of the signs that join the consonant before them to the next."""
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))]
)
"""The names that Windows takes for a device, whatever the ending."""


def object_path(sample_id: str, extension: str) -> str:
    """The key of a picture, relative to its run.

    A hash of the id keeps two ids apart that look alike once made safe, or whose names a file
    system takes for one (by case, or by the composition of accents), and spreads the keys over 256
    prefixes, since object stores limit requests per prefix.

    >>> object_path("shoes/red 42", ".jpg")
    'images/df/shoes-red-42.df4350da3e62b490.jpg'
    """
    digest = hashlib.sha256(sample_id.encode()).hexdigest()[:16]
    return f"images/{digest[:2]}/{readable_name(sample_id) or 'sample'}.{digest}{extension}"


def readable_name(sample_id: str) -> str:
    """The part of an id that a name may have, in NFC; may be empty.

    >>> readable_name("茶碗/赤 42"), readable_name("stra\u00dfe 🚲 n\u00ba 5")
    ('茶碗-赤-42', 'straße-nº-5')
    """
    if sample_id.isascii():
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", sample_id).strip("-")[:_MOST_CHARACTERS]
    else:
        name = _cut(_kept(unicodedata.normalize("NFC", sample_id)).strip("-"))
    return f"{name}_" if unicodedata.normalize("NFKC", name).casefold() in _DEVICES else name


def _kept(text: str) -> str:
    kept: list[str] = []
    for place, character in enumerate(text):
        following = text[place + 1] if place + 1 < len(text) else ""
        if _stays(character, kept[-1] if kept else "", following):
            kept.append(character)
        elif not kept or kept[-1] != "-":
            kept.append("-")
    return "".join(kept)


def _stays(character: str, before: str, following: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in "-_"
    if character in _BLANKS or character in _OF_EMOJI:
        return False
    if character in (_ZWNJ, _ZWJ):
        return _joins(before, following)
    if "\U00020000" <= character <= "\U0003fffd":
        return True  # kept for ideographs, those that this Python does not know yet among them
    kind = unicodedata.category(character)
    if kind in ("Mn", "Mc"):  # an enclosing one makes an emoji of a digit
        return before not in ("", "-", "_")
    if character == "\u180e":  # the vowel separator of Mongolian
        return _is_mongolian(before) and _is_mongolian(following)
    return kind[0] in "LN"


def _joins(before: str, following: str) -> bool:
    """Whether a joiner is one of the word's: beside a virama, or between Arabic letters."""
    if not before or before in "-_":
        return False
    if _is_virama(before) or (following and _is_virama(following)):
        return True
    return _is_rightward(before) and bool(following) and _is_rightward(following)


def _is_virama(character: str) -> bool:
    return unicodedata.combining(character) == _VIRAMA


def _is_rightward(character: str) -> bool:
    return unicodedata.bidirectional(character) in ("AL", "NSM", "R")


def _is_mongolian(character: str) -> bool:
    return "\u1820" <= character <= "\u18aa"


def _cut(name: str) -> str:
    """The name, or as much of its start as may be long, with no letter torn from its marks."""
    sizes = accumulate(len(character.encode()) for character in name[:_MOST_CHARACTERS])
    most = sum(size <= _MOST_BYTES for size in sizes)
    if most == len(name):
        return name
    whole = next((end for end in range(most, 0, -1) if _is_apart(name[end - 1], name[end])), 0)
    return name[: whole or most]


def _is_apart(before: str, following: str) -> bool:
    """Whether a name may end between two characters."""
    return not (
        unicodedata.category(following)[0] == "M"
        or following in (_ZWNJ, _ZWJ)
        or before in (_ZWNJ, _ZWJ)
        or _is_virama(before)
        or "\u1160" <= following <= "\u11ff"  # vowels and finals of Hangul written in parts
    )
