"""IS-Net (Qin et al. 2022, arXiv 2203.03041) through ONNX Runtime: isnet-general-use, RMBG-1.4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.models.matting.config import IsNetConfig
from pipeline.models.matting.onnx import OnnxGraph
from pipeline.models.matting.squash import as_input, squash, unsquash

_RESAMPLE = Image.Resampling.BILINEAR


class IsNet:
    """An IS-Net whose checkpoint is configuration."""

    revision: str

    def __init__(self, config: IsNetConfig, *, num_threads: int) -> None:
        """Verify the weights, then load them.

        Raises:
            FatalError: weights or device are not what was expected.
        """
        # Six side outputs from fine to coarse, then features where the export kept them.
        self._graph = OnnxGraph(
            config.weights,
            sha256=config.weights_sha256,
            device=config.device,
            num_threads=num_threads,
            output=0,
        )
        self.revision = self._graph.revision

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """See `MattingNetwork.predict`."""
        return [self._predict_one(image_HWC) for image_HWC in images]

    def _predict_one(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        alpha_HW = self._graph.run(preprocess(image_HWC, self._graph.input_HW))
        return unsquash(alpha_HW, image_HWC.shape[:2], _RESAMPLE)  # it ends in a sigmoid


def preprocess(image_HWC: NDArray[np.uint8], size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """To [0, 1], then centred on 0.5 and not scaled, as the family is trained."""
    levels_HWC = squash(image_HWC, size_HW, _RESAMPLE)
    return as_input(levels_HWC / np.float32(255) - np.float32(0.5))
