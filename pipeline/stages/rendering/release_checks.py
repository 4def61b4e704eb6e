"""What is looked at before a finished picture may leave: that the product did not grow, and safety.

Both use networks of their own, so both are off unless a recipe asks.
"""

from __future__ import annotations

import threading
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.compositing.composite import over
from pipeline.imaging.quality.expansion import growth
from pipeline.models.matting.matting_config import U2NetConfig
from pipeline.models.matting.u2net import u2net
from pipeline.models.weights import Checkpoint

Float = NDArray[np.float32]

_PLAIN = np.float32(0.5)
"""The ground that growth is judged against: grey, which few products vanish before."""


class GrowthConfig(BaseModel):
    """Whether a generator may have drawn more product than there is.

    The picture is matted again, with the embedded U2-Net-p, and so is the product on plain grey;
    growth is the difference. Measured with products drawn a little larger behind themselves: of
    those 10 % larger it finds all at the default limit, of those 5 % larger 58 %; on busy natural
    backgrounds, with nothing grown, it calls a quarter of the pictures grown. So a retry is cheap
    and a failure is not: look before you set `on_growth: fail`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enabled: bool = Field(default=False, description="Look for growth.")
    limit: float = Field(
        0.15, gt=0, description="Area added to the product, as a fraction of it, that is let pass."
    )
    retries: int = Field(
        2,
        ge=0,
        le=10,
        description="How often a picture over the limit is drawn again, each time with the next "
        "seed. The one with the least growth is kept.",
    )
    on_growth: Literal["flag", "fail"] = Field(
        "flag",
        description="What becomes of one that stays over it: 'flag' sets metrics.product_grew, "
        "'fail' makes it an error.",
    )


class SafetyConfig(BaseModel):
    """Whether finished pictures pass Stable Diffusion's safety checker."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    checkpoint: Checkpoint | None = Field(
        None, description="Directory of the checker. Null: pictures are not checked."
    )
    device: Literal["cuda", "cpu"] = Field("cpu", description="Where it runs.")
    on_unsafe: Literal["fail", "flag"] = Field(
        "fail",
        description="What becomes of an unsafe picture: 'fail' makes it an error, 'flag' sets "
        "metrics.unsafe.",
    )


class ChecksConfig(BaseModel):
    """What is looked at before a finished picture may leave."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    growth: GrowthConfig = Field(GrowthConfig(), description="Check that the product did not grow.")
    safety: SafetyConfig = Field(
        SafetyConfig(), description="Check that the picture is safe to show."
    )


class Checks:
    """Looks at finished pictures; may be called from several threads."""

    def __init__(self, config: ChecksConfig, *, num_threads: int) -> None:
        """Load the networks of the checks that are asked for. Raises FatalError."""
        self._config = config
        self._matting = (
            u2net(U2NetConfig(), num_threads=num_threads) if config.growth.enabled else None
        )
        self._safety = None
        self._turn = threading.Lock()
        if config.safety.checkpoint is not None:
            # Imported here: torch takes seconds, and only this check needs it.
            from pipeline.models.generation.safety import SafetyChecker

            self._safety = SafetyChecker(config.safety.checkpoint, device=config.safety.device)

    def growth_of(
        self, image_HWC: NDArray[np.uint8], alpha_HW: Float, background_HWC: Float
    ) -> float | None:
        """How much product a background added, as a fraction of it; None: not asked for.

        Args:
            image_HWC: the photograph, sRGB.
            alpha_HW: coverage of the product, [0, 1], same size.
            background_HWC: what was drawn, sRGB, [0, 1], same size.
        """
        if self._matting is None or not (alpha_HW >= 0.5).any():
            return None
        photo_HWC = image_HWC.astype(np.float32) / np.float32(255)
        grounds = (background_HWC, np.full_like(photo_HWC, _PLAIN))
        generated_HW, plain_HW = self._matting.predict(
            [_eight_bits(over(photo_HWC, alpha_HW, ground_HWC)) for ground_HWC in grounds]
        )
        return growth(alpha_HW, generated_HW, plain_HW)

    def is_unsafe(self, rgb_HWC: NDArray[np.uint8]) -> bool | None:
        """Whether a finished picture, sRGB, is unsafe; None: not asked for.

        Raises:
            RowError: it is, and the recipe wants that to be an error.
        """
        if self._safety is None:
            return None
        with self._turn:  # one device, and a model that was not written for threads
            unsafe = self._safety.is_unsafe(rgb_HWC)
        if unsafe and self._config.safety.on_unsafe == "fail":
            raise RowError(
                ErrorCode.UNSAFE_IMAGE, "the safety checker objects to the finished picture"
            )
        return unsafe


def _eight_bits(rgb_HWC: Float) -> NDArray[np.uint8]:
    return np.asarray(np.clip(rgb_HWC, 0, 1) * 255 + 0.5, dtype=np.uint8)
