"""The alpha that a row brings along, so that no network has to find the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Row
from pipeline.imaging.mask import coverage_from
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.reading.photo import Photo

Float = NDArray[np.float32]

AlphaSource = Literal["mask", "clipping_path", "file", "saved_selection"]
"""Values of the column alpha_source, beside 'network'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenAlpha:
    """Coverage of the product that nobody here has to find."""

    alpha_HW: Float
    """[0, 1], at the size of the upright photograph."""
    source: AlphaSource
    notes: tuple[str, ...] = ()
    """What a user would want to know of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlphaSources:
    """Which of the alphas that a row brings is taken, if any."""

    limits: ImageLimits
    use_file_alpha: bool

    def __call__(self, row: Row, photo: Photo) -> GivenAlpha | None:
        """The first that there is, the most deliberate one before the others; None: none.

        A mask was named for this very row. A clipping path was drawn by hand to cut this picture
        out. An alpha channel is most often a cut-out, but need not be; a saved selection may be of
        anything. Hence the order: mask, clipping path, alpha channel, saved selection, network. A
        new source is one more method here, at its place in that order.

        Args:
            row: with `mask_bytes` and `image_bytes`.
            photo: the row's photograph, decoded.

        Raises:
            RowError: something was given and cannot be used.
        """
        sources: tuple[Callable[[Row, Photo], GivenAlpha | None], ...] = (
            self._mask,
            self._file_alpha,
        )
        return next((given for source in sources if (given := source(row, photo))), None)

    def _mask(self, row: Row, photo: Photo) -> GivenAlpha | None:
        if row["mask_bytes"] is None:
            return None
        mask = decode(row["mask_bytes"], self.limits)
        return GivenAlpha(alpha_HW=coverage_from(mask, photo.rgb_HWC.shape[:2]), source="mask")

    def _file_alpha(self, _: Row, photo: Photo) -> GivenAlpha | None:
        if photo.alpha_HW is None or not self.use_file_alpha:
            return None
        return GivenAlpha(alpha_HW=photo.alpha_HW, source="file")
