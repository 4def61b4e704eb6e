"""The U2-Net family (Qin et al. 2020, arXiv 2005.09007) as ONNX."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.models.matting.fixed_square import IMAGENET_MEAN, IMAGENET_STD, as_input, squash
from pipeline.models.matting.matting_config import U2NetConfig
from pipeline.models.matting.onnx import OnnxNetwork
from pipeline.models.matting.onnx_graph import Graph

_RESAMPLE = Image.Resampling.LANCZOS
"""What the published weights are evaluated behind; another kernel is another input."""


def u2net(config: U2NetConfig, *, num_threads: int) -> OnnxNetwork:
    """Verify the weights of a U2-Net, then load them; the default is the embedded U2-Net-p.

    Raises:
        FatalError: weights, device or runtime are not what was expected.
    """
    # Seven side outputs; the family's graphs list the fused one first.
    graph = Graph(config, num_threads=num_threads, output=0)
    return OnnxNetwork(graph, prepare=preprocess, resample=_RESAMPLE)


def preprocess(image_HWC: NDArray[np.uint8], size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """Resize, divide by the brightest value, normalise: to the letter what the weights expect."""
    small_HWC = squash(image_HWC, size_HW, _RESAMPLE)
    brightest = max(float(small_HWC.max()), 1.0)  # an all-black image stays black
    return as_input((small_HWC / brightest - IMAGENET_MEAN) / IMAGENET_STD)
