"""Conversions between sRGB encoding and linear light, and from float to the 8 bits of a file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_STRIP_PIXELS = 1 << 20
"""Dither noise drawn at a time: 24 MP at once would take 600 MB."""


def srgb_to_linear(srgb: Float) -> Float:
    """Decode sRGB to linear light (IEC 61966-2-1); [0, 1] to [0, 1], any shape."""
    toe = srgb / np.float32(12.92)
    curve = ((srgb + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(srgb <= np.float32(0.04045), toe, curve)


def linear_to_srgb(linear: Float) -> Float:
    """Encode linear light as sRGB (IEC 61966-2-1); [0, 1] to [0, 1], any shape."""
    # The power of a negative value is NaN; such a value takes the straight toe.
    positive = np.maximum(linear, np.float32(0))
    curve = np.float32(1.055) * positive ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), linear * np.float32(12.92), curve)


def unit(levels: NDArray[np.uint8]) -> Float:
    """8-bit levels as [0, 1], any shape; `k` is `k / 255`."""
    values = levels.astype(np.float32)
    values /= np.float32(255)
    return values


def srgb8_to_linear(srgb: NDArray[np.uint8]) -> Float:
    """Decode 8-bit sRGB to linear light, [0, 1]: one look-up per value."""
    table = srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
    return table[srgb]


def quantise(rgb_HWC: Float, *, seed: int, weight_HW: Float) -> NDArray[np.uint8]:
    """Round to 8 bits, with triangular dither where it is wanted.

    A computed gradient rounded plainly shows bands. Triangular noise of one step to either side
    (Lipshitz, Wannamaker and Vanderkooy 1992, "Quantization and dither") makes mean and noise
    level independent of the value. It shrinks next to 0 and 1, where it would be cut off, so that
    pure white stays pure white.

    Args:
        rgb_HWC: sRGB-encoded, [0, 1]; values outside are clipped.
        seed: decides the noise; same seed and size, same noise.
        weight_HW: strength of the dither, [0, 1]. With 0 the value is rounded to the nearest step,
            so `k / 255` comes out as `k`: pass 0 where the photograph's own pixels are kept.

    Returns:
        sRGB, uint8, same shape.

    Raises:
        ValueError: the two sizes differ.
    """
    if rgb_HWC.shape[:2] != weight_HW.shape:
        raise ValueError(f"image {rgb_HWC.shape} does not fit weights of {weight_HW.shape}")
    rng = np.random.default_rng(seed)
    rgb8_HWC = np.empty(rgb_HWC.shape, dtype=np.uint8)
    rows = max(1, _STRIP_PIXELS // max(1, rgb_HWC.shape[1]))
    for top in range(0, rgb_HWC.shape[0], rows):
        strip = slice(top, top + rows)
        rgb8_HWC[strip] = _dithered(rgb_HWC[strip], weight_HW[strip, :, np.newaxis], rng)
    return rgb8_HWC


def _dithered(rgb_HWC: Float, weight_HW1: Float, rng: np.random.Generator) -> NDArray[np.uint8]:
    steps = np.clip(rgb_HWC, 0, 1) * np.float32(255)
    triangular = rng.random(steps.shape, dtype=np.float32)
    triangular -= rng.random(steps.shape, dtype=np.float32)
    # At the very ends half a step of noise remains, which rounding removes.
    room = np.minimum(np.minimum(steps, 255 - steps) + np.float32(0.5), np.float32(1))
    dithered = np.clip(steps + triangular * room * weight_HW1 + np.float32(0.5), 0, 255)
    return np.asarray(np.floor(dithered), dtype=np.uint8)
