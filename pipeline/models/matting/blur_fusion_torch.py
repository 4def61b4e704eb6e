"""The torch side of blur-fusion, for a GPU that the stage holds anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pipeline.models.matting import torch_device

# Shape suffixes: N batch (1), C colour channel, H height, W width.

Float = NDArray[np.float32]
Region = tuple[slice, slice]
Fuse = Callable[..., Any]
"""`pipeline.imaging.compositing.blur_fusion.fuse`: it knows no torch, and models no imaging."""


class Tile(Protocol):
    """`pipeline.imaging.pixels.tiles.Tile`, as much of it as is needed here."""

    def widened(self, margin_px: int, shape: tuple[int, ...]) -> tuple[Region, Region]:
        """The tile with its surroundings, and where in that it lies itself."""
        ...


def torch_solver(
    fuse: Fuse, *, margin_px: int, device_name: str
) -> Callable[[Float, Float, Any], Float]:
    """A foreground solver (HWC, HW and a tile in, the tile's HWC out, [0, 1]) on a device.

    Args:
        fuse: the method.
        margin_px: how far its last blur looks: what it needs around a tile.
        device_name: where it runs.

    Raises:
        FatalError: a GPU was asked for and there is none.
    """
    place = torch_device.require(device_name, num_threads=torch.get_num_threads())

    def solve(observed_HWC: Float, alpha_HW: Float, tile: Tile) -> Float:
        near, inner = tile.widened(margin_px, alpha_HW.shape)
        with torch_device.inference():
            observed = torch.from_numpy(np.ascontiguousarray(observed_HWC.transpose(2, 0, 1)))
            alpha = torch.from_numpy(np.ascontiguousarray(alpha_HW))
            fused = fuse(
                observed[None].to(place),
                alpha[None, None].to(place),
                blur=_box_blur,
                crop=lambda image: image[..., near[0], near[1]],
            )
            solved_CHW = fused[0][:, inner[0], inner[1]].clamp(0, 1).cpu().numpy()
        return np.ascontiguousarray(solved_CHW.transpose(1, 2, 0))

    return solve


def _box_blur(image_NCHW: torch.Tensor, window_px: int) -> torch.Tensor:
    """One axis after the other: 2 n instead of n * n additions a pixel."""
    radius = window_px // 2
    padded = functional.pad(image_NCHW, [radius] * 4, mode="replicate")
    rows = functional.avg_pool2d(padded, (window_px, 1), stride=1)
    return functional.avg_pool2d(rows, (1, window_px), stride=1)
