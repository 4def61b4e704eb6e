"""ViTMatte (Yao et al. 2023, arXiv 2305.15272): an alpha solved where a trimap says unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from pipeline.models.fitting_batches import Fitting
from pipeline.models.matting import torch_device
from pipeline.models.matting.matting_config import VitMatteConfig
from pipeline.models.matting.tiling import blend, tiles_over
from pipeline.models.weights import locate, revision_of

# Shape suffixes: N batch, C channel, H height, W width (h, w of a tile).

Float = NDArray[np.float32]

_MULTIPLE = 32
"""Sides that the network takes: patches of 16, and detail at half their stride."""

_UNKNOWN = np.float32(128 / 255)
"""The trimap's grey as the network was trained: 128 of 255, not one half."""


class VitMatte:
    """Solves the unknown band of a trimap; leaves what the trimap is certain of."""

    revision: str

    def __init__(self, config: VitMatteConfig, *, num_threads: int) -> None:
        """Load the weights.

        Raises:
            FatalError: weights or device are not what was expected.
        """
        self._config = config
        self._device = torch_device.require(config.device, num_threads=num_threads)
        directory = locate(config.checkpoint, cache_dir=config.cache_dir)
        model = torch_device.load(
            transformers.VitMatteForImageMatting, directory, config.checkpoint, config.dtype
        )
        self._model = model.to(self._device)
        self._dtype: torch.dtype = getattr(torch, config.dtype)
        self._fitting = Fitting(config.max_batch)
        self.revision = f"vitmatte-{revision_of(directory)}"

    def solve(self, rgb_HWC: NDArray[np.uint8], trimap_HW: Float) -> Float:
        """Estimate alpha in the unknown band, on tiles around it.

        Args:
            rgb_HWC: the photograph, sRGB, uint8.
            trimap_HW: 1 foreground, 0 background, anything between unknown; same height and width.

        Returns:
            Coverage, [0, 1], same height and width; the trimap's own where that is certain.

        Raises:
            ValueError: sizes differ.
            MemoryError: one tile alone does not fit.
        """
        if rgb_HWC.shape != (*trimap_HW.shape, 3):
            raise ValueError(f"image {rgb_HWC.shape} does not fit a trimap of {trimap_HW.shape}")
        unknown_HW = (trimap_HW > 0) & (trimap_HW < 1)
        windows = tiles_over(
            unknown_HW, side_px=self._config.tile_px, overlap_px=self._config.overlap_px
        )
        inputs = [as_input(rgb_HWC[window], trimap_HW[window]) for window in windows]
        solved = self._fitting.map(inputs, self._solve_batch, key=inputs[0].shape if inputs else ())
        cropped = [
            alpha_hw[: trimap_HW[window].shape[0], : trimap_HW[window].shape[1]]
            for window, alpha_hw in zip(windows, solved, strict=True)
        ]
        blended_HW = blend(trimap_HW.shape[:2], windows, cropped, ramp_px=self._config.overlap_px)
        return np.where(unknown_HW, blended_HW.clip(0, 1), trimap_HW)

    def _solve_batch(self, inputs: Sequence[Float]) -> list[Float]:
        with torch_device.inference():
            feed = torch.from_numpy(np.stack(inputs)).to(self._device, self._dtype)
            alphas_N1hw = self._model(pixel_values=feed).alphas
        return list(alphas_N1hw[:, 0].float().cpu().numpy())


def as_input(rgb_hwC: NDArray[np.uint8], trimap_hw: Float) -> Float:
    """What the network sees of a tile: colour in [-1, 1] and the trimap in [0, 1], 4 x h x w.

    Padded with zeros at the bottom and the right, to sides that are multiples of 32.
    """
    colour_hwC = (rgb_hwC / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    grey_hw1 = np.where((trimap_hw > 0) & (trimap_hw < 1), _UNKNOWN, trimap_hw)[..., np.newaxis]
    input_Chw = np.concatenate([colour_hwC, grey_hw1], axis=-1).transpose(2, 0, 1)
    margins = [(0, -side % _MULTIPLE) for side in trimap_hw.shape]
    return np.pad(input_Chw.astype(np.float32), [(0, 0), *margins])
