"""BiRefNet in PyTorch, through the code that is published with its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from pipeline.errors import FatalError
from pipeline.models.fitting_batches import Fitting
from pipeline.models.matting import torch_device
from pipeline.models.matting.birefnet import RESAMPLE, preprocess
from pipeline.models.matting.fixed_square import unsquash
from pipeline.models.matting.matting_config import BirefnetConfig
from pipeline.models.weights import locate, revision_of

# Shape suffixes: N batch, C colour channel, H height, W width.

Image = NDArray[np.uint8]
Alpha = NDArray[np.float32]


class Birefnet:
    """A BiRefNet whose checkpoint is configuration.

    Every photograph becomes the same square, so photographs of any sizes share a batch.
    """

    revision: str

    def __init__(self, config: BirefnetConfig, *, num_threads: int) -> None:
        """Load the weights, and the code beside them.

        Raises:
            FatalError: weights, code or device are not what was expected.
        """
        self._device = torch_device.require(config.device, num_threads=num_threads)
        directory = locate(config.checkpoint, cache_dir=config.cache_dir)
        model = torch_device.load(
            transformers.AutoModelForImageSegmentation,
            directory,
            config.checkpoint,
            config.dtype,
        )
        self._model = model.to(self._device)
        self._dtype: torch.dtype = getattr(torch, config.dtype)
        self._size_HW = (config.side_px, config.side_px)
        self._fitting = Fitting(config.max_batch)
        self.revision = f"birefnet-{revision_of(directory)}"

    def predict(self, images: Sequence[Image]) -> list[Alpha]:
        """See `MattingNetwork.predict`."""
        return self._fitting.map(images, self._predict_batch, key=self._size_HW)

    def _predict_batch(self, images: Sequence[Image]) -> list[Alpha]:
        input_NCHW = np.concatenate([preprocess(image, self._size_HW) for image in images])
        with torch_device.inference():
            feed = torch.from_numpy(input_NCHW).to(self._device, self._dtype)
            coverage = _finest(self._model(feed)).float().sigmoid()
        if coverage.shape != (len(images), 1, *self._size_HW):
            raise FatalError(
                f"{type(self._model).__name__}: expected one map of "
                f"{self._size_HW[0]} x {self._size_HW[1]} per photograph, "
                f"found {list(coverage.shape)}"
            )
        alphas_NHW = coverage[:, 0].cpu().numpy()
        return [
            unsquash(alpha_HW, image.shape[:2], RESAMPLE)
            for alpha_HW, image in zip(alphas_NHW, images, strict=True)
        ]


def _finest(output: Any) -> torch.Tensor:
    """The logits at full size: the last of the list that the published code returns."""
    last = output[-1] if isinstance(output, list | tuple) and output else output
    if not isinstance(last, torch.Tensor):
        raise FatalError(
            f"the network gave a {type(output).__name__} that does not end in a map of logits"
        )
    return last
