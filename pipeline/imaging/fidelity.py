"""A certificate of fidelity: how much of the photographed product a finished file still shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.imaging.difference import delta_e, srgb_to_lab

# Shape suffixes: H height, W width, C colour channel, N pixels.

Float = NDArray[np.float32]
Rgb8 = NDArray[np.uint8]

_MOST_COMPARED = 20_000
"""Pixels whose CIEDE2000 is taken, evenly spread: it costs a microsecond each."""

_BAND = (0.02, 0.98)
"""Coverage between which a pixel counts as mixed."""

_WINDOW_PX = 15
"""Side of the square around a mixed pixel in which pure ones are looked for."""

_FEWEST_MIXED = 20
_LEAST_CONTRAST = 4 / 255
"""Below this, product and old background look too much alike to tell a halo."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fidelity:
    """What happened to the product. None: nothing to measure it on."""

    interior_px: int
    """Pixels that show nothing but product: alpha is 1."""
    bit_equal: bool
    """Before the file was coded, all of them were the photograph's own, bit for bit."""
    psnr_db: float | None = None
    """Of them, in the file as it decodes, against the photograph; None also if nothing differs."""
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
    if mixed_HW.sum() < _FEWEST_MIXED:
        return None
    box = _around(mixed_HW)
    alpha_HW, mixed_HW = alpha_HW[box], mixed_HW[box]
    photo_HWC, composed_HWC = photo_HWC[box], composed_HWC[box]
    product_HW, ground_HW = alpha_HW >= high, alpha_HW <= low
    known_HW = mixed_HW & _reached(product_HW) & _reached(ground_HW)
    if known_HW.sum() < _FEWEST_MIXED:
        return None
    a_N1 = alpha_HW[known_HW][:, np.newaxis]
    product_N3 = _near(composed_HWC, product_HW, known_HW)
    ground_N3 = _near(composed_HWC, ground_HW, known_HW)
    contrast_N3 = _near(photo_HWC, ground_HW, known_HW) - _near(photo_HWC, product_HW, known_HW)
    if np.sqrt((contrast_N3**2).mean()) < _LEAST_CONTRAST:
        return None
    clean_N3 = a_N1 * product_N3 + (1 - a_N1) * ground_N3
    left_N3 = _unit(composed_HWC[known_HW]) - clean_N3
    whole_N3 = a_N1 * (1 - a_N1) * contrast_N3
    return float((left_N3 * whole_N3).sum() / (whole_N3**2).sum())


def _psnr(one_N3: Rgb8, other_N3: Rgb8) -> float | None:
    """Peak signal-to-noise ratio, dB; None where they are equal and it would be infinite."""
    error = np.square(one_N3.astype(np.float32) - other_N3).mean(dtype=np.float64)
    return None if error == 0 else float(10 * np.log10(255**2 / error))


def _differences(one_N3: Rgb8, other_N3: Rgb8) -> NDArray[np.float64]:
    step = -(-len(one_N3) // _MOST_COMPARED)
    one_N3, other_N3 = one_N3[::step], other_N3[::step]
    return delta_e(srgb_to_lab(_unit(one_N3)), srgb_to_lab(_unit(other_N3)))


def _unit(rgb8_N3: Rgb8) -> Float:
    return rgb8_N3.astype(np.float32) / np.float32(255)


def _around(mask_HW: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rectangle that holds the mask and a window around it."""
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - _WINDOW_PX), int(rows[-1]) + 1 + _WINDOW_PX),
        slice(max(0, int(columns[0]) - _WINDOW_PX), int(columns[-1]) + 1 + _WINDOW_PX),
    )


def _reached(mask_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where there is enough of the mask in the window for a mean of it."""
    return np.asarray(_mean(mask_HW.astype(np.float32)) > 1.5 / _WINDOW_PX**2)


def _near(rgb_HWC: Rgb8, mask_HW: NDArray[np.bool_], at_HW: NDArray[np.bool_]) -> Float:
    """Mean colour of the mask's pixels in the window around some pixels; N3, [0, 1]."""
    weight_HW = mask_HW.astype(np.float32)
    total_N = _mean(weight_HW)[at_HW] * np.float32(255)
    means = [_mean(rgb_HWC[..., c] * weight_HW)[at_HW] / total_N for c in range(3)]
    return np.stack(means, axis=-1)


def _mean(plane_HW: Float) -> Float:
    return np.asarray(uniform_filter(plane_HW, _WINDOW_PX, mode="constant"), dtype=np.float32)
