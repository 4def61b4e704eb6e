"""What every matting network takes and gives, whatever its architecture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class MattingNetwork(Protocol):
    """Finds the foreground of photographs. Built once per actor; loads in its constructor."""

    revision: str
    """Architecture and the start of the weights' SHA-256: same revision and pixels, same alpha."""

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Estimate the coverage of the foreground in each image.

        Args:
            images: sRGB, uint8, height x width x 3; sizes may differ within one call.

        Returns:
            One alpha per image, in order: height x width of its image, coverage in [0, 1].

        Raises:
            ValueError: an image has another shape or dtype.
            MemoryError: the batch does not fit; the caller retries it smaller.
        """
        ...


class TrimapSolver(Protocol):
    """Estimates alpha where a trimap calls it unknown. Built once per actor."""

    revision: str
    """Architecture and weights, as of `MattingNetwork`."""

    def solve(
        self, rgb_HWC: NDArray[np.uint8], trimap_HW: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Estimate the coverage of the foreground in the unknown band.

        Args:
            rgb_HWC: the photograph, sRGB, uint8.
            trimap_HW: 1 foreground, 0 background, 0.5 unknown; same height and width.

        Returns:
            Coverage, [0, 1], same height and width; the trimap's own where that is certain.
        """
        ...
