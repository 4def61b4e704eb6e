"""No pattern of ours takes more than linear time, whatever it is given."""

import re
import time
from pathlib import Path

import pytest

from pipeline.imaging.writing.provenance_xmp import read_source_uri, xmp_packet
from pipeline.prompts.policy import SHIPPED, shipped_policy
from pipeline.prompts.rules import Rules
from pipeline.storage.photographs.addresses import quoted
from tests.secure.ambiguity import ambiguity
from tests.secure.patterns import Used, used_patterns

MADE_WHILE_WE_RUN = {
    "pipeline/runs/output_checks.py": "a manifest's name with wildcards: what the command says",
    "pipeline/storage/local_files.py": "a name with wildcards: what the command says",
    "pipeline/storage/s3/objects.py": "a name with wildcards: what the command says",
    "pipeline/runs/reselect.py": "a column's name, escaped",
    "pipeline/tables/text_files/delimited.py": "a column's name, escaped",
}
"""Each wildcard of a name is a loop of its own, as in a shell; escaped names have none."""

FENCE = r"^\s*```(?:json)?\s*\n(.*)\n\s*```\s*$"
"""That this project once had, to take a fence off an answer: cubic."""
SOURCE = (
    rb"""DigitalSourceType\s*(?:=\s*["']|>\s*|[^>]*?rdf:resource\s*=\s*["'])\s*"""
    rb"""(https?://cv\.iptc\.org/newscodes/digitalsourcetype/\w+)"""
)
"""That it once had, to find what a file says of how it came about: quadratic."""


def judged(used: Used) -> list[str]:
    found = []
    for way in ("search", "match", "fullmatch"):
        others = used.ways - {"match", "fullmatch"}
        if used.pattern is not None and (others if way == "search" else way in used.ways):
            why = ambiguity(used.pattern, anchored=way != "search", whole=way == "fullmatch")
            if why is not None:
                found.append(f"{used.place}: {way} is {why}: {used.pattern.pattern!r}")
    return found


def test_every_pattern_takes_linear_time():
    used = list(used_patterns())
    assert len(used) > 100
    assert {one.place.partition(":")[0] for one in used if one.pattern is None} == set(
        MADE_WHILE_WE_RUN
    )
    assert [why for one in used for why in judged(one)] == []


def test_other_engines_of_patterns_are_not_used():
    """pydantic's `pattern=` is Rust's, linear by design. Of `re` nothing is imported by name."""
    root = Path(__file__).parents[2]
    texts = [
        path.read_text() for name in ("pipeline", "jobs") for path in root.glob(f"{name}/**/*.py")
    ]
    assert not [
        text
        for text in texts
        if re.search(r"^(import regex|from re import|import re as)", text, re.M)
    ]


@pytest.mark.parametrize(
    ("pattern", "ways", "is_exponential"),
    [
        (FENCE, {"match"}, False),
        (SOURCE, {"search"}, False),
        (r"(a*)*b", {"match"}, True),
        (r"(a|a)*c", {"match"}, True),
        (r"(\d+|\d+\.)*x", {"match"}, True),
        (r"(x?y?)*z", {"match"}, True),
        (r"a*a*b", {"match"}, False),
        (r"a*a*", {"fullmatch"}, False),
        (r"\s+x", {"search"}, False),
        (r"\s*+x", {"search"}, False),
        (r"(?=.*b)a", {"search"}, False),
        (r"x(?:[xy]*z)?", {"search"}, False),
        (r"(?:\s*x)?", {"search"}, False),
        (r"([ab])(?:\1c?)*d", {"search"}, False),
        (r"(?i)k+K+x", {"match"}, False),
        (rb"\xff+[^\x00\xff]", {"search"}, False),
        (r"\s{0,5000}x", {"search"}, False),
    ],
)
def test_what_takes_more_is_told(pattern, ways, is_exponential):
    used = Used("here", re.compile(pattern), frozenset(ways))
    assert judged(used)
    anchored = "search" not in ways
    found = ambiguity(used.pattern, anchored=anchored, whole="fullmatch" in ways)
    assert found.is_exponential == is_exponential


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [
        (r"a*b", {"match"}),
        (r"[^\W_]+", {"search"}),
        (r"\bword\s*x", {"search"}),
        (r"(?<!\s)\s+x", {"search"}),
        (r"\b[a-z]+x\b", {"search"}),
        (r"a{0,300}b", {"search"}),
        (r"a*+[ab]", {"match"}),
        (r"\d+\.\d+", {"fullmatch"}),
        (r"(?s)a*.*", {"fullmatch"}),
        (r"^\s+x", {"search"}),
        (r"([,;])(?:\s*[,;])+", {"search"}),
    ],
)
def test_what_is_linear_is_let_through(pattern, ways):
    assert not judged(Used("here", re.compile(pattern), frozenset(ways)))


def took(function, argument):
    """The shortest of three: what else runs on the machine only makes it longer."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - start)
    return min(times)


def test_the_word_that_is_told_makes_the_old_pattern_slow():
    """So the word is one indeed. Four times as many take 16 times as long; linear would be 4."""
    pattern = re.compile(SOURCE)
    word = ambiguity(re.compile(SOURCE), anchored=False).word
    texts = [b"DigitalSourceType" + n * word.encode("latin-1") for n in (200, 800)]
    assert took(pattern.search, texts[1]) > 8 * took(pattern.search, texts[0])


def test_no_packet_makes_the_search_for_its_source_slow():
    packet = b"DigitalSourceType rdf:resource " * 8_000
    assert took(read_source_uri, packet) < 0.5
    assert took(read_source_uri, b"DigitalSourceType" * 16_000) < 0.5


def test_what_stands_behind_256_kb_of_a_packet_is_not_looked_for():
    said = b'DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"'
    uri = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"
    assert read_source_uri(said.rjust(256 * 2**10)) == uri
    assert read_source_uri(said.rjust(2 * 256 * 2**10)) is None
    assert len(xmp_packet(None)) < 256 * 2**10


def test_no_cell_makes_its_message_slow():
    assert took(quoted, "http" + "a" * 32_000) < 0.2
    assert took(quoted, "http" + "a:@" * 10_000) < 0.2


def test_terms_of_policies_are_found_in_linear_time():
    """They are found by an automaton, not by patterns; four times the text take four times as long,
    and took sixteen."""
    rules = Rules([shipped_policy(name) for name in SHIPPED])
    short, long = (("n*ke " * 2000)[:size] for size in (2000, 8000))
    assert len(rules.found(long)) == 1600
    assert took(rules.found, long) < 9 * took(rules.found, short)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://user:word@host/a", "https://host/a"),
        ("https://user@host/a", "https://host/a"),
        ("//a@b@host, user:w@x", "//host, x"),
        ("www.user:word@host a:b@c:d@e", "host e"),
        ("http a@b", "http a@b"),
        ("http:/user:word@host", "http:/host"),
        ("http a:b c@d", "http a:b c@d"),
    ],
)
def test_users_and_passwords_are_taken_out_of_a_message(text, kept):
    assert quoted(text) == repr(kept)
