"""How the tables of words are written."""

from __future__ import annotations

from typing import TypeVar

from pipeline.models.generation.studio.colors import Rgb, linear

Value = TypeVar("Value")


def each(words: str, value: Value) -> dict[str, Value]:
    """One meaning for several phrases, separated by commas.

    >>> each("oak, oak wood", 1)
    {'oak': 1, 'oak wood': 1}
    """
    return dict.fromkeys((word.strip() for word in words.split(",")), value)


def rgb(code: str) -> Rgb:
    """Linear colour of six hex digits."""
    r, g, b = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return linear((r, g, b))
