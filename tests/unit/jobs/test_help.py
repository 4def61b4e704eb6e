"""Every text of --help stands alone: a sentence or a noun phrase, never the end of one."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from benchmarks.__main__ import app as benchmarks
from jobs.commands.app import app

FRAGMENTS = frozenset(
    ("about", "above", "after", "as", "at", "before", "below", "between", "by", "during", "for",
     "from", "in", "into", "of", "on", "over", "than", "that", "to", "under", "until", "when",
     "where", "which", "while", "with", "without")
)  # fmt: skip
"""Words that begin what hangs on a word before it, or an answer whose question was not written."""


def flaw(text: str | None) -> str | None:
    """What keeps a text from standing alone; None: nothing."""
    words = (text or "").split()
    if not words:
        return "there is none"
    if words[0].lower().strip(":,.") in FRAGMENTS:
        return f"it begins with {words[0]!r}"
    if not words[0][0].isupper():
        return "it begins small"
    return None if words[-1][-1] in ".?" else "it does not end"


def commands(name: str, command: Any) -> dict[str, Any]:
    """A command and all below it, by their names on the command line."""
    named = {name: command}
    for word, below in getattr(command, "commands", {}).items():
        named |= commands(f"{name} {word}", below)
    return named


def texts() -> dict[str, str | None]:
    """The help of each command, and of each of its arguments and options."""
    found: dict[str, str | None] = {}
    everything = commands("backlot", typer.main.get_command(app))
    everything |= commands("benchmarks", typer.main.get_command(benchmarks))
    for name, command in everything.items():
        found[name] = (command.help or "").split("\n\n")[0]
        for parameter in command.params:
            if not parameter.hidden:
                found[f"{name} {(parameter.opts or [parameter.name])[0]}"] = parameter.help
    return found


@pytest.mark.parametrize("name", texts())
def test_a_help_text_stands_alone(name):
    assert flaw(texts()[name]) is None


@pytest.mark.parametrize("text", ["Of lines on stderr.", "As of `run`.", "", None, "rows", "Rows"])
def test_a_text_that_hangs_on_another_is_told(text):
    assert flaw(text) is not None


def test_no_command_is_passed_over():
    named = {
        "backlot run",
        "backlot reprocess --where",
        "backlot recipes show",
        "benchmarks --rows",
    }
    assert named <= set(texts())
