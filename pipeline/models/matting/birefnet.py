"""The BiRefNet family (Zheng et al. 2024, arXiv 2401.03407), RMBG-2.0 among it, in two runtimes.

In ONNX Runtime it needs nothing else. In PyTorch the network is code that comes with its weights;
it needs whatever that code imports: torchvision, timm, einops and kornia, for the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import FatalError
from pipeline.models.matting.config import BirefnetOnnxConfig
from pipeline.models.matting.onnx import OnnxGraph
from pipeline.models.matting.squash import IMAGENET_MEAN, IMAGENET_STD, as_input, squash, unsquash

RESAMPLE = Image.Resampling.BILINEAR
_ROUNDING = 1e-3
"""How far float16 may carry a coverage past its ends."""


class BirefnetOnnx:
    """A BiRefNet exported to ONNX, whose checkpoint is configuration."""

    revision: str

    def __init__(self, config: BirefnetOnnxConfig, *, num_threads: int) -> None:
        """Verify the weights, then load them.

        Raises:
            FatalError: weights or device are not what was expected.
        """
        self._config = config
        # Where the export kept the coarser stages, the finest comes last.
        self._graph = OnnxGraph(
            config.weights,
            sha256=config.weights_sha256,
            device=config.device,
            num_threads=num_threads,
            output=-1,
        )
        self.revision = self._graph.revision

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """See `MattingNetwork.predict`."""
        return [self._predict_one(image_HWC) for image_HWC in images]

    def _predict_one(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        output_HW = self._graph.run(preprocess(image_HWC, self._graph.input_HW))
        self._check(float(output_HW.min()), float(output_HW.max()))
        alpha_HW = sigmoid(output_HW) if self._config.output == "logits" else output_HW
        return unsquash(alpha_HW, image_HWC.shape[:2], RESAMPLE)

    def _check(self, lowest: float, highest: float) -> None:
        """Refuse values that contradict the recipe: read the wrong way, every matte is wrong.

        Logits all between 0 and 1 would mean a picture without any background, and without any
        certainty either; no photograph gives them.
        """
        fractions = lowest >= -_ROUNDING and highest <= 1 + _ROUNDING
        if fractions != (self._config.output == "coverage"):
            other = "coverage" if fractions else "logits"
            raise FatalError(
                f"{self._config.weights}: output {self._config.output!r} was announced, and it "
                f"gives {lowest:.3g} to {highest:.3g}: say output: {other}"
            )


def preprocess(image_HWC: NDArray[np.uint8], size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """To [0, 1], then normalised by ImageNet's mean and deviation."""
    levels_HWC = squash(image_HWC, size_HW, RESAMPLE)
    return as_input((levels_HWC / np.float32(255) - IMAGENET_MEAN) / IMAGENET_STD)


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Logits to coverage, any shape; float32, without overflow at either end."""
    return np.asarray(0.5 * (np.tanh(0.5 * logits.astype(np.float32)) + 1), dtype=np.float32)
