"""A certificate of fidelity: how much of the photographed product a finished file still shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.imaging.pixels.color import unit
from pipeline.imaging.pixels.color_difference import delta_e, srgb_to_lab
from pipeline.imaging.pixels.tiles import Tile, tiles_with

# Shape suffixes: H height, W width, C colour channel, N pixels.

Float = NDArray[np.float32]
Rgb8 = NDArray[np.uint8]

_MOST_COMPARED = 20_000
"""Pixels whose CIEDE2000 is taken, evenly spread: it costs a microsecond each."""

_BAND = (0.02, 0.98)
"""Coverage between which a pixel counts as mixed."""

_WINDOW_PX = 15
"""Side of the square around a mixed pixel in which pure ones are looked for."""

_TILE_PX = 64
_MOST_TILES = 96
"""Looked at, evenly spread: the outline of a product that fills one megapixel has about 60."""

_FEWEST_MIXED = 20
_LEAST_CONTRAST = 4 / 255
"""The contrast, [0, 1], below which product and old background look too much alike to tell a halo.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fidelity:
    """What happened to the product. None: nothing to measure it on."""

    interior_px: int
    """Pixels that show nothing but product: alpha is 1."""
    bit_equal: bool
    """Whether all of these pixels were the photograph's own, bit for bit, before the file was
    coded."""
    psnr_db: float | None = None
    """The PSNR of these pixels, in dB, in the file as it decodes against the photograph; None also
    if nothing differs."""
    delta_e_mean: float | None = None
    """CIEDE2000 of the same; below 1 hardly anyone sees a difference."""
    delta_e_p95: float | None = None
    delta_e_max: float | None = None
    halo: float | None = None
    """Share of the old background's light that is left in the outline; see `halo`."""


def certify(
    photo_HWC: Rgb8, alpha_HW: Float, composed_HWC: Rgb8, decoded_HWC: Rgb8, *, resampled: bool
) -> Fidelity:
    """Compare a finished picture with its photograph, where that shows the product.

    Args:
        photo_HWC: the photograph where the finished picture shows it, sRGB.
        alpha_HW: coverage of the product, [0, 1].
        composed_HWC: the finished picture before it was coded, sRGB.
        decoded_HWC: the file, decoded, sRGB.
        resampled: whether the product had to change its size to come here: then the photograph's
            own pixels are not to be had any more, and the resampled ones are compared.

    Raises:
        ValueError: the sizes differ.
    """
    shape = (*alpha_HW.shape, 3)
    if not photo_HWC.shape == composed_HWC.shape == decoded_HWC.shape == shape:
        raise ValueError(
            f"sizes differ: photograph {photo_HWC.shape}, alpha {alpha_HW.shape}, composed "
            f"{composed_HWC.shape}, decoded {decoded_HWC.shape}"
        )
    interior_HW = alpha_HW >= 1
    if not interior_HW.any():
        return Fidelity(interior_px=0, bit_equal=False)
    photo_N3, decoded_N3 = photo_HWC[interior_HW], decoded_HWC[interior_HW]
    shift_N = _differences(photo_N3, decoded_N3)
    return Fidelity(
        interior_px=len(photo_N3),
        bit_equal=not resampled and bool((composed_HWC[interior_HW] == photo_N3).all()),
        psnr_db=_psnr(photo_N3, decoded_N3),
        delta_e_mean=float(shift_N.mean()),
        delta_e_p95=float(np.percentile(shift_N, 95)),
        delta_e_max=float(shift_N.max()),
        halo=halo(photo_HWC, alpha_HW, composed_HWC),
    )


