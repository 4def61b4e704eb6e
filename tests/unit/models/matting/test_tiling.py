import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.matting.tiling import blend, tiles_over


def size_of(window):
    return tuple(span.stop - span.start for span in window)


@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    side=st.integers(8, 40),
    overlap=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_windows_cover_what_is_wanted_and_have_one_size(shape, side, overlap, seed):
    wanted = np.random.default_rng(seed).random(shape) < 0.01
    windows = tiles_over(wanted, side_px=side, overlap_px=overlap)
    covered = np.zeros(shape, bool)
    for window in windows:
        covered[window] = True
        assert wanted[window].any()
        assert all(0 <= span.start < span.stop <= n for span, n in zip(window, shape, strict=True))
    assert not (wanted & ~covered).any()
    assert len({size_of(window) for window in windows}) <= 1
    assert all(max(size_of(window)) <= side for window in windows)


def test_a_ring_leaves_out_the_tiles_in_its_middle():
    y, x = np.mgrid[:400, :400] - 200
    ring = np.abs(np.hypot(y, x) - 180) < 3
    windows = tiles_over(ring, side_px=100, overlap_px=10)
    assert len(windows) == 16  # of 5 x 5
    assert not any(r.start < 200 < r.stop and c.start < 200 < c.stop for r, c in windows)


@pytest.mark.parametrize("overlap", [0, 1, 16])
def test_tiles_of_one_picture_blend_back_to_that_picture(overlap):
    picture = np.random.default_rng(0).random((75, 101), dtype=np.float32)
    windows = tiles_over(np.ones((75, 101), bool), side_px=40, overlap_px=overlap)
    assert len(windows) > 3
    blended = blend((75, 101), windows, [picture[w] for w in windows], ramp_px=overlap)
    np.testing.assert_allclose(blended, picture, atol=1e-6)


def test_tiles_that_disagree_fade_into_one_another():
    windows = [(slice(0, 8), slice(0, 24)), (slice(0, 8), slice(16, 40))]
    values = [np.zeros((8, 24), np.float32), np.ones((8, 24), np.float32)]
    row = blend((8, 40), windows, values, ramp_px=8)[4]
    assert (row[:16] == 0).all()
    assert (row[24:] == 1).all()
    np.testing.assert_allclose(np.diff(row[15:25]), 1 / 9, atol=1e-6)


def test_nothing_wanted_is_nothing_done():
    assert tiles_over(np.zeros((50, 50), bool), side_px=32, overlap_px=4) == []
    assert (blend((5, 6), [], [], ramp_px=4) == 0).all()
