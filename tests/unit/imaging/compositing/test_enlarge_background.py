"""Backgrounds that were drawn smaller than the photograph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.compositing.enlarge_background import crispen
from pipeline.imaging.pixels.resample import resize


@pytest.fixture
def edge_HWC():
    """A picture with an edge, enlarged three times."""
    small = np.full((16, 16, 3), 0.2, dtype=np.float32)
    small[:, 8:] = 0.7
    return resize(small, 48, 48)


def steepest(image_HWC):
    return np.abs(np.diff(image_HWC[24, :, 0])).max()


def test_edges_become_steeper(edge_HWC):
    assert steepest(crispen(edge_HWC, scale=3, amount=0.7)) > 1.15 * steepest(edge_HWC)


@given(amount=st.floats(0, 2), scale=st.floats(1.1, 6))
def test_nothing_leaves_the_range_of_its_picture(amount, scale):
    rng = np.random.default_rng(5)
    image_HWC = resize(rng.random((12, 12, 3), dtype=np.float32), 30, 30)
    crisp_HWC = crispen(image_HWC, scale=scale, amount=amount)
    assert crisp_HWC.min() >= image_HWC.min()
    assert crisp_HWC.max() <= image_HWC.max()


@pytest.mark.parametrize(("scale", "amount"), [(1, 0.7), (0.5, 0.7), (3, 0)])
def test_what_was_not_enlarged_is_left_alone(edge_HWC, scale, amount):
    crisp_HWC = crispen(edge_HWC, scale=scale, amount=amount)
    assert crisp_HWC is not edge_HWC
    np.testing.assert_array_equal(crisp_HWC, edge_HWC)


def test_flat_colour_stays_what_it_is():
    flat_HWC = np.full((20, 20, 3), 0.3, dtype=np.float32)
    np.testing.assert_allclose(crispen(flat_HWC, scale=2, amount=1), flat_HWC, atol=1e-6)
