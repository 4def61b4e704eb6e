import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.quality.expansion import expansion, growth


def mask(*boxes, shape=(100, 100)):
    """Coverage 1 within boxes of (top, left, bottom, right)."""
    alpha = np.zeros(shape, dtype=np.float32)
    for top, left, bottom, right in boxes:
        alpha[top:bottom, left:right] = 1
    return alpha


PRODUCT = (30, 30, 70, 70)  # 1600 px, so the reach is 4.8 px


def test_an_unchanged_product_has_not_grown():
    assert expansion(mask(PRODUCT), mask(PRODUCT)) == 0


def test_a_rim_counts_by_its_area():
    # Two pixels at every side: (44 * 44 - 40 * 40) / 40 * 40.
    assert expansion(mask(PRODUCT), mask((28, 28, 72, 72))) == pytest.approx(336 / 1600)


def test_a_shrunken_product_has_not_grown():
    assert expansion(mask(PRODUCT), mask((35, 35, 65, 65))) == 0


def test_a_handle_counts_up_to_the_reach():
    # Ten rows at the right edge, twenty pixels long, of which four lie within 4.8 px.
    grown = mask(PRODUCT, (45, 70, 55, 90))
    assert expansion(mask(PRODUCT), grown) == pytest.approx(10 * 4 / 1600)
    assert expansion(mask(PRODUCT), grown, reach=1) == pytest.approx(10 * 20 / 1600)


def test_another_object_does_not_count_however_near():
    # Two pixels away from the product, within the reach but not connected.
    assert expansion(mask(PRODUCT), mask(PRODUCT, (40, 72, 60, 90))) == 0


def test_what_touches_at_a_corner_is_connected():
    assert expansion(mask(PRODUCT), mask(PRODUCT, (70, 70, 72, 72))) == pytest.approx(4 / 1600)


def test_a_connection_through_far_away_is_none():
    # A loop that leaves the reach and comes back: its return leg is not reached within it.
    loop = mask(PRODUCT, (30, 70, 34, 90), (30, 86, 60, 90), (56, 72, 60, 90))
    assert expansion(mask(PRODUCT), loop) == pytest.approx(4 * 4 / 1600)


def test_growth_takes_away_what_the_network_always_adds():
    wide = mask((29, 29, 71, 71))
    assert growth(mask(PRODUCT), wide, wide) == 0
    handle = np.maximum(wide, mask((45, 71, 55, 74)))
    assert growth(mask(PRODUCT), handle, wide) == pytest.approx(10 * 3 / 1600)
    assert growth(mask(PRODUCT), mask(PRODUCT), wide) < 0


@given(st.integers(0, 2**32 - 1))
def test_it_is_never_negative_and_bounded_by_what_was_added(seed):
    rng = np.random.default_rng(seed)
    before = mask(PRODUCT)
    after = (rng.random(before.shape) < rng.random()).astype(np.float32)
    added = ((after >= 0.5) & (before < 0.5)).sum() / 1600
    assert 0 <= expansion(before, after) <= added


def test_sizes_must_agree_and_a_product_be_there():
    with pytest.raises(ValueError, match="sizes differ"):
        expansion(mask(PRODUCT), mask(shape=(4, 4)))
    with pytest.raises(ValueError, match="no product"):
        expansion(mask(), mask(PRODUCT))
