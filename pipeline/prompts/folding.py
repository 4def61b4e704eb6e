"""Folding: spellings that mean the same word become the same string, and know where they were.

Case, accents, look-alike letters, digits for letters, letters spelled out and letters repeated. A
folded text is only ever searched; what is found is changed in the text as it was written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Letters that no decomposition takes apart, and Cyrillic and Greek ones that look Latin: the pairs
# of Unicode's confusables (UTS 39) that occur in practice. Terms are folded too, so a Russian term
# still meets a Russian text.
_LETTERS = str.maketrans(
    {
        **{"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"},
        **dict(zip("авекмнорстухіјѕьԁԛԝ", "abekmhopctyxijsbdqw", strict=True)),
        **dict(zip("αβειικνορτυχη", "abeiiknoptuxn", strict=True)),
        **{"’": "'", "‘": "'", "´": "'", "`": "'"},
    }
)
_DIGITS = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s"}
_TOKEN = re.compile(r"[^\W_](?:[\w@$!*|]{0,63}[\w$])?|[@$][\w@$!|]{0,63}\w")
"""A word of 65 characters at most: no term that is hidden in one is longer."""
_SPELLED = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .*/|~+]{1,2}[^\W\d_]){2,}(?![^\W_])")
_REPEATED = re.compile(r"(.)\1+")
_STRETCHED = re.compile(r"([^\W\d_])\1\1")


@dataclass(frozen=True, slots=True)
class Folded:
    """A text for searching, and for each of its characters the place it comes from."""

    text: str
    places: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of this text stands in the text it was folded from."""
        return self.places[start], self.places[end - 1] + 1


def fold(text: str) -> Folded:
    """Lower case, no accents, Latin look-alikes, hyphens inside words as spaces.

    >>> fold("Beyoncé at Coca-Cola").text
    'beyonce at coca cola'
    """
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        inside = 0 < place < len(text) - 1 and text[place - 1].isalnum()
        if character in "-_‐‑" and inside and text[place + 1].isalnum():
            folded = " "
        else:
            folded = _fold_character(character)
        characters.extend(folded)
        places.extend([place] * len(folded))
    return Folded("".join(characters), tuple(places))


def disguises(plain: Folded) -> Iterator[Folded]:
    """The readings of a folded text that undo simple ways of hiding a word.

    >>> [reading.text for reading in disguises(fold("n1k3, s e x"))]
    ['nike, s e x', 'nlke, s e x', 'n1k3, sex']
    """
    readings = [_digits_read(plain, "i"), _digits_read(plain, "l"), _spelling_joined(plain)]
    if "*" in plain.text:
        readings += [_stars_read(readings[0], vowel) for vowel in "aeiou"]
    seen = {plain.text}
    for reading in readings:
        if reading.text not in seen:
            seen.add(reading.text)
            yield reading


def is_stretched(text: str) -> bool:
    """Whether a letter is repeated as no word repeats it: "niiike"."""
    return _STRETCHED.search(text) is not None


def squeezed(folded: Folded) -> Folded:
    """Every run of one character as a single one; terms are squeezed alike to be compared."""
    return _rewritten(folded, _REPEATED, lambda match: [(match.group(1), match.start())])


def _fold_character(character: str) -> str:
    decomposed = unicodedata.normalize("NFD", character.casefold())
    bare = "".join(part for part in decomposed if unicodedata.category(part) != "Mn")
    return bare.translate(_LETTERS)


def _digits_read(folded: Folded, one: str) -> Folded:
    letters = {**_DIGITS, "1": one, "!": one, "|": one}

    def read(match: re.Match[str]) -> list[tuple[str, int]]:
        token = match.group()
        hidden = any(character.isalpha() for character in token)
        return [
            (letters.get(character, character) if hidden else character, match.start() + index)
            for index, character in enumerate(token)
        ]

    return _rewritten(folded, _TOKEN, read)


def _stars_read(folded: Folded, vowel: str) -> Folded:
    star = re.compile(r"(?<=[^\W\d_])\*+(?=[^\W\d_])")
    return _rewritten(folded, star, lambda match: [(vowel, match.start())])


def _spelling_joined(folded: Folded) -> Folded:
    return _rewritten(
        folded,
        _SPELLED,
        lambda match: [
            (character, match.start() + index)
            for index, character in enumerate(match.group())
            if character.isalpha()
        ],
    )


def _rewritten(
    folded: Folded,
    pattern: re.Pattern[str],
    rewrite: Callable[[re.Match[str]], list[tuple[str, int]]],
) -> Folded:
    """Replace each match by characters that name the place, in `folded`, they come from."""
    characters: list[str] = []
    places: list[int] = []
    done = 0
    for match in pattern.finditer(folded.text):
        characters.extend(folded.text[done : match.start()])
        places.extend(folded.places[done : match.start()])
        for character, index in rewrite(match):
            characters.append(character)
            places.append(folded.places[index])
        done = match.end()
    characters.extend(folded.text[done:])
    places.extend(folded.places[done:])
    return Folded("".join(characters), tuple(places))
