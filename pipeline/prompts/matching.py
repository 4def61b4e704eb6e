"""Matching: every term of every policy found in one pass, on word boundaries.

Aho and Corasick, "Efficient string matching", CACM 18(6), 1975: the time does not depend on how
many terms there are.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, MatchKind

from pipeline.prompts.folding import Folded, disguises, fold, is_stretched, squeezed
from pipeline.prompts.policy import Action, Group, Policy, Term

_WHEN_WORDS = 2
_UNLESS_WORDS = 3
_SHORTEST_DISGUISED = 3
"""Letters: shorter terms appear by chance once digits are read as letters."""
_SHORTEST_JOINED = 7
"""Letters: "bradpitt" is nobody else; shorter names are parts of words."""
_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"'s?(?![^\W_])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A term that was found."""

    start: int
    end: int
    """The end of the term in the text as it was written, a possessive 's included."""
    policy: str
    action: Action
    by: str | None
    attributive: str
    """What to say instead, for the action 'replace': as a noun, and before one."""
    term: str
    is_plural: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pattern:
    policy: Policy
    group: Group
    term: Term
    is_plural: bool
    bounded: bool
    """Whether it must be a word of its own: Chinese and Japanese have no spaces to tell by."""


class Matcher:
    """Finds the terms of some policies. Building it takes a few milliseconds a thousand terms."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        spelled: dict[str, _Pattern] = {}
        for policy in policies:
            for group in policy.groups:
                for term in group.terms:
                    for spelling, is_plural in _spellings(fold(term.term).text):
                        pattern = _Pattern(
                            policy=policy,
                            group=group,
                            term=term,
                            is_plural=is_plural,
                            bounded=not _is_unspaced(spelling),
                        )
                        spelled[spelling] = _stricter(spelled.get(spelling), pattern)
        self._plain = _Index(spelled)
        self._squeezed = _Index(
            {squeezed(fold(spelling)).text: pattern for spelling, pattern in spelled.items()}
        )

    def find(self, text: str) -> list[Hit]:
        """Every hit, in order, none overlapping another: a rejection first, then the longest."""
        plain = fold(text)
        words = _Words(
            [(plain.span(*match.span()), match.group()) for match in _WORD.finditer(plain.text)]
        )
        found = list(self._plain.search(plain))
        for reading in disguises(plain):
            found += [hit for hit in self._plain.search(reading) if _is_long(hit[0])]
        if is_stretched(plain.text):
            found += [
                hit
                for hit in self._squeezed.search(squeezed(plain))
                if is_stretched(fold(text[hit[1] : hit[2]]).text)
            ]
        meant = [hit for hit in found if _is_meant(hit[0].term, hit[1], hit[2], words)]
        return _disjoint([_hit(*one) for one in meant])


_Found = tuple[_Pattern, int, int]


class _Index:
    """An automaton over spellings."""

    def __init__(self, spelled: dict[str, _Pattern]) -> None:
        self._patterns = list(spelled.values())
        self._automaton = AhoCorasick(list(spelled), matchkind=MatchKind.Standard)

    def search(self, folded: Folded) -> Iterator[_Found]:
        """Each pattern found, with its span in the text as it was written."""
        text = folded.text
        for index, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            pattern = self._patterns[index]
            if pattern.bounded and not _stands_alone(text, start, end):
                continue
            is_tag = start > 0 and text[start - 1] in "#@"
            possessive = _POSSESSIVE.match(text, end)
            yield pattern, *folded.span(start - is_tag, possessive.end() if possessive else end)


def _spellings(folded: str) -> Iterator[tuple[str, bool]]:
    """A folded term, its plural, and a long name written together."""
    singulars = [folded]
    if " " in folded and len(joined := folded.replace(" ", "")) >= _SHORTEST_JOINED:
        singulars.append(joined)
    for singular in singulars:
        yield singular, False
        if singular[-1:].isascii() and singular[-1:].isalpha():
            yield _plural(singular), True


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def _stricter(one: _Pattern | None, other: _Pattern) -> _Pattern:
    """The stricter of two policies with the same term: the one that rejects, or else the later."""
    if one is not None and one.policy.action == Action.REJECT:
        return one
    return other


def _is_unspaced(text: str) -> bool:
    return any(
        unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "THAI"))
        for character in text
    )


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() or after.isalnum())


def _is_long(pattern: _Pattern) -> bool:
    return len(pattern.term.term) >= _SHORTEST_DISGUISED


class _Words:
    """The words of a text in their order, none over another."""

    def __init__(self, words: Sequence[tuple[tuple[int, int], str]]) -> None:
        self._words = [word for _, word in words]
        self._starts = [start for (start, _), _ in words]
        self._ends = [end for (_, end), _ in words]

    def around(self, start: int, end: int, *, distance: int) -> list[str]:
        """The words within a distance, in words, of a piece of the text, on either side."""
        before, after = bisect_right(self._ends, start), bisect_left(self._starts, end)
        return [
            *self._words[max(before - distance, 0) : before],
            *self._words[after : after + distance],
        ]


def _is_meant(term: Term, start: int, end: int, words: _Words) -> bool:
    """Whether the words around a term speak for its being what the policy is about."""
    if _is_among(term.unless, words.around(start, end, distance=_UNLESS_WORDS)):
        return False
    return not term.when or _is_among(term.when, words.around(start, end, distance=_WHEN_WORDS))


def _is_among(wanted: Sequence[str], near: Sequence[str]) -> bool:
    return any(word in wanted or word.removesuffix("s") in wanted for word in near)


def _hit(pattern: _Pattern, start: int, end: int) -> Hit:
    return Hit(
        start=start,
        end=end,
        policy=pattern.policy.name,
        action=pattern.policy.action,
        by=pattern.group.by,
        attributive=pattern.group.attributive,
        term=pattern.term.term,
        is_plural=pattern.is_plural,
    )


def _disjoint(hits: Sequence[Hit]) -> list[Hit]:
    chosen: list[Hit] = []
    for hit in sorted(
        hits, key=lambda hit: (hit.action != Action.REJECT, hit.start - hit.end, hit.start)
    ):
        at = bisect_left(chosen, hit.end, key=lambda other: other.start)
        if at == 0 or chosen[at - 1].end <= hit.start:
            chosen.insert(at, hit)
    return chosen
