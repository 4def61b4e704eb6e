from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.compositing.composite import over
from pipeline.imaging.compositing.shadow import shade
from pipeline.imaging.pixels.color import linear_to_srgb, srgb_to_linear
from pipeline.imaging.pixels.strips import strips

SEVERAL = (150, 4000, 3)
"""A picture of three strips, the last of them shorter."""


@pytest.mark.parametrize("shape", [(1, 1), (65, 4096), (3, 10_000_000), SEVERAL])
def test_strips_are_every_row_once(shape):
    rows = [row for strip in strips(shape) for row in range(shape[0])[strip]]
    assert rows == list(range(shape[0]))


def test_a_composite_is_the_same_to_the_bit_strip_by_strip():
    rng = np.random.default_rng(1)
    fg_HWC, bg_HWC = rng.random((2, *SEVERAL), dtype=np.float32)
    alpha_HW = rng.random(SEVERAL[:2], dtype=np.float32)
    alpha_HW1 = alpha_HW[..., np.newaxis]
    assert len(list(strips(SEVERAL))) == 3
    assert np.array_equal(
        over(fg_HWC, alpha_HW, bg_HWC), alpha_HW1 * fg_HWC + (1 - alpha_HW1) * bg_HWC
    )
    dark_HW = alpha_HW < 1
    shaded_N3 = linear_to_srgb(srgb_to_linear(bg_HWC[dark_HW]) * alpha_HW[dark_HW][:, np.newaxis])
    assert np.array_equal(shade(bg_HWC, alpha_HW)[dark_HW], shaded_N3)
