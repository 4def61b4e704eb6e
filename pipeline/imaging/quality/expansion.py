"""Whether the generated background grew the product (Eshratifar et al. 2024, arXiv 2404.10157).

Inpainting models like to continue what they are shown: a handle gets longer, a box gets a second
lid. The measure mattes the generated picture again and asks how much product was added.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_propagation, distance_transform_edt

# Shape suffixes: H height, W width.

Float = NDArray[np.float32]

REACH = 0.12
"""The distance within which growth is looked for, as a fraction of the square root of the product's
area."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def expansion(before_HW: Float, after_HW: Float, *, reach: float = REACH) -> float:
    """Area added to the product, as a fraction of its area.

    Only what hangs together with the product, within `reach * sqrt(area)` of it: a second object
    elsewhere in the scene is no growth, whatever the matting network calls foreground.

    Args:
        before_HW: coverage of the product in the photograph, [0, 1].
        after_HW: coverage in another picture of it, at the same place and size.
        reach: how far to look, in square roots of the product's area.

    Returns:
        (area(after or before) - area(before)) / area(before), restricted as above; 0 or more.

    Raises:
        ValueError: sizes differ, or there is no product to have grown.
    """
    if before_HW.shape != after_HW.shape:
        raise ValueError(f"sizes differ: before {before_HW.shape}, after {after_HW.shape}")
    product_HW = before_HW >= 0.5
    area_px = int(product_HW.sum())
    if area_px == 0:
        raise ValueError("no pixel has a coverage of one half or more: there is no product")
    near_HW = distance_transform_edt(~product_HW) <= reach * math.sqrt(area_px)
    candidates_HW = product_HW | ((after_HW >= 0.5) & near_HW)
    grown_HW = binary_propagation(product_HW, structure=_EIGHT_NEIGHBOURS, mask=candidates_HW)
    return (int(grown_HW.sum()) - area_px) / area_px


def growth(
    before_HW: Float, generated_HW: Float, plain_HW: Float, *, reach: float = REACH
) -> float:
    """Expansion on the generated background, over that of the same product on a plain ground.

    A matting network draws outlines a little wider or narrower than the coverage it is compared
    with, by an amount that depends on the product. Matting the product once more, set on a plain
    ground by the same compositing, measures that amount and takes it away; a threshold on the bare
    expansion calls more than a third of faultless pictures grown.

    Args:
        before_HW: coverage of the product in the photograph, [0, 1].
        generated_HW: coverage found in the picture with the generated background.
        plain_HW: coverage found, by the same network, in the product on a plain ground.
        reach: as for `expansion`.

    Returns:
        The difference of the two expansions; below 0 where the plain ground fared worse.

    Raises:
        ValueError: as for `expansion`.
    """
    generated = expansion(before_HW, generated_HW, reach=reach)
    return generated - expansion(before_HW, plain_HW, reach=reach)
