"""The one picture that every file of the grid holds, and what a file is expected to read as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

# Shape suffixes: H height, W width, C colour channel.

HEIGHT, WIDTH = 48, 64


@cache
def rgb8():
    """Smooth colours without any symmetry, all of them well inside sRGB."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT]], [[WIDTH]]]
    waves = [0.2 + 0.6 * x, 0.25 + 0.5 * y, 0.5 + 0.3 * np.sin(3 * x + 5 * y)]
    return np.round(np.stack(waves, axis=-1) * 255).astype(np.uint8)


@cache
def grey8():
    """A ramp with a bend."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT]], [[WIDTH]]]
    return np.round((0.1 + 0.5 * x + 0.35 * y * y) * 255).astype(np.uint8)


@cache
def alpha8():
    """An ellipse off the middle, with an edge six pixels soft."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    radius = np.hypot((y - 22.0) / 15, (x - 35.0) / 22)
    return np.round(np.clip((1 - radius) * 3 + 0.5, 0, 1) * 255).astype(np.uint8)


def deep(levels, bits=16):
    """Levels of 8 bits at another depth.

    With 16 bits, each is off its place by up to 100 of 257 steps: rounding brings the level back,
    and keeping the high byte alone does not.
    """
    if bits == 16:
        off = np.resize(np.array([-100, 0, 100, 37, -64]), levels.shape)
        return np.clip(levels.astype(np.int64) * 257 + off, 0, 65535).astype(np.uint16)
    most = 2**bits - 1
    return np.round(levels.astype(np.float64) / 255 * most).astype(np.uint16)


def multiplied(colour, alpha):
    """Colours multiplied by alpha, at the depth of both."""
    most = np.iinfo(colour.dtype).max
    product = colour.astype(np.float64) * (alpha.astype(np.float64) / most)[..., None]
    return np.round(product).astype(colour.dtype)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file, and what it must read as."""

    name: str
    """kind/depth/colour/alpha/layout, by whom."""
    write: Callable[[], bytes]
    rgb: Any = None
    """HWC or HW, uint8; None: not compared."""
    alpha: Any = None
    """HW, uint8."""
    selection: Any = None
    """HW, uint8: saved, and not declared as coverage."""
    premultiplied: bool = False
    """Colours came multiplied: where alpha is small they cannot be exact."""
    mean: float = 0.6
    """Largest mean difference of colours, in levels; where the writer itself loses."""
    worst: float = 2.0
    """Largest difference of any colour."""
    alpha_worst: float = 1.0
    refused: bool = False
    """Nobody reads it: `unsupported_format`."""

    def __str__(self):
        return self.name

    @property
    def colour(self):
        """As RGB."""
        return np.repeat(self.rgb[..., None], 3, -1) if self.rgb.ndim == 2 else self.rgb
