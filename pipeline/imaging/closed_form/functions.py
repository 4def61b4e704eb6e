"""What pymatting computes, whose functions numba compiles: an extra, and never the default."""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.closed_form.compilation import load
from pipeline.imaging.compositing.foreground_estimation import Solver
from pipeline.imaging.pixels.tiles import Tile

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_PACKAGES = ("pymatting", "numba")


def check_installed(setting: str, *, instead: str) -> None:
    """Refuse a setting whose packages are not installed; looks for them and imports nothing.

    Args:
        setting: the field and its value, as a recipe names them.
        instead: a value that needs nothing.

    Raises:
        ValueError: they are not; says what to install.
    """
    if any(find_spec(package) is None for package in _PACKAGES):
        raise ValueError(
            f"{setting} needs the extra 'closed-form': pip install 'backlot[closed-form]', "
            f"or set it to '{instead}'"
        )


def multilevel(observed_HWC: Float, alpha_HW: Float, tile: Tile) -> Float:
    """Solve for both colours, smooth where alpha is not, from coarse to fine.

    Germer et al. 2020, "Fast multi-level foreground estimation", arXiv 2006.14970.

    Args:
        observed_HWC: the photograph, [0, 1].
        alpha_HW: coverage, [0, 1].
        tile: what is wanted; all of the picture decides it.

    Returns:
        The foreground's colour in the tile, [0, 1].
    """
    solved_HWC = load_multilevel().estimate_foreground_ml(observed_HWC, alpha_HW)
    return np.asarray(solved_HWC[tile.region], dtype=np.float32)


MULTILEVEL = Solver(solve=multilevel, reach_px=None)


def closed_form(rgb_HWC: NDArray[np.uint8], trimap_HW: Float) -> Float:
    """Levin, Lischinski and Weiss (2008), "A closed-form solution to natural image matting".

    Args:
        rgb_HWC: the photograph, sRGB, uint8.
        trimap_HW: 0 certainly background, 1 certainly foreground, else unknown; some of each.

    Returns:
        Coverage, [0, 1], same height and width.
    """
    alpha_HW = load_closed_form().estimate_alpha_cf(rgb_HWC / 255.0, trimap_HW.astype(np.float64))
    return np.asarray(alpha_HW, dtype=np.float32)


def load_multilevel() -> ModuleType:
    """Have `multilevel` compiled; it does that itself, at its first picture. See `load`."""
    return load("foreground.estimate_foreground_ml")


def load_closed_form() -> ModuleType:
    """Have `closed_form` compiled; pymatting does that itself at its first picture. See `load`."""
    return load("alpha.estimate_alpha_cf")
