"""Shadows and light against pictures that somebody has looked at."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.golden.draw import CASES, FOLDER, bottle, draw

MEAN_LEVELS = 0.15
MOST_LEVELS = 3
"""Of 255, for all but a thousandth of the values. Another machine rounds differently, and dither
turns that into single levels."""


@pytest.mark.parametrize("name", CASES)
def test_a_picture_looks_as_it_did(name):
    golden = np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGB")).astype(int)
    apart = np.abs(draw(name) - golden)
    assert apart.mean() <= MEAN_LEVELS
    assert np.percentile(apart, 99.9) <= MOST_LEVELS


def test_the_tolerance_is_narrower_than_what_it_has_to_tell_apart():
    pictures = {name: draw(name).astype(int) for name in CASES}
    for group in ("shadow", "light"):
        kin = [name for name in CASES if name.startswith(group)]
        for one in kin:
            for other in kin[kin.index(one) + 1 :]:
                apart = np.abs(pictures[one] - pictures[other])
                assert apart.mean() > MEAN_LEVELS or np.percentile(apart, 99.9) > MOST_LEVELS, (
                    one,
                    other,
                )


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("shadow")])
def test_no_shadow_touches_the_product(name):
    photo, alpha = bottle()
    np.testing.assert_array_equal(draw(name)[alpha == 1], photo[alpha == 1])
