"""The colour a product is pasted with: which methods there are, and where each runs."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FatalError
from pipeline.imaging.closed_form import functions
from pipeline.imaging.compositing.blur_fusion import NARROW_REACH_PX, REACH_PX, fuse
from pipeline.imaging.compositing.foreground_estimation import (
    BLUR_FUSION,
    Solver,
    estimate_foreground,
)
from pipeline.imaging.pixels.color import unit

Float = NDArray[np.float32]

_GPU_TILE_PX = 1024

ForegroundMethod = Literal["multilevel", "blur_fusion", "blur_fusion_cuda", "plain"]

FOREGROUND_DESCRIPTION = (
    "'blur_fusion': the product's own colours are estimated where it is mixed with the old "
    "background, from blurs. 'blur_fusion_cuda': the same on the stage's GPU. 'multilevel': no "
    "better with mattes of a network, a little with perfect ones, and slower; needs the extra "
    "closed-form. 'plain': the photograph's pixels, which carry the old background's colour along."
)

_REVISIONS: dict[ForegroundMethod, int] = {
    "multilevel": 1,
    "blur_fusion": 2,
    "blur_fusion_cuda": 2,
    "plain": 1,
}
"""The revision of each method's code; raise it when the method's colours change, so that
fingerprints do."""


def revision_of(method: ForegroundMethod) -> str:
    """Names the code of a method, as a model's revision names its weights."""
    return f"{method}-{_REVISIONS[method]}"


def check_installed(method: ForegroundMethod) -> None:
    """Raises ValueError: the method needs packages that are not installed."""
    if method == "multilevel":
        functions.check_installed("render.foreground 'multilevel'", instead="blur_fusion")


def load(method: ForegroundMethod) -> None:
    """Bring what a method needs into this process, which may take minutes, before the first row.

    Raises:
        FatalError: it is not on this machine.
    """
    try:
        check_installed(method)
    except ValueError as error:
        raise FatalError(str(error)) from None
    _solver(method)


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
def _solver(method: ForegroundMethod) -> Solver:
    match method:
        case "blur_fusion_cuda":
            return _on_gpu("cuda")
        case "multilevel":
            functions.load_multilevel()
            return functions.MULTILEVEL
        case _:
            return BLUR_FUSION


def _on_gpu(device_name: str) -> Solver:
    """Blur-fusion in torch, on tiles that are worth the way to the GPU and back."""
    from pipeline.models.matting.blur_fusion_torch import torch_solver

    solve = torch_solver(fuse, margin_px=NARROW_REACH_PX, device_name=device_name)
    return Solver(solve=solve, reach_px=REACH_PX, tile_px=_GPU_TILE_PX)
