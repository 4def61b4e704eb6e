"""Docstrings and descriptions stand alone, as in tooltips, schemas and lists of files."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "jobs")
WIDTH = 100

_DANGLING = re.compile(
    # prepositions
    r"(?:about|above|after|among|as|at|before|behind|below|beneath|beside|between|beyond|by|for|from"
    r"|in|inside|into|like|next|of|off|on|onto|out|over|per|since|than|through|till|to|towards?"
    r"|under|unless|until|up|upon|via|with|within|without"
    # conjunctions
    r"|although|and|because|but|if|nor|or|so|that|though"
    # words that stand for something named elsewhere
    r"|it|its|it's|they|their|those|the same)(?![\w'])",
    re.IGNORECASE,
)


def opening_fault(text: str) -> str | None:
    """The words with which a text begins that need the name above it; None: there are none.

    A sentence that merely begins so is a fault, too: the rule is about first words, as those are
    what a list of docstrings is scanned by, and any such sentence can be turned round.
    """
    found = _DANGLING.match(text)
    return found and found[0]


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The lines and texts of docstrings, of strings below assignments, and of descriptions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text
            yield from _below_assignments(node.body)
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "description" and isinstance(keyword.value, ast.Constant):
                    yield keyword.value.lineno, str(keyword.value.value)


def _below_assignments(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    for before, statement in pairwise(body):
        if (
            isinstance(before, ast.Assign | ast.AnnAssign)
            and isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        ):
            yield statement.lineno, inspect.cleandoc(statement.value.value)


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_no_docstring_or_description_begins_with_a_word_that_dangles() -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in modules()
        for line, text in texts(path.read_text(encoding="utf-8"))
        if opening_fault(text)
    ]
    assert not faults, "say what the thing is, with unit and range:\n" + "\n".join(faults)


def test_every_module_says_in_one_line_what_it_is_about() -> None:
    faults = []
    for path in modules():
        source = path.read_text(encoding="utf-8")
        first = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        if not first.endswith((".", ":")) or len(source.partition("\n")[0]) > WIDTH:
            faults.append(f"{path.relative_to(ROOT)}: {first!r}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "source",
    [
        '"""Of lines on stderr."""',
        'def alone():\n    """The same in actors of its own."""',
        'class Stage:\n    need: int = 0\n    """Of memory, at the most."""',
        'class Run:\n    def __init__(self):\n        self.at = 0\n        """At which we are."""',
        'MOST = 4\n"""That are looked at."""',
        'SIZE = 4\n"""Its size in bytes."""',
        'size: int = Field(4, description="In px, at the most.")',
    ],
)
def test_what_dangles_is_seen_wherever_it_stands(source: str) -> None:
    assert [text for _, text in texts(source) if opening_fault(text)]


@pytest.mark.parametrize(
    "text",
    [
        "The memory that the stage needs at the most, in MB.",
        "Ofenfrisch is a word of its own.",
        "The samecount of both.",
        "Whether rows that earlier runs have settled are left out.",
        "Where bytes become pixels.",
    ],
)
def test_texts_that_stand_alone_pass(text: str) -> None:
    assert opening_fault(text) is None
