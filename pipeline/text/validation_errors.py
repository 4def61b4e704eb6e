"""What pydantic says of values that make no model, in the words of whoever wrote the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.text.config_tree import located
from pipeline.text.printable import one_line
from pipeline.text.written_settings import Written

_MOST_TOLD = 10
"""Mistakes in one message."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with values."""

    location: tuple[int | str, ...]
    """Where pydantic saw it; empty: in the whole."""
    what: str
    """What is wrong, in pydantic's words or in those of a check of ours."""
    kind: str
    """Pydantic's name for such mistakes: `missing`, `extra_forbidden`, ..."""
    given: Any
    """The value that is wrong."""

    @property
    def where(self) -> str:
        """The location as text: `files.0.name`."""
        return ".".join(map(str, self.location))

    @property
    def lowered(self) -> str:
        """What is wrong, to stand behind a colon."""
        return f"{self.what[:1].lower()}{self.what[1:]}"

    @property
    def line(self) -> str:
        """Where, and what is wrong there."""
        return f"{self.where}: {self.lowered}" if self.location else self.lowered


def mistakes(error: ValidationError) -> list[Mistake]:
    """Everything that is wrong, in the order of the model's fields."""
    return [
        Mistake(
            location=detail["loc"],
            what=detail["msg"].removeprefix("Value error, "),
            kind=detail["type"],
            given=detail["input"],
        )
        for detail in error.errors()
    ]


def first_mistake(error: ValidationError) -> Mistake:
    """The first thing that is wrong, for messages that have room for one."""
    return mistakes(error)[0]


def explain(error: ValidationError, model: type[BaseModel], written: Written) -> str:
    """Everything that is wrong with settings as one line: the fields, and what would be right.

    Args:
        error: what pydantic says.
        model: what the settings were to make.
        written: the settings. What stands in another file than they themselves is told with it.
    """
    everything = mistakes(error)
    parts = [_explained(mistake, model, written) for mistake in everything[:_MOST_TOLD]]
    more = len(everything) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _explained(mistake: Mistake, model: type[BaseModel], written: Written) -> str:
    path, holder = located(model, mistake.location)
    what = mistake.what
    if mistake.kind == "extra_forbidden":
        names = list(holder.model_fields) if holder is not None else []
        what = f"there is no such field (there are: {', '.join(names)})"
    elif mistake.kind not in ("missing", "value_error"):
        word = written.word_at(path)
        as_meant = word is None or str(mistake.given) == word
        value = one_line(repr(mistake.given if as_meant else word), most=200)
        what = f"{mistake.lowered}, got {value}"
    elsewhere = written.elsewhere(path)
    return f"{'.'.join(path)}: {what}{elsewhere}" if path else f"{what}{elsewhere}"
