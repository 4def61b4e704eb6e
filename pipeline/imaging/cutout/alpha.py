"""Fit a network's coarse alpha to the photograph's edges, and refuse one that cannot be used."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.closed_form.functions import closed_form
from pipeline.imaging.cutout.guided_filter import fast_guided_filter
from pipeline.imaging.cutout.trimap import (
    BACKGROUND,
    FOREGROUND,
    UNKNOWN,
    TrimapConfig,
    trimap_of,
)
from pipeline.imaging.pixels.color import unit

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]


class RefineConfig(TrimapConfig):
    """How a coarse alpha is fitted to the photograph. Lengths are fractions of its longer side."""

    method: Literal["none", "guided", "closed_form"] = Field(
        default="guided",
        description="none: the network's alpha as it is. guided: fast guided filter, the best and "
        "the fastest after a small network. closed_form: Levin's matting, over 15 times slower; "
        "needs the extra closed-form.",
    )
    guided_radius: float = Field(
        default=0.012,
        gt=0,
        le=0.1,
        description="guided: half-width of the window; fraction of the longer side.",
    )
    guided_eps: float = Field(
        default=1e-5,
        gt=0,
        le=1,
        description="guided: ridge, in squared colour units of [0, 1]. Larger is smoother.",
    )
    guided_subsample: int = Field(
        default=4,
        ge=1,
        le=16,
        description="guided: models are fitted on a grid this many times coarser.",
    )


class CoverageConfig(BaseModel):
    """Which share of the picture a believable foreground covers (the mean of its alpha)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_coverage: float = Field(
        default=0.001,
        ge=0,
        lt=1,
        description="Less than this and no foreground was found. 0.001 is a 32 px product in 1 MP.",
    )
    max_coverage: float = Field(
        default=0.995,
        gt=0,
        le=1,
        description="More than this and no background is left to replace.",
    )


def refine(alpha_HW: Float, rgb_HWC: NDArray[np.uint8], config: RefineConfig) -> Float:
    """Fit a coarse alpha to the edges of its photograph.

    Args:
        alpha_HW: coarse coverage, [0, 1], at the photograph's size.
        rgb_HWC: the photograph, sRGB, uint8.
        config: method and parameters.

    Returns:
        Coverage, [0, 1], same height and width. Except with method none, it is exactly 0 and 1
        away from the outline, so the inside of a product is never touched by its old background.

    Raises:
        ValueError: sizes differ.
        RowError: closed_form has no certain foreground or background to start from.
    """
    if rgb_HWC.shape != (*alpha_HW.shape, 3):
        raise ValueError(f"image {rgb_HWC.shape} does not fit an alpha of {alpha_HW.shape}")
    if config.method == "none":
        return alpha_HW
    trimap_HW = trimap_of(alpha_HW, config)
    if config.method == "closed_form":
        return _closed_form(rgb_HWC, trimap_HW)
    unknown_HW = trimap_HW == UNKNOWN
    guided_HW = fast_guided_filter(
        alpha_HW,
        unit(rgb_HWC),
        radius_px=config.guided_radius * max(alpha_HW.shape),
        eps=config.guided_eps,
        subsample=config.guided_subsample,
        at_HW=unknown_HW,
    )
    guided_N = guided_HW[unknown_HW]
    trimap_HW[unknown_HW] = _stretch(guided_N, config.background_below, config.foreground_above)
    return trimap_HW


def check_matte(
    alpha_HW: Float, *, min_coverage: float, max_coverage: float, source: str = ""
) -> None:
    """Refuse an alpha that holds next to nothing, or next to everything.

    Args:
        alpha_HW: coverage, [0, 1].
        min_coverage: smallest believable mean of alpha.
        max_coverage: largest believable mean of alpha.
        source: where it is from, as messages begin.

    Raises:
        RowError: `empty_matte` or `full_matte`.
    """
    coverage = float(alpha_HW.mean(dtype=np.float64))
    if coverage < min_coverage:
        raise RowError(
            ErrorCode.EMPTY_MATTE,
            f"{source}the foreground covers {coverage:.3%} of the picture, less than "
            f"{min_coverage:.3%}",
        )
    if coverage > max_coverage:
        raise RowError(
            ErrorCode.FULL_MATTE,
            f"{source}the foreground covers {coverage:.3%} of the picture, more than "
            f"{max_coverage:.3%}",
        )


def _stretch(alpha_N: Float, black: float, white: float) -> Float:
    """Bring `black` to 0 and `white` to 1.

    A ridge regression shrinks towards the mean of its window, so a guided filter leaves a haze of
    a few per cent beside the outline and a dip of a few per cent inside it. The thresholds that
    call an alpha certain are the natural ends to bring back. (Constants of the configuration: no
    picture is stretched by its own minimum and maximum.)
    """
    stretched_N: Float = np.clip((alpha_N - black) / (white - black), 0.0, 1.0)
    return stretched_N


def _closed_form(rgb_HWC: NDArray[np.uint8], trimap_HW: Float) -> Float:
    """`closed_form`, where there is anything to solve. Raises RowError, as `refine`."""
    if not (trimap_HW == FOREGROUND).any():
        raise RowError(ErrorCode.EMPTY_MATTE, "no pixel is certain to be foreground")
    if not (trimap_HW == BACKGROUND).any():
        raise RowError(ErrorCode.FULL_MATTE, "no pixel is certain to be background")
    if not (trimap_HW == UNKNOWN).any():
        return trimap_HW
    return closed_form(rgb_HWC, trimap_HW)
