"""What the lens and the sensor do: defocus, enlarging smooth layers, tone curve, sRGB encoding."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

# Shape suffixes: C colour channel (first: planes are contiguous), H height, W width; lower case =
# the reduced size at which smooth layers are drawn. Light is linear unless a name says srgb.

Float = NDArray[np.float32]

_SHOULDER = 0.72  # linear light above this is compressed towards 1 instead of being cut


def defocus(rgb_Chw: Float, radius_px: float) -> Float:
    """Blur by a disc, the image of a point through an open aperture; highlights become bokeh discs.

    Args:
        rgb_Chw: linear light, may exceed 1.
        radius_px: of the disc; under half a pixel nothing changes.
    """
    if radius_px < 0.5:
        return rgb_Chw
    _, h, w = rgb_Chw.shape
    margin = int(np.ceil(radius_px)) + 1
    padded = np.pad(rgb_Chw, ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    shape = [scipy.fft.next_fast_len(n, real=True) for n in padded.shape[1:]]
    axis = np.arange(-margin, margin + 1, dtype=np.float32)
    disc = np.clip(radius_px + 0.5 - np.hypot(axis[:, None], axis[None, :]), 0, 1)
    kernel = scipy.fft.rfft2(disc / disc.sum(), s=shape)
    blurred = scipy.fft.irfft2(scipy.fft.rfft2(padded, s=shape) * kernel, s=shape)
    # The result of a linear (uncentred) convolution lags by the kernel's centre.
    window = blurred[:, 2 * margin : 2 * margin + h, 2 * margin : 2 * margin + w]
    return np.asarray(np.maximum(window, 0), dtype=np.float32)


def enlarge(layer: Float, rows_y: Float, columns_x: Float) -> Float:
    """Read a smooth layer at a finer grid with cubic B-splines: no facets, no ringing, no banding.

    Args:
        layer: shape (..., h, w).
        rows_y: where to read, as fractions of the height, shape (H,).
        columns_x: as fractions of the width, shape (W,).

    Returns:
        Shape (..., H, W).
    """
    return _spline(_spline(layer, columns_x, axis=-1), rows_y, axis=-2)


def _spline(layer: Float, at: Float, *, axis: int) -> Float:
    n = layer.shape[axis]
    position = np.clip(at, 0, 1) * np.float32(n) - np.float32(0.5)
    first = np.floor(position)
    t = (position - first).astype(np.float32)
    weights = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    shape = (-1, 1) if axis == -2 else (-1,)
    taps = [np.clip(first.astype(np.int32) + k, 0, n - 1) for k in (-1, 0, 1, 2)]
    result: Float = layer.take(taps[0], axis=axis) * weights[0].reshape(shape)
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        result += layer.take(tap, axis=axis) * weight.reshape(shape)
    return result


def develop(rgb_CHW: Float) -> Float:
    """Linear light to an sRGB-encoded picture, H x W x C, in [0, 1].

    Highlights roll off above a shoulder; the curve acts on the brightest channel and scales the
    other
    two with it, so a strong colour keeps its hue instead of drifting to yellow, cyan or magenta.
    """
    peak = np.maximum(rgb_CHW.max(axis=0), 1e-6)
    room = np.float32(1 - _SHOULDER)
    rolled = _SHOULDER + room * (1 - np.exp((_SHOULDER - peak) / room))
    scale = np.where(peak > _SHOULDER, rolled / peak, np.float32(1))
    return np.ascontiguousarray(np.moveaxis(encode_srgb(rgb_CHW * scale), 0, -1))


def encode_srgb(linear: Float) -> Float:
    """IEC 61966-2-1 transfer function, linear [0, 1] to encoded [0, 1]."""
    x = np.clip(linear, 0, 1)
    curve = np.float32(1.055) * np.power(x, np.float32(1 / 2.4)) - np.float32(0.055)
    return np.where(x <= 0.0031308, x * np.float32(12.92), curve)
