"""Solid colours: which prompts ask for one, and what colour a word or a hex code is."""

from __future__ import annotations

import re

from PIL import ImageColor

Rgb8 = tuple[int, int, int]
"""sRGB, 0 to 255."""

_FILLERS = frozenset(("background", "a", "solid", "color", "colour", "of", "the", "and", "is"))
"""Words around a colour that do not make it a scene."""

SOFT_BLACK: Rgb8 = (50, 50, 50)
"""The colour that stands for black in a background that is to show shadows, 8-bit sRGB."""


def parse_color(text: str) -> Rgb8:
    """Read a CSS colour name or six hex digits, with or without '#'.

    >>> parse_color("Navy"), parse_color("#ff8800")
    ((0, 0, 128), (255, 136, 0))

    Raises:
        ValueError: neither.
    """
    word = "".join(text.lower().split()).removeprefix("#")
    name = f"#{word}" if re.fullmatch(r"[0-9a-f]{6}", word) else word
    if name not in ImageColor.colormap and name == word:
        raise ValueError(f"{text!r} is no colour: use a CSS name such as 'ivory', or '#rrggbb'")
    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue


def solid_color(prompt: str) -> Rgb8 | None:
    """The colour a prompt asks for, if a plain colour is all that it asks for.

    >>> solid_color("a solid background of the color Light Blue")
    (173, 216, 230)
    >>> solid_color("light blue silk") is None
    True
    """
    words = prompt.lower().replace(",", " ").replace("#", " ").split()
    left = "".join(word for word in words if word not in _FILLERS)
    try:
        return parse_color(left)
    except ValueError:
        return None


def hex_of(color: Rgb8) -> str:
    """A colour's hexadecimal notation, such as '#ffffff'."""
    return "#" + "".join(f"{channel:02x}" for channel in color)
