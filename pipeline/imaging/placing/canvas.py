"""A cut-out photograph laid on its canvas, pixels and coverage alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.pixels.resample import Region, resize
from pipeline.imaging.placing.layout import Box, Layout, Product

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_PRESENT = 0.05
"""Fainter coverage does not count for where the product is: mattes have a haze here and there."""

_CUT_SHARE = 0.02
"""The share of a frame side, [0, 1], that the product must touch to count as cut off there: a hair
does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A photograph on its canvas: what everything after it takes for the photograph."""

    rgb_HWC: NDArray[np.uint8]
    """sRGB; around the photograph, the mean colour of its old background."""
    alpha_HW: Float
    """Coverage of the product, [0, 1]; 0 around the photograph."""
    layout: Layout
    untouched: bool
    """The pixels are the photograph's own: not resampled, whether moved or not."""


def product_of(alpha_HW: Float) -> Product:
    """Where the product is in its photograph, and where the frame cuts it off.

    Raises:
        RowError: `empty_matte`, there is no product.
    """
    present_HW = alpha_HW > _PRESENT
    rows = np.flatnonzero(present_HW.any(axis=1))
    columns = np.flatnonzero(present_HW.any(axis=0))
    if rows.size == 0:
        raise RowError(ErrorCode.EMPTY_MATTE, "no foreground to place on a canvas")
    top, left = int(rows[0]), int(columns[0])
    solid_HW = alpha_HW > 0.5
    return Product(
        photo_height=alpha_HW.shape[0],
        photo_width=alpha_HW.shape[1],
        box=Box(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top),
        cut_left=bool(solid_HW[:, 0].mean() > _CUT_SHARE),
        cut_right=bool(solid_HW[:, -1].mean() > _CUT_SHARE),
        cut_top=bool(solid_HW[0].mean() > _CUT_SHARE),
        cut_bottom=bool(solid_HW[-1].mean() > _CUT_SHARE),
    )


def place(rgb_HWC: NDArray[np.uint8], alpha_HW: Float, layout: Layout) -> Placed:
    """Lay a photograph and its coverage on the canvas.

    Both are resampled nearly alike, so that they still fit the matting equation `image = alpha * fg
    + (1 - alpha) * bg`, which is linear: the foreground's colours are estimated afterwards. Nearly:
    an echo of the outline in the coverage would be seen on white.

    Args:
        rgb_HWC: the photograph, sRGB.
        alpha_HW: coverage of the product, [0, 1], same height and width.
        layout: from `lay_out`, for this photograph.

    Raises:
        ValueError: the two sizes differ.
    """
    if rgb_HWC.shape[:2] != alpha_HW.shape:
        raise ValueError(f"image {rgb_HWC.shape} does not fit an alpha of {alpha_HW.shape}")
    if layout.is_identity(*alpha_HW.shape):
        return Placed(rgb_HWC=rgb_HWC, alpha_HW=alpha_HW, layout=layout, untouched=True)
    shown, region = _visible(layout, *alpha_HW.shape)
    size = (layout.canvas_height, layout.canvas_width)
    canvas_HWC = np.empty((*size, 3), dtype=np.uint8)
    canvas_HWC[:] = _surroundings(rgb_HWC, alpha_HW)
    coverage_HW = np.zeros(size, dtype=np.float32)
    if shown.width > 0 and shown.height > 0:
        at = (slice(shown.y, shown.bottom), slice(shown.x, shown.right))
        canvas_HWC[at] = resize(rgb_HWC, shown.height, shown.width, region=region)
        coverage_HW[at] = resize(
            alpha_HW, shown.height, shown.width, region=region, kernel="bicubic"
        )
    untouched = (layout.source.width, layout.source.height) == (
        layout.target.width,
        layout.target.height,
    )
    return Placed(rgb_HWC=canvas_HWC, alpha_HW=coverage_HW, layout=layout, untouched=untouched)


def fill(alpha_HW: Float) -> float:
    """The share of the frame the product fills, along the side where it fills more, [0, 1]."""
    box = product_of(alpha_HW).box
    height, width = alpha_HW.shape
    return float(max(box.height / height, box.width / width))


def _visible(layout: Layout, height: int, width: int) -> tuple[Box, Region]:
    """The canvas pixels that show the photograph, and the part of it they show."""
    left, right, x, shown_width = _span(
        layout.source.x, layout.source.width, layout.target.x, layout.target.width,
        size=width, canvas=layout.canvas_width,
    )  # fmt: skip
    top, bottom, y, shown_height = _span(
        layout.source.y, layout.source.height, layout.target.y, layout.target.height,
        size=height, canvas=layout.canvas_height,
    )  # fmt: skip
    return Box(x, y, shown_width, shown_height), (left, top, right, bottom)


def _span(
    source: int, source_length: int, target: int, target_length: int, *, size: int, canvas: int
) -> tuple[float, float, int, int]:
    """One axis: the part shown of the photograph, and the first pixel and number of pixels.

    Whole canvas pixels, as many as both the photograph and the canvas have around the target.
    """
    step = source_length / target_length
    before = min(int(source / step), target)
    after = min(int((size - source - source_length) / step), canvas - target - target_length)
    low = max(0.0, source - before * step)
    high = min(float(size), source + source_length + after * step)
    return low, high, target - before, target_length + before + after


def _surroundings(rgb_HWC: NDArray[np.uint8], alpha_HW: Float) -> NDArray[np.uint8]:
    """A quiet colour for what lies outside the photograph; never seen in a result."""
    background_N3 = rgb_HWC[alpha_HW < _PRESENT]
    if background_N3.size == 0:
        return np.full(3, 128, dtype=np.uint8)
    return np.asarray(np.round(background_N3.mean(axis=0)), dtype=np.uint8)
