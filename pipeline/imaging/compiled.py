"""What pymatting computes, whose functions numba compiles: an extra, and never the default."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.foreground import Solver
from pipeline.imaging.tiles import Tile

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_PACKAGES = ("pymatting", "numba")


def require(setting: str, *, instead: str) -> None:
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
    # Imported late: pymatting compiles its kernels on first import, which takes tens of seconds on
    # a machine that has no cache of them yet.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    solved_HWC = np.asarray(estimate_foreground_ml(observed_HWC, alpha_HW), dtype=np.float32)
    return solved_HWC[tile.region]


MULTILEVEL = Solver(solve=multilevel, reach_px=None)
