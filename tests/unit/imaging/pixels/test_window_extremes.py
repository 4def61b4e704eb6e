import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter, minimum_filter

from pipeline.imaging.pixels.window_extremes import extreme


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 15), st.integers(0, 2**32 - 1))
def test_it_gives_what_scipy_gives(height, width, radius_px, seed):
    plane = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    size = 2 * radius_px + 1
    for kind, known in (("min", minimum_filter), ("max", maximum_filter)):
        found = extreme(plane, radius_px, kind)
        np.testing.assert_array_equal(found, known(plane, size, mode="nearest"))
        assert found.dtype == plane.dtype


@pytest.mark.parametrize(("kind", "lit"), [("max", 5 * 5), ("min", 0)])
def test_a_mask_grows_and_shrinks(kind, lit):
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert extreme(mask, 2, kind).sum() == lit
