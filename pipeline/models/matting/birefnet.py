"""The BiRefNet family (Zheng et al. 2024, arXiv 2401.03407), RMBG-2.0 among it, as ONNX.

`birefnet_torch` runs it in PyTorch, where the network is code that comes with its weights; it needs
whatever that code imports: torchvision, timm, einops and kornia, for the published ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import FatalError
from pipeline.models.matting.fixed_square import IMAGENET_MEAN, IMAGENET_STD, as_input, squash
from pipeline.models.matting.matting_config import BirefnetOnnxConfig
from pipeline.models.matting.onnx import OnnxNetwork
from pipeline.models.matting.onnx_graph import Graph

RESAMPLE = Image.Resampling.BILINEAR
_ROUNDING = 1e-3
"""How far float16 may carry a coverage past its ends."""


def birefnet_onnx(config: BirefnetOnnxConfig, *, num_threads: int) -> OnnxNetwork:
    """Verify the weights of a BiRefNet exported to ONNX, then load them.

    Raises:
        FatalError: weights, device or runtime are not what was expected.
    """

    def read(output_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        _check(config, float(output_HW.min()), float(output_HW.max()))
        return sigmoid(output_HW) if config.output == "logits" else output_HW

    # Where the export kept the coarser stages, the finest comes last.
    graph = Graph(config, num_threads=num_threads, output=-1)
    return OnnxNetwork(graph, prepare=preprocess, resample=RESAMPLE, read=read)


def _check(config: BirefnetOnnxConfig, lowest: float, highest: float) -> None:
    """Refuse values that contradict the recipe: read the wrong way, every matte is wrong.

    Logits all between 0 and 1 would mean a picture without any background, and without any
    certainty either; no photograph gives them.
    """
    fractions = lowest >= -_ROUNDING and highest <= 1 + _ROUNDING
    if fractions != (config.output == "coverage"):
        other = "coverage" if fractions else "logits"
        raise FatalError(
            f"{config.weights}: output {config.output!r} was announced, and it "
            f"gives {lowest:.3g} to {highest:.3g}: say output: {other}"
        )


def preprocess(image_HWC: NDArray[np.uint8], size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """Scale to [0, 1], then normalise by ImageNet's mean and deviation."""
    levels_HWC = squash(image_HWC, size_HW, RESAMPLE)
    return as_input((levels_HWC / np.float32(255) - IMAGENET_MEAN) / IMAGENET_STD)


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Logits to coverage, any shape; float32, without overflow at either end."""
    return np.asarray(0.5 * (np.tanh(0.5 * logits.astype(np.float32)) + 1), dtype=np.float32)
