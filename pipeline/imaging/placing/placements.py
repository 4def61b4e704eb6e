"""The ways a product can stand on its canvas, and how a manifest spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

LOCATIONS: dict[str, tuple[int, int, int, int]] = {
    "upper_left": (1, 1, 3, 3),
    "upper_right": (3, 1, 5, 3),
    "bottom_left": (1, 3, 3, 5),
    "bottom_right": (3, 3, 5, 5),
    "right_center": (3, 1, 5, 5),
    "left_center": (1, 1, 3, 5),
    "upper_center": (1, 1, 5, 3),
    "bottom_center": (1, 3, 5, 5),
    "center_vertical": (2, 1, 4, 5),
    "center_horizontal": (1, 2, 5, 4),
}
"""Named boxes: left, top, right and bottom edge in sixths of the canvas."""

MAX_SIDE_PX = 10_000
"""Longest side of a canvas, and largest padding: more than any shop takes."""

Kind = Literal["original", "fit", "named", "box", "padding"]


@dataclass(frozen=True, slots=True)
class Placement:
    """One way to stand on a canvas."""

    kind: Kind
    text: str
    """The placement in its one canonical spelling for manifests."""
    numbers: tuple[int, ...] = ()
    """The numbers of a box (x, y, width, height) or of a padding (left, right, top, bottom), px."""

    @property
    def follows_the_photograph(self) -> bool:
        """Whether the canvas is the photograph's frame, and the product stays where it was."""
        return self.kind in ("original", "padding")


def parse_placements(text: str) -> tuple[Placement, ...]:
    """Read one placement, or several separated by commas.

    >>> [placement.text for placement in parse_placements("upper_left, box:10,20,300,400")]
    ['upper_left', 'box:10,20,300,400']
    >>> len(parse_placements("automatic"))
    10

    Raises:
        ValueError: a placement that does not exist, numbers that make no sense, or one twice.
    """
    # A comma between placements is followed by a letter, one inside a placement by a digit.
    parts = [part.strip() for part in re.split(r",\s*(?=[A-Za-z])", text)]
    placements: list[Placement] = []
    for part in parts:
        names = LOCATIONS if part == "automatic" else (part,)
        placements.extend(_parse(name) for name in names)
    spelled = [placement.text for placement in placements]
    twice = next((text for text in spelled if spelled.count(text) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is asked for twice")
    return tuple(placements)


def _parse(part: str) -> Placement:
    if part in LOCATIONS:
        return Placement("named", part)
    if part == "original":
        return Placement("original", part)
    if part == "fit":
        return Placement("fit", part)
    match = re.fullmatch(r"(box|padding):((?:\s*[0-9]{1,5}\s*,){3}\s*[0-9]{1,5}\s*)", part)
    if match is None:
        raise ValueError(
            f"{part!r} is no placement: use original, fit, automatic, {', '.join(LOCATIONS)}, "
            "padding:left,right,top,bottom or box:x,y,width,height"
        )
    numbers = tuple(int(number) for number in match[2].split(","))
    if max(numbers) > MAX_SIDE_PX:
        raise ValueError(f"{part!r}: more than {MAX_SIDE_PX} px")
    text = f"{match[1]}:{','.join(map(str, numbers))}"
    if match[1] == "padding":
        return Placement("padding", text, numbers)
    if not (numbers[2] and numbers[3]):
        raise ValueError(f"{part!r}: a box has a width and a height")
    return Placement("box", text, numbers)