def halo(photo_HWC: Rgb8, alpha_HW: Float, composed_HWC: Rgb8) -> float | None:
    """How much of the old background the outline has carried along.

    A mixed pixel of the photograph is `P = a F + (1 - a) B`. Pasted as it is, it comes to
    `a P + (1 - a) B'`; with the product's own colour it would be `E = a F + (1 - a) B'`. They
    differ by `a (1 - a) (B - F)`, and the result is the least-squares share of that which lies
    between the finished picture and E. F, B and B' are means of pure pixels close by.

    Args:
        photo_HWC: the photograph, sRGB.
        alpha_HW: coverage, [0, 1].
        composed_HWC: the finished picture, sRGB.

    Returns:
        About 0: nothing is left of it. About 1: as much as where the photograph's pixels are
        pasted. None: too few mixed pixels, or a product that looks like its old background.
    """
    low, high = _BAND
    mixed_HW = (alpha_HW > low) & (alpha_HW < high)
    tiles = tiles_with(mixed_HW, side_px=_TILE_PX)
    step = -(-len(tiles) // _MOST_TILES) or 1
    parts = [_outline(photo_HWC, alpha_HW, composed_HWC, tile) for tile in tiles[::step]]
    if sum(part.shape[1] for part in parts) < _FEWEST_MIXED:
        return None
    contrast_N3, left_N3, whole_N3 = np.concatenate(parts, axis=1)
    if np.sqrt((contrast_N3**2).mean()) < _LEAST_CONTRAST:
        return None
    return float((left_N3 * whole_N3).sum() / (whole_N3**2).sum())


def _outline(photo_HWC: Rgb8, alpha_HW: Float, composed_HWC: Rgb8, tile: Tile) -> Float:
    """Contrast, halo and expected halo of a tile's mixed pixels that have pure ones close by.

    Returns:
        3N3: contrast, the finished picture less `E`, and `a (1 - a) (B - F)`.
    """
    low, high = _BAND
    near, inner = tile.widened(_WINDOW_PX // 2, alpha_HW.shape)
    alpha_HW, photo_HWC, composed_HWC = alpha_HW[near], photo_HWC[near], composed_HWC[near]
    mixed_HW = np.zeros(alpha_HW.shape, dtype=np.bool_)
    mixed_HW[inner] = (alpha_HW[inner] > low) & (alpha_HW[inner] < high)
    product, ground = _Pure.of(alpha_HW >= high), _Pure.of(alpha_HW <= low)
    known_HW = mixed_HW & product.reached() & ground.reached()
    if not known_HW.any():
        return np.empty((3, 0, 3), dtype=np.float32)
    a_N1 = alpha_HW[known_HW][:, np.newaxis]
    clean_N3 = a_N1 * product.color(composed_HWC, known_HW)
    clean_N3 += (1 - a_N1) * ground.color(composed_HWC, known_HW)
    contrast_N3 = ground.color(photo_HWC, known_HW) - product.color(photo_HWC, known_HW)
    left_N3 = unit(composed_HWC[known_HW]) - clean_N3
    return np.stack([contrast_N3, left_N3, a_N1 * (1 - a_N1) * contrast_N3])


@dataclass(frozen=True, slots=True)
class _Pure:
    """Pixels of product alone, or of ground alone, and their means in windows."""

    weight_HW: Float
    share_HW: Float
    """The share of pure pixels in each window, [0, 1]."""

    @classmethod
    def of(cls, mask_HW: NDArray[np.bool_]) -> _Pure:
        weight_HW = mask_HW.astype(np.float32)
        return cls(weight_HW, _mean(weight_HW))

    def reached(self) -> NDArray[np.bool_]:
        """The pixels with enough of them in the window for a mean; HW."""
        return np.asarray(self.share_HW > 1.5 / _WINDOW_PX**2)

    def color(self, rgb_HWC: Rgb8, at_HW: NDArray[np.bool_]) -> Float:
        """The mean colour of these pixels in windows around others; N3, [0, 1]."""
        total_N = self.share_HW[at_HW] * np.float32(255)
        planes = (rgb_HWC[..., c] * self.weight_HW for c in range(3))
        return np.stack([_mean(plane_HW)[at_HW] / total_N for plane_HW in planes], axis=-1)


def _psnr(one_N3: Rgb8, other_N3: Rgb8) -> float | None:
    """Peak signal-to-noise ratio, dB; None where they are equal and it would be infinite."""
    error = np.square(one_N3.astype(np.float32) - other_N3).mean(dtype=np.float64)
    return None if error == 0 else float(10 * np.log10(255**2 / error))


def _differences(one_N3: Rgb8, other_N3: Rgb8) -> NDArray[np.float64]:
    step = -(-len(one_N3) // _MOST_COMPARED)
    one_N3, other_N3 = one_N3[::step], other_N3[::step]
    return delta_e(srgb_to_lab(unit(one_N3)), srgb_to_lab(unit(other_N3)))


def _mean(plane_HW: Float) -> Float:
    return np.asarray(uniform_filter(plane_HW, _WINDOW_PX, mode="constant"), dtype=np.float32)
