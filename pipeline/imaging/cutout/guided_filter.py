"""The fast guided filter: smooth an alpha while its edges follow those of the photograph."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from pipeline.imaging.pixels.tiles import Tile, tiles_with

# Shape suffixes: H height, W width (h, w subsampled), C guide channel.

Float = NDArray[np.float32]

_TILE_PX = 128


def fast_guided_filter(
    src_HW: Float,
    guide_HWC: Float,
    *,
    radius_px: float,
    eps: float,
    subsample: int = 1,
    at_HW: NDArray[np.bool_] | None = None,
) -> Float:
    """Fit `src` as a local affine function of the guide's colour, and evaluate it per pixel.

    In every square window of half-width `radius_px`, `src` is regressed on the three colour
    channels with ridge `eps`; each pixel gets the mean of the models of the windows covering it.
    The colour guide of He, Sun and Tang (2013, "Guided image filtering", eq. 19-21), with the
    models fitted on a subsampled grid as in He and Sun (2015, arXiv 1505.00996).

    Args:
        src_HW: what to filter.
        guide_HWC: colour, [0, 1], three channels, same height and width; in sRGB encoding, where
            equal steps look equal, so `eps` means the same in shadows and in highlights.
        radius_px: half-width of the window in pixels of the full-size image.
        eps: ridge on the regression, in squared guide units: edges of lower variance are smoothed.
        subsample: the models are fitted on a grid this many times coarser in each direction. The
            guide is read at full size afterwards, so fine edges survive.
        at_HW: the pixels that are wanted; None: all. Tiles without any are not filtered.

    Returns:
        The filtered `src`, not clipped: a regression overshoots slightly. Where it is not wanted,
        `src` itself or the filtered one.

    Raises:
        ValueError: sizes differ, or a parameter is out of range.
    """
    if guide_HWC.shape != (*src_HW.shape, 3):
        raise ValueError(f"guide {guide_HWC.shape} does not fit a source of {src_HW.shape}")
    if radius_px < 0 or eps <= 0 or subsample < 1:
        raise ValueError(f"out of range: {radius_px=}, {eps=}, {subsample=}")
    height, width = src_HW.shape
    grid_hw = (math.ceil(height / subsample), math.ceil(width / subsample))
    radius_grid = max(1, round(radius_px / subsample)) if radius_px else 0
    slopes_hwC, offset_hw = _window_models(
        _resize(src_HW, grid_hw),
        np.stack([_resize(guide_HWC[..., c], grid_hw) for c in range(3)], axis=-1),
        radius=radius_grid,
        eps=eps,
    )
    models_hw = [_box_mean(slopes_hwC[..., c], radius_grid) for c in range(3)]
    models_hw.append(_box_mean(offset_hw, radius_grid))
    coarse = [Image.fromarray(model_hw.astype(np.float32)) for model_hw in models_hw]
    wanted_HW = np.ones(src_HW.shape, dtype=np.bool_) if at_HW is None else at_HW
    filtered_HW = src_HW.copy()
    for tile in tiles_with(wanted_HW, side_px=_TILE_PX):
        slopes, offset = coarse[:3], coarse[3]
        filtered = _enlarged(offset, tile, src_HW.shape)
        for c, slope in enumerate(slopes):
            filtered += _enlarged(slope, tile, src_HW.shape) * guide_HWC[..., c][tile.region]
        filtered_HW[tile.region] = filtered
    return filtered_HW


def _enlarged(coarse: Image.Image, tile: Tile, size_HW: tuple[int, ...]) -> Float:
    """A tile of the plane that the coarse one comes to at full size, bilinear."""
    down, across = coarse.height / size_HW[0], coarse.width / size_HW[1]
    box = (tile.left * across, tile.top * down, tile.right * across, tile.bottom * down)
    size = (tile.right - tile.left, tile.bottom - tile.top)
    return np.array(coarse.resize(size, Image.Resampling.BILINEAR, box=box))


def _window_models(
    src_hw: Float, guide_hwC: Float, *, radius: int, eps: float
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Slope per guide channel and offset of the ridge regression in the window of each pixel."""
    # float64: variances are differences of nearly equal numbers, and eps is as small as 1e-6.
    src = src_hw.astype(np.float64)
    channels = [guide_hwC[..., c].astype(np.float64) for c in range(3)]
    mean_src = _box_mean(src, radius)
    means = [_box_mean(channel, radius) for channel in channels]
    covariance = np.empty((*src.shape, 3, 3))
    correlation = np.empty((*src.shape, 3))
    for i in range(3):
        correlation[..., i] = _box_mean(channels[i] * src, radius) - means[i] * mean_src
        for j in range(i, 3):
            moment = _box_mean(channels[i] * channels[j], radius) - means[i] * means[j]
            covariance[..., i, j] = covariance[..., j, i] = moment
    slopes_hwC: NDArray[np.floating] = np.linalg.solve(
        covariance + eps * np.eye(3), correlation[..., np.newaxis]
    )[..., 0]
    offset_hw = mean_src - sum(slopes_hwC[..., c] * means[c] for c in range(3))
    return slopes_hwC, np.asarray(offset_hw)


def _box_mean(values_HW: NDArray[np.floating], radius: int) -> NDArray[np.floating]:
    """Mean over the square window, as far as it lies inside the image."""
    size = 2 * radius + 1
    height, width = values_HW.shape
    inside = np.asarray(uniform_filter(values_HW, size, mode="constant"))
    return inside / np.outer(_covered(height, radius), _covered(width, radius))


def _covered(length: int, radius: int) -> NDArray[np.floating]:
    """The fraction of each position's window that lies inside `length` positions."""
    at = np.arange(length)
    inside = np.minimum(at + radius, length - 1) - np.maximum(at - radius, 0) + 1
    return inside / (2 * radius + 1)


def _resize(plane: NDArray[np.floating], size_HW: tuple[int, ...]) -> Float:
    """Area mean, aligned at pixel edges."""
    if plane.shape == size_HW:
        return plane.astype(np.float32)
    height, width = size_HW
    # Pillow's BILINEAR widens its kernel when it shrinks.
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
