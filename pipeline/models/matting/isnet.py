"""IS-Net (Qin et al. 2022, arXiv 2203.03041) as ONNX: isnet-general-use, RMBG-1.4."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.models.matting.fixed_square import as_input, squash
from pipeline.models.matting.matting_config import IsNetConfig
from pipeline.models.matting.onnx import OnnxNetwork
from pipeline.models.matting.onnx_graph import Graph

_RESAMPLE = Image.Resampling.BILINEAR


def isnet(config: IsNetConfig, *, num_threads: int) -> OnnxNetwork:
    """Verify the weights of an IS-Net, then load them.

    Raises:
        FatalError: weights, device or runtime are not what was expected.
    """
    # Six side outputs from fine to coarse, then features where the export kept them.
    graph = Graph(config, num_threads=num_threads, output=0)
    return OnnxNetwork(graph, prepare=preprocess, resample=_RESAMPLE)


def preprocess(image_HWC: NDArray[np.uint8], size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """Scale to [0, 1], then centre on 0.5, unscaled, as the family is trained."""
    levels_HWC = squash(image_HWC, size_HW, _RESAMPLE)
    return as_input(levels_HWC / np.float32(255) - np.float32(0.5))
