"""The colour a product is pasted with: which methods there are, and where each runs."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.blur_fusion import blur_fusion, fuse
from pipeline.imaging.color import unit
from pipeline.imaging.compiled import require
from pipeline.imaging.foreground import ForegroundSolver, estimate_foreground, multilevel

Float = NDArray[np.float32]

ForegroundMethod = Literal["multilevel", "blur_fusion", "blur_fusion_cuda", "plain"]

FOREGROUND_DESCRIPTION = (
    "'blur_fusion': the product's own colours are estimated where it is mixed with the old "
    "background, from blurs. 'blur_fusion_cuda': the same on the stage's GPU. 'multilevel': no "
    "better with mattes of a network, a little with perfect ones, and slower; needs the extra "
    "closed-form. 'plain': the photograph's pixels, which carry the old background's colour along."
)


def check_installed(method: ForegroundMethod) -> None:
    """Raises ValueError: the method needs packages that are not installed."""
    if method == "multilevel":
        require("render.foreground 'multilevel'", instead="blur_fusion")


def foreground_of(rgb_HWC: NDArray[np.uint8], alpha_HW: Float, method: ForegroundMethod) -> Float:
    """The product's straight colour, sRGB-encoded, [0, 1]; see `estimate_foreground`.

    Raises:
        ValueError: the two sizes differ.
        FatalError: `blur_fusion_cuda`, and there is no GPU.
    """
    if method == "plain":
        return unit(rgb_HWC)
    return estimate_foreground(rgb_HWC, alpha_HW, solver=_solver(method))


@cache
def _solver(method: ForegroundMethod) -> ForegroundSolver:
    match method:
        case "blur_fusion":
            return blur_fusion
        case "blur_fusion_cuda":
            from pipeline.models.matting.blur_fusion import torch_solver

            return torch_solver(fuse, device_name="cuda")
        case _:
            return multilevel
