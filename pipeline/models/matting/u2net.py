"""The U2-Net family (Qin et al. 2020, arXiv 2005.09007) through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.models.matting.config import EMBEDDED_SHA256, EMBEDDED_WEIGHTS, U2NetConfig
from pipeline.models.matting.onnx import OnnxGraph
from pipeline.models.matting.squash import IMAGENET_MEAN, IMAGENET_STD, as_input, squash, unsquash

_RESAMPLE = Image.Resampling.LANCZOS
"""What the published weights are evaluated behind; another kernel is another input."""


class U2Net:
    """A U2-Net whose checkpoint is configuration; the default is the embedded U2-Net-p (4.6 MB).

    The published graphs accept a batch of one at one size, so images run one after another and no
    alpha depends on its neighbours. Parallelism comes from actors: one thread each is the fastest
    use of a machine that runs as many actors as it has cores.
    """

    revision: str

    def __init__(self, config: U2NetConfig, *, num_threads: int) -> None:
        """Verify the weights, then load them.

        Raises:
            FatalError: weights or device are not what was expected.
        """
        embedded = config.weights is None
        # Seven side outputs; the family's graphs list the fused one first.
        self._graph = OnnxGraph(
            config.weights or EMBEDDED_WEIGHTS,
            sha256=config.weights_sha256 or (EMBEDDED_SHA256 if embedded else None),
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
    """Resize, divide by the brightest value, normalise: to the letter what the weights expect."""
    small_HWC = squash(image_HWC, size_HW, _RESAMPLE)
    brightest = max(float(small_HWC.max()), 1.0)  # an all-black image stays black
    return as_input((small_HWC / brightest - IMAGENET_MEAN) / IMAGENET_STD)
