"""A matting network that is one ONNX graph, and what belongs around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.models.matting.fixed_square import unsquash
from pipeline.models.matting.onnx_graph import Graph

# Shape suffixes: N batch (always 1), C colour channel, H height, W width.

Prepare = Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.float32]]
"""A photograph, HWC, to what the graph takes, NCHW of the given height and width."""
Read = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""What the graph gives to coverage, HW both."""


def coverage(output_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the output unchanged: the graph ends in a sigmoid."""
    return output_HW


class OnnxNetwork:
    """See `MattingNetwork`. Every architecture brings its own way in and out of the graph.

    The published graphs accept a batch of one at one size, so images run one after another and no
    alpha depends on its neighbours. Parallelism comes from actors: one thread each is the fastest
    use of a machine that runs as many actors as it has cores.
    """

    revision: str

    def __init__(
        self, graph: Graph, *, prepare: Prepare, resample: Image.Resampling, read: Read = coverage
    ) -> None:
        self.revision = graph.revision
        self._graph = graph
        self._prepare = prepare
        self._read = read
        self._resample = resample

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """See `MattingNetwork.predict`."""
        return [self._predict_one(image_HWC) for image_HWC in images]

    def _predict_one(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        output_HW = self._graph.run(self._prepare(image_HWC, self._graph.input_HW))
        return unsquash(self._read(output_HW), image_HWC.shape[:2], self._resample)
