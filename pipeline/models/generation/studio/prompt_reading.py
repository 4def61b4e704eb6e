"""A prompt to the things it names: longest phrase first, one meaning per stretch of words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.models.generation.studio import colors, vocabulary

_TOKEN = re.compile(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|[a-z]+|[,;.:!?()/\n]")
_LONGEST = 5  # words in the longest phrase


class Kind(StrEnum):
    """What a stretch of words is."""

    COLOR = "color"
    STUFF = "stuff"
    STAND = "stand"
    BEHIND = "behind"
    WALL = "wall"
    SWEEP = "sweep"
    BACKDROP = "backdrop"
    LIGHT = "light"
    MOOD = "mood"
    BREAK = "break"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NamedThing:
    """One thing the prompt names."""

    kind: Kind
    phrase: str
    """The phrase as the vocabulary spells it: the key to look it up with."""
    words: tuple[str, ...]
    """The words as the prompt spells them."""
    rgb: colors.Rgb | None = None
    """The value of a colour, linear RGB; None: it is no colour."""


def read(prompt: str) -> list[NamedThing]:
    """Split a prompt into what it names, in order; words that mean nothing here are dropped.

    >>> [(n.kind.value, n.phrase) for n in read("Oak tables, dark green wall")]
    [('stuff', 'oak'), ('stand', 'table'), ('break', ','), ('color', 'darkgreen'), ('wall', 'wall')]
    """
    tokens = _TOKEN.findall(prompt.lower().replace("-", " ").replace("'", ""))
    found: list[NamedThing] = []
    at = 0
    while at < len(tokens):
        named = _color(tokens, at)
        phrase = _phrase(tokens, at)
        # A tie goes to the material: "linen" and "snow" are colours of CSS, too.
        if phrase is not None and (named is None or len(phrase.words) >= len(named.words)):
            named = phrase
        if named is None:
            if tokens[at] not in vocabulary.NEUTRAL:
                found.append(NamedThing(Kind.UNKNOWN, tokens[at], (tokens[at],)))
            at += 1
        else:
            at += len(named.words)
            if found and found[-1].kind is named.kind is Kind.COLOR:
                # "sage green", "navy blue": the first is the shade, the second only its family.
                found[-1] = replace(found[-1], words=(*found[-1].words, *named.words))
            else:
                found.append(named)
    return found


def _phrase(tokens: list[str], at: int) -> NamedThing | None:
    for length in range(min(_LONGEST, len(tokens) - at), 0, -1):
        words = tuple(tokens[at : at + length])
        for spelling in _spellings(" ".join(words)):
            kind = _kind(spelling)
            if kind is not None:
                return NamedThing(kind, spelling, words)
    return None


def _spellings(phrase: str) -> tuple[str, ...]:
    """The phrase as written, then with a plural ending taken off."""
    if phrase.endswith("ves"):
        return phrase, phrase[:-3] + "f"
    if phrase.endswith("es"):
        return phrase, phrase[:-1], phrase[:-2]
    if phrase.endswith("s") and not phrase.endswith("ss"):
        return phrase, phrase[:-1]
    return (phrase,)


def _kind(phrase: str) -> Kind | None:
    if phrase in vocabulary.BREAKS or (len(phrase) == 1 and not phrase.isalnum()):
        return Kind.BREAK
    tables = (
        (vocabulary.STUFFS, Kind.STUFF),
        (vocabulary.STANDS, Kind.STAND),
        (vocabulary.BEHINDS, Kind.BEHIND),
        (vocabulary.SWEEPS, Kind.SWEEP),
        (vocabulary.WALLS, Kind.WALL),
        (vocabulary.BACKDROPS, Kind.BACKDROP),
        (vocabulary.MOODS, Kind.MOOD),
        (vocabulary.LIGHTS, Kind.LIGHT),
    )
    return next((kind for table, kind in tables if phrase in table), None)


def _color(tokens: list[str], at: int) -> NamedThing | None:
    """Modifiers, then a colour of one to three words: `pale dusty pink`, `dark olive green`."""
    start = at
    modifiers: list[str] = []
    while True:
        for length in (3, 2, 1):
            name = "".join(tokens[at : at + length])
            rgb = colors.color(name, tuple(reversed(modifiers)))
            if rgb is not None and at + length <= len(tokens):
                return NamedThing(Kind.COLOR, name, tuple(tokens[start : at + length]), rgb)
        if at < len(tokens) and tokens[at] in colors.MODIFIERS:
            modifiers.append(tokens[at])
            at += 1
        else:
            return None
