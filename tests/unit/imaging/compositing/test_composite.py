import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.compositing.composite import over


def layers(seed=0, shape=(13, 7)):
    rng = np.random.default_rng(seed)
    fg, bg = rng.random((2, *shape, 3), dtype=np.float32)
    return fg, rng.random(shape, dtype=np.float32), bg


def test_opaque_shows_the_foreground_and_clear_the_background_to_the_bit():
    fg, alpha, bg = layers()
    assert (over(fg, np.ones_like(alpha), bg) == fg).all()
    assert (over(fg, np.zeros_like(alpha), bg) == bg).all()


@given(st.integers(0, 1000), st.floats(0, 1))
def test_it_is_linear_in_alpha(seed, mix):
    fg, one, bg = layers(seed)
    two = layers(seed + 1)[1]
    mix = np.float32(mix)
    mixed = over(fg, mix * one + (1 - mix) * two, bg)
    expected = mix * over(fg, one, bg) + (1 - mix) * over(fg, two, bg)
    np.testing.assert_allclose(mixed, expected, atol=1e-6)


def test_a_colour_over_itself_is_that_colour():
    fg, alpha, _ = layers()
    np.testing.assert_allclose(over(fg, alpha, fg), fg, atol=1e-6)


def test_the_result_keeps_float32():
    assert over(*layers()).dtype == np.float32


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_any_other_size_is_refused(wrong):
    arguments = list(layers())
    arguments[wrong] = arguments[wrong][:-1]
    with pytest.raises(ValueError, match="sizes differ"):
        over(*arguments)
