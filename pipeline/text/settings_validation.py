"""Validation: settings as they are written become the model that they make."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.text.config_tree import located
from pipeline.text.validation_errors import mistakes
from pipeline.text.written_settings import Written

Model = TypeVar("Model", bound=BaseModel)

_WANT_WORDS = frozenset({"enum", "literal_error", "path_type", "string_type"})
"""What pydantic says of a value that is no text where there should be some."""

_MISREAD = re.compile(r"[+-]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Octal and sexagesimal numbers of YAML 1.1."""


def validated(model: type[Model], written: Written) -> Model:
    """The model that settings make; where a field wants a word, what YAML took for something else.

    Raises:
        ValidationError: with everything that is wrong.
        ValueError: a number is none as it stands there; one line that names the field.
    """
    while True:
        try:
            made = model.model_validate(written.plain)
        except ValidationError as error:
            again = written
            for mistake in mistakes(error):
                path, _ = located(model, mistake.location)
                word = written.word_at(path)
                is_taken = word is None or written.text_at(path) == word
                if mistake.kind in _WANT_WORDS and not is_taken:
                    again = again.with_word_at(path)
            if again is written:
                raise
            written = again
        else:
            _check_numbers(made, written, written)
            return made


def _check_numbers(model: Any, section: Written, whole: Written, *above: str) -> None:
    """Refuse numbers that are none as they stand there.

    Of `off` pydantic makes nought, and YAML 90 of `1:30` and 8 of `010`.
    """
    for name, entry in (section.entries or {}).items():
        made, path = getattr(model, name, None), (*above, name)
        if isinstance(made, BaseModel):
            _check_numbers(made, entry, whole, *path)
        if not isinstance(made, int | float):
            continue
        word = whole.word_at(path) or ""
        where, elsewhere = ".".join(path), whole.elsewhere(path)
        if _MISREAD.fullmatch(word) and entry.value != _plain(word):
            raise ValueError(
                f"{where}: YAML reads {word} as {entry.value}: write the number out, such as "
                f"{entry.value}{elsewhere}"
            )
        if isinstance(entry.value, bool) and made is not entry.value:
            raise ValueError(f"{where}: input should be a number, got {word!r}{elsewhere}")


def _plain(word: str) -> int | None:
    """The whole number that everybody else reads; None: they read none."""
    return None if ":" in word else int(word)
