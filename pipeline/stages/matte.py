"""Matte: the photograph's bytes in, the product's coverage and the sizes to work at out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline import schema
from pipeline.errors import Columns, Outcome, Row, each
from pipeline.imaging.alpha import CoverageConfig, RefineConfig, check_matte, refine
from pipeline.imaging.codec import ImageLimits, Photo, decode, encode_alpha
from pipeline.models.matting.u2net import EMBEDDED_SHA256, U2Net
from pipeline.stage import Resources, Stage


class MatteConfig(BaseModel):
    """Which network cuts the product out, and how its edge is refined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Literal["u2net"] = Field("u2net", description="Architecture of the matting network.")
    weights: str | None = Field(
        None, description="Path of an ONNX file; null: U2-Net-p, which ships with Backlot."
    )
    weights_sha256: str | None = Field(
        None, description="SHA-256 the weights must have, hex; null: not checked."
    )
    use_file_alpha: bool = Field(
        default=True,
        description="Take the alpha channel of an input that has one instead of matting it.",
    )
    refine: RefineConfig = Field(
        RefineConfig(), description="How the network's coarse edge is fitted to the photograph."
    )
    coverage: CoverageConfig = Field(
        CoverageConfig(), description="What is refused as no cut-out at all."
    )

    @property
    def revision(self) -> str:
        """Names the weights that cut out, before they are loaded."""
        if self.weights is None:
            return EMBEDDED_SHA256
        # Unpinned weights are known by their path alone: pin them to have a change noticed.
        return self.weights_sha256 or self.weights


class MatteMapper:
    """Cuts products out."""

    def __init__(self, config: MatteConfig, *, limits: ImageLimits, num_threads: int) -> None:
        self._config = config
        self._limits = limits
        self._network = U2Net(
            None if config.weights is None else Path(config.weights),
            sha256=config.weights_sha256,
            num_threads=num_threads,
        )

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Decode, cut out and refine, one photograph at a time: a decoded one is large."""
        return each(rows, self._matte)

    def _matte(self, row: Row) -> Columns:
        photo = decode(row["image_bytes"], self._limits)
        alpha_HW, source = self._alpha(photo)
        coverage = self._config.coverage
        check_matte(
            alpha_HW, min_coverage=coverage.min_coverage, max_coverage=coverage.max_coverage
        )
        return {
            "alpha": encode_alpha(alpha_HW),
            "alpha_source": source,
            "matting_model": self._network.revision if source == "network" else None,
            "decode_notes": list(photo.notes),
        }

    def _alpha(self, photo: Photo) -> tuple[NDArray[np.float32], str]:
        if photo.alpha_HW is not None and self._config.use_file_alpha:
            return photo.alpha_HW, "file"
        (coarse_HW,) = self._network.predict([photo.rgb_HWC])
        return refine(coarse_HW, photo.rgb_HWC, self._config.refine), "network"


def matte(config: MatteConfig, resources: Resources, *, limits: ImageLimits) -> Stage:
    """The stage that cuts products out."""
    return Stage(
        name="matte",
        mapper=partial(MatteMapper, limits=limits, num_threads=resources.num_threads),
        config=config,
        reads=("image_bytes",),
        adds=pa.schema(
            [schema.ALPHA, schema.ALPHA_SOURCE, schema.MATTING_MODEL, schema.DECODE_NOTES]
        ),
        batch_size=4,
        resources=resources,
    )
