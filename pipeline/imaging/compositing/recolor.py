"""Give a generated plain background another colour, and leave its shadows and reflections alone.

A model paints shadows and reflections on a green-screen well, and on "#e4d5b7" badly. So the colour
is exchanged afterwards: the paint's own colour is the most frequent one; how far a pixel is darker
or lighter than it is shading and is kept; so is what else it differs by, a reflection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.compositing.solid_colors import SOFT_BLACK, Rgb8
from pipeline.imaging.pixels.color import linear_to_srgb, srgb_to_linear
from pipeline.imaging.pixels.oklab import linear_to_oklab, oklab_to_linear

# Shape suffixes: H height, W width, C colour channel, N pixels, 3 OkLab coordinates.

Float = NDArray[np.float32]

SCREEN_PROMPT = "on a solid green background, with shadows and reflections"
"""The prompt that a generator gets when its colour is to be exchanged."""

MAX_CLIPPED = 0.01
"""Share of background pixels that may leave sRGB."""

_BINS = 48
"""The number of bins of the histogram along each coordinate, each about two just noticeable
differences wide."""
_STEPS = 10
_OUTSIDE = 0.5 / 255
"""The excess over the sRGB range from which on a colour counts as clipped: less than rounding moves
a value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recolored:
    """A background in its new colour."""

    rgb_HWC: Float
    """sRGB-encoded, [0, 1]."""
    clipped: float
    """Share of the background's pixels that left sRGB and were cut off."""
    kept: float
    """The share of highlights and reflections that was kept, [0, 1]: 1 unless the colour is so
    light or so strong that they do not fit beside it."""


def recolor(background_HWC: Float, keep_HW: Float, color: Rgb8) -> Recolored:
    """Paint a plain background anew.

    In OkLab, with the paint's colour `m` (the mode) and the asked one `t`, a pixel `p` becomes
    `s t + (p - s m)`, where `s = p_L / m_L` is its shading: a shift, exact for a paint in shadow.
    Scaling a and b instead, as is often done, divides by nearly nothing next to grey. Highlights
    and reflections are weakened together until less than 1 % of the pixels leave sRGB; with
    nothing of them left, none does, since a darkened `t` is a colour.

    Args:
        background_HWC: sRGB-encoded, [0, 1].
        keep_HW: what is not background, [0, 1]: the product, and whatever hides the background.
        color: asked for. Black is taken as a dark grey, on which shadows can be seen.

    Raises:
        ValueError: sizes differ, or nothing is background.
    """
    if background_HWC.shape[:2] != keep_HW.shape:
        raise ValueError(f"background {background_HWC.shape} does not fit {keep_HW.shape}")
    painted_HW = keep_HW < 0.5
    if not painted_HW.any():
        raise ValueError("nothing is background: there is nothing to recolour")
    lab_HW3 = linear_to_oklab(srgb_to_linear(background_HWC))
    wanted = SOFT_BLACK if color == (0, 0, 0) else color
    target_3 = linear_to_oklab(srgb_to_linear(np.asarray(wanted, np.float32) / np.float32(255)))
    mode_3 = _mode(lab_HW3[painted_HW])
    kept, clipped = _most_kept(lab_HW3[painted_HW], mode_3, target_3)
    new_HWC = np.clip(linear_to_srgb(_repaint(lab_HW3, mode_3, target_3, kept)), 0, 1)
    weight_HW1 = np.clip(1 - keep_HW, 0, 1)[..., np.newaxis]
    rgb_HWC = background_HWC + weight_HW1 * (new_HWC - background_HWC)
    return Recolored(rgb_HWC=rgb_HWC.astype(np.float32), clipped=clipped, kept=kept)


def _mode(lab_N3: Float) -> Float:
    """The most frequent colour: mean of the fullest cell of a histogram and its neighbours."""
    low_3, high_3 = lab_N3.min(axis=0), lab_N3.max(axis=0)
    # Cells no narrower than 0.01: in a flat picture, noise would decide between them.
    width_3 = np.maximum((high_3 - low_3) / _BINS, 0.01)
    cell_N3 = ((lab_N3 - low_3) / width_3).astype(np.int64)
    codes, counts = np.unique(cell_N3 @ np.array([1 << 40, 1 << 20, 1]), return_counts=True)
    fullest = int(codes[counts.argmax()])
    best_3 = np.array([fullest >> 40, (fullest >> 20) & 0xFFFFF, fullest & 0xFFFFF])
    near_N = (np.abs(cell_N3 - best_3) <= 1).all(axis=1)
    return np.asarray(lab_N3[near_N].mean(axis=0), dtype=np.float32)


def _repaint(lab: Float, mode_3: Float, target_3: Float, kept: float) -> Float:
    """The formula of `recolor`, to linear light; `kept` weakens highlights and reflections."""
    shading = lab[..., :1] / max(float(mode_3[0]), 1e-3)
    weakened = np.where(shading > 1, 1 + np.float32(kept) * (shading - 1), shading)
    other = lab - shading * mode_3
    return oklab_to_linear((weakened * target_3 + np.float32(kept) * other).astype(np.float32))


def _most_kept(lab_N3: Float, mode_3: Float, target_3: Float) -> tuple[float, float]:
    """The largest share of highlights and reflections that clips little enough, and what clips."""
    sample_N3 = lab_N3[:: max(1, len(lab_N3) // 40_000)]

    def clipped(kept: float) -> float:
        encoded_N3 = linear_to_srgb(_repaint(sample_N3, mode_3, target_3, kept))
        outside_N3 = (encoded_N3 < -_OUTSIDE) | (encoded_N3 > 1 + _OUTSIDE)
        return float(outside_N3.any(axis=1).mean())

    if clipped(1.0) < MAX_CLIPPED:
        return 1.0, clipped(1.0)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if clipped(middle) < 0.9 * MAX_CLIPPED else (low, middle)
    return low, clipped(low)
