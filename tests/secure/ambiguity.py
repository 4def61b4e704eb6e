"""Whether a pattern of `re` can take more than linear time: told from the pattern, not by a clock.

`re` tries one way through a pattern after another. It takes more than linear time where a text can
be read in more ways the longer it is, and all of them fail. That is so if two loops, p and q, read
the same words, and q is reached from p by such a word too: of n of them, each may be the last one
that p reads (Weideman and others, "Analyzing matching time behavior of backtracking regular
expression matchers by using ambiguity of NFA", CIAA 2016). If p is q, in two ways, it is
exponential. The search for a place to begin is a loop as well, which reads everything.

The automaton is Glushkov's: a state for each letter of the pattern. Where it is not exact it has
more words than the pattern, so that a pattern may be called ambiguous which is not, and none is
called linear which is not, but for factors: repeats that are bounded count as constant.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from re import _compiler, _parser  # type: ignore[attr-defined]
from re._constants import MAXREPEAT  # type: ignore[import-not-found]

_SAMPLES = "aZ0_ \n\t\r-.,/:'\"<>=é中\u0301\x00\x7f"
_COPIES = 3
"""Of what is repeated a bounded number of times."""
_MOST_CONSTANT = 300
"""Times that something is repeated: more than that is no factor, but counts as without an end."""
SEARCH = -1
"""The loop that looks for a place to begin."""

Condition = Callable[[str, str | None], bool]
"""Of the letter before and the one that follows; None: the end."""


@dataclass
class _Piece:
    """Of a pattern: with what letters it begins and ends, and how it can be empty."""

    first: list[tuple[int, tuple[Condition, ...]]] = field(default_factory=list)
    last: list[tuple[int, tuple[Condition, ...]]] = field(default_factory=list)
    empty: list[tuple[Condition, ...]] = field(default_factory=list)


def _nothing(*conditions: Condition) -> _Piece:
    return _Piece(empty=[conditions])


class Automaton:
    """States are letters of the pattern, numbered; an edge leads to one that is read next."""

    def __init__(self, pattern: re.Pattern, *, anchored: bool, whole_text: bool) -> None:
        self._flags = pattern.flags
        self._is_text = isinstance(pattern.pattern, str)
        tree = _parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
        self._state = tree.state
        self._groups: dict[int, list] = {}
        self._takes: list[Callable[[str], bool]] = []
        self.edges: list[tuple[int, int, tuple[Condition, ...]]] = []
        self.letters = _letters(tree, pattern.flags, is_text=self._is_text)
        whole = self._sequence(tree.data, in_loop=False)
        self.ends: defaultdict[int, list[tuple[Condition, ...]]] = defaultdict(list)
        for state, conditions in whole.last:
            self.ends[state].append(conditions)
        self._whole = whole_text
        if not anchored:
            self.edges += [(SEARCH, state, conditions) for state, conditions in whole.first]
            self.edges.append((SEARCH, SEARCH, ()))
        self.reads = {
            state: frozenset(filter(takes, self.letters)) for state, takes in enumerate(self._takes)
        }
        self._merge_letters()
        self.reads[SEARCH] = frozenset(self.letters)

    def succeeds(self, state: int, before: str, after: str) -> bool:
        """Whether it has come to an end there, or to where it takes whatever follows."""
        if self._whole:
            is_endless = any(
                (one, to) == (state, state) and not conditions for one, to, conditions in self.edges
            )
            return (
                is_endless
                and () in self.ends.get(state, ())
                and len(self.reads[state]) == len(self.letters)
            )
        return any(
            all(condition(before, after) for condition in conditions)
            for conditions in self.ends.get(state, ())
        )

    def _merge_letters(self) -> None:
        """One of each kind of letters that no state and no condition tells apart."""
        last = [(conditions) for several in self.ends.values() for conditions in several]
        edges = [conditions for _, _, conditions in self.edges]
        conditions = {id(one): one for several in [*edges, *last] for one in several}.values()
        kinds = {}
        for letter in self.letters:
            kind = (
                tuple(letter in reads for reads in self.reads.values()),
                tuple((one(letter, "a"), one("a", letter)) for one in conditions),
                tuple((one(letter, " "), one(" ", letter)) for one in conditions),
                letter == "\n",
            )
            kinds.setdefault(kind, letter)
        self.letters = list(kinds.values())
        self.reads = {state: reads & frozenset(self.letters) for state, reads in self.reads.items()}

    def _letter(self, takes: Callable[[str], bool]) -> _Piece:
        self._takes.append(takes)
        state = len(self._takes) - 1
        return _Piece(first=[(state, ())], last=[(state, ())])

    def _sequence(self, nodes: list, *, in_loop: bool) -> _Piece:
        whole = _nothing()
        for node in nodes:
            whole = self._joined(whole, self._node(node, in_loop=in_loop))
        return whole

    def _joined(self, one: _Piece, other: _Piece) -> _Piece:
        self.edges += [
            (state, following, ended + begun)
            for (state, ended), (following, begun) in product(one.last, other.first)
        ]
        return _Piece(
            first=one.first
            + [(state, before + own) for before in one.empty for state, own in other.first],
            last=other.last
            + [(state, own + behind) for behind in other.empty for state, own in one.last],
            empty=[before + behind for before, behind in product(one.empty, other.empty)],
        )

    def _node(self, node: tuple, *, in_loop: bool) -> _Piece:
        kind, value = str(node[0]), node[1]
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self._letter(self._test_of([node]))
        if kind == "SUBPATTERN":
            group, added, removed, inner = value
            assert (added, removed) == (0, 0), "flags within a pattern"
            self._groups[group] = inner.data
            return self._sequence(inner.data, in_loop=in_loop)
        if kind == "BRANCH":
            pieces = [self._sequence(inner.data, in_loop=in_loop) for inner in value[1]]
            return _Piece(
                first=[one for piece in pieces for one in piece.first],
                last=[one for piece in pieces for one in piece.last],
                empty=[one for piece in pieces for one in piece.empty],
            )
        if kind == "GROUPREF":  # at most what the group has
            return self._sequence(self._groups[value], in_loop=in_loop)
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            return self._repeated(value[0], value[1], value[2].data, in_loop=in_loop)
        if kind == "POSSESSIVE_REPEAT":
            return self._possessive(*value, in_loop=in_loop)
        return self._zero_wide_or_atomic(kind, value, in_loop=in_loop)

    def _possessive(
        self, least: int, most: int, inner: _parser.SubPattern, *, in_loop: bool
    ) -> _Piece:
        repeated = self._repeated(least, most, inner.data, in_loop=in_loop)
        if most != MAXREPEAT or len(inner.data) != 1 or inner.getwidth() != (1, 1):
            return repeated
        takes = self._test_of(inner.data)

        def is_over(_before: str, after: str | None) -> bool:
            return after is None or not takes(after)

        # It goes on as long as it can: what follows is another letter.
        return self._joined(repeated, _nothing(is_over))

    def _zero_wide_or_atomic(self, kind: str, value: object, *, in_loop: bool) -> _Piece:
        if kind == "ATOMIC_GROUP":
            return self._sequence(value.data, in_loop=in_loop)
        if kind == "AT":
            return _nothing(self._place(str(value)))
        if kind in ("ASSERT", "ASSERT_NOT"):
            return self._assertion(kind, *value)
        raise NotImplementedError(f"{kind} is not known here")

    def _repeated(self, least: int, most: int, nodes: list, *, in_loop: bool) -> _Piece:
        is_endless = most > _MOST_CONSTANT or (in_loop and most > _COPIES)
        whole = _nothing()
        for _ in range(min(least, _COPIES) - is_endless * (least > 0)):
            whole = self._joined(whole, self._sequence(nodes, in_loop=in_loop))
        if is_endless:
            body = self._sequence(nodes, in_loop=True)
            self.edges += [
                (state, following, ended + begun)
                for (state, ended), (following, begun) in product(body.last, body.first)
            ]
            tail = _Piece(body.first, body.last, body.empty if least else [()])
            return self._joined(whole, tail)
        options = _nothing()
        for _ in range(min(most - least, _COPIES)):
            options = self._joined(self._sequence(nodes, in_loop=in_loop), options)
            options.empty = [()]
        return self._joined(whole, options)

    def _test_of(self, nodes: list) -> Callable[[str], bool]:
        """Whether a part of the pattern that is one letter wide takes a letter."""
        made = _compiler.compile(_parser.SubPattern(self._state, nodes), self._flags)
        if self._is_text:
            return lambda letter: made.fullmatch(letter) is not None
        return lambda letter: made.fullmatch(letter.encode("latin-1")) is not None

    def _place(self, name: str) -> Condition:
        is_word = self._word()
        if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            is_of_line = name == "AT_BEGINNING" and self._flags & re.MULTILINE
            return lambda before, _after: bool(is_of_line) and before == "\n"
        if name == "AT_END":
            return lambda _before, after: after in (None, "\n")
        if name == "AT_END_STRING":
            return lambda _before, after: after is None
        differs = name == "AT_BOUNDARY"
        return lambda before, after: (
            differs == (is_word(before) != (after is not None and is_word(after)))
        )

    def _word(self) -> Callable[[str], bool]:
        if self._is_text:
            return lambda letter: re.fullmatch(r"\w", letter) is not None
        return lambda letter: re.fullmatch(rb"\w", letter.encode("latin-1")) is not None

    def _assertion(self, kind: str, direction: int, inner: _parser.SubPattern) -> _Piece:
        wanted = kind == "ASSERT"
        is_ahead = direction > 0
        if inner.getwidth() == (1, 1):
            takes = self._test_of(inner.data)
            if is_ahead:
                return _nothing(
                    lambda _before, after: (after is not None and takes(after)) == wanted
                )
            return _nothing(lambda before, _after: takes(before) == wanted)
        if not is_ahead:  # of a fixed width: what it costs is constant, and it may hold or not
            return _nothing()
        # It may hold or not, but what it reads takes its time: a way that leads nowhere.
        read = self._sequence(inner.data, in_loop=False)
        return _Piece(first=read.first, last=[], empty=[()])


def _letters(tree: _parser.SubPattern, flags: int, *, is_text: bool) -> list[str]:
    """Of every kind that the pattern tells apart, at least one."""
    found = set(_SAMPLES)

    def walk(node: object) -> None:
        if isinstance(node, _parser.SubPattern):
            for one in node.data:
                walk(one)
        elif isinstance(node, (tuple, list)):
            if len(node) == 2 and str(node[0]) in ("LITERAL", "NOT_LITERAL"):
                found.add(chr(node[1]))
            elif len(node) == 2 and str(node[0]) == "RANGE":
                low, high = node[1]
                found.update(map(chr, (low, high, min(high + 1, 0x10FFFF), max(low - 1, 0))))
            for one in node:
                walk(one)

    walk(tree)
    if flags & re.IGNORECASE:
        found |= {letter.swapcase() for letter in found if len(letter.swapcase()) == 1}
    return sorted(letter for letter in found if is_text or ord(letter) < 256)


@dataclass(frozen=True)
class Ambiguity:
    """A word that can be read in more ways the more often it is repeated."""

    word: str
    is_exponential: bool

    def __str__(self) -> str:
        growth = "exponential" if self.is_exponential else "more than linear"
        return f"{growth} in repeats of {self.word!r}"


def ambiguity(pattern: re.Pattern, *, anchored: bool, whole: bool = False) -> Ambiguity | None:
    """Why a pattern may take more than linear time; None: it does not.

    Args:
        pattern: compiled.
        anchored: it is used by `match` or `fullmatch` alone, and not searched for.
        whole: it is used by `fullmatch`: there is no end before that of the text.
    """
    automaton = Automaton(pattern, anchored=anchored, whole_text=whole)
    steps = _steps(automaton)
    failing = _failing(automaton, steps)
    reach = _reach(automaton)
    loops = [state for state in automaton.reads if state in reach[state]]
    for q in _of_every_cycle(automaton, set(loops) - {SEARCH}):
        for letter in automaton.reads[q]:
            word = _twice(q, letter, failing, reach)
            if word is not None:
                return Ambiguity(word, is_exponential=True)
        for p in loops:
            if p == q or q not in reach[p]:
                continue
            for letter in automaton.reads[p] & automaton.reads[q]:
                word = _shared(p, q, letter, steps, failing, reach)
                if word is not None:
                    return Ambiguity(word, is_exponential=False)
    return None


def _steps(automaton: Automaton) -> dict:
    """By state and the letter that was read: by the letter that follows, edges and states."""
    steps: dict = defaultdict(lambda: defaultdict(list))
    for number, (state, following, conditions) in enumerate(automaton.edges):
        for before in automaton.reads[state]:
            for after in automaton.reads[following]:
                if all(condition(before, after) for condition in conditions):
                    steps[state, before][after].append((number, following))
    return steps


def _failing(automaton: Automaton, steps: dict) -> dict:
    """The same without what follows where it has succeeded: from there on no way fails."""
    failing: dict = defaultdict(dict)
    for (state, before), by_letter in steps.items():
        for after, ways in by_letter.items():
            if not automaton.succeeds(state, before, after):
                failing[state, before][after] = ways
    return failing


def _reach(automaton: Automaton) -> dict[int, set[int]]:
    following = defaultdict(set)
    for state, to, _ in automaton.edges:
        following[state].add(to)
    reach = {}
    for state in automaton.reads:
        seen: set[int] = set()
        left = list(following[state])
        while left:
            one = left.pop()
            if one not in seen:
                seen.add(one)
                left += following[one]
        reach[state] = seen
    return reach


def _of_every_cycle(automaton: Automaton, states: set[int]) -> list[int]:
    """Some states, so that each cycle has one: wherever in it a word begins, it goes round."""
    edges = {(state, to) for state, to, _ in automaton.edges if {state, to} <= states}
    chosen = {state for state, to in edges if state == to}
    left = states - chosen
    while left:
        edges = {(state, to) for state, to in edges if {state, to} <= left}
        inner = {state for state, _ in edges} & {to for _, to in edges}
        if inner == left:  # all of them lie on cycles, or between two
            one = min(left)
            chosen.add(one)
            inner = left - {one}
        left = inner
    return sorted(chosen)


def _twice(p: int, letter: str, steps: dict, reach: dict) -> str | None:
    """A word by which p leads to itself in two ways."""
    begin, goal = (p, p, letter, False), (p, p, letter, True)
    came = {begin: ""}
    left = [begin]
    for node in left:  # which grows meanwhile
        one, other, before, differ = node
        for after, ways in steps[one, before].items():
            for (number, x), (another, y) in product(ways, steps[other, before].get(after, ())):
                if p not in reach[x] or p not in reach[y]:
                    continue
                to = (x, y, after, differ or number != another)
                if to not in came:
                    came[to] = came[node] + after
                    left.append(to)
                if to == goal:
                    return came[to]
    return None


def _shared(p: int, q: int, letter: str, steps: dict, failing: dict, reach: dict) -> str | None:
    """A word by which p leads to itself and to q, and q to itself."""
    begin, goal = (p, p, q, letter), (p, q, q, letter)
    came = {begin: ""}
    left = [begin]
    for node in left:  # which grows meanwhile
        one, between, other, before = node
        for after, ways in steps[one, before].items():
            middle, later = steps[between, before].get(after, ()), failing[other, before].get(after)
            for (_, x), (_, y), (_, z) in product(ways, middle, later or ()):
                if p not in reach[x] or q not in reach[z] or (y != q and q not in reach[y]):
                    continue
                to = (x, y, z, after)
                if to not in came:
                    came[to] = came[node] + after
                    left.append(to)
                if to == goal:
                    return came[to]
    return None
