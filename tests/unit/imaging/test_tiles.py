import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.tiles import tiles_with


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 20),
    st.integers(0, 9),
    st.floats(0, 0.1),
    st.integers(0, 2**32 - 1),
)
def test_tiles_hold_all_of_the_mask_once_and_know_their_place(
    height, width, side_px, margin_px, share, seed
):
    mask = np.random.default_rng(seed).random((height, width)) < share
    seen = np.zeros(mask.shape, int)
    for tile in tiles_with(mask, side_px=side_px):
        near, inner = tile.widened(margin_px, mask.shape)
        assert mask[near][inner].any()
        seen[near][inner] += 1
        rows, columns = near
        assert rows.start == max(0, tile.top - margin_px)
        assert columns.stop == min(width, tile.right + margin_px)
    assert seen.max(initial=0) <= 1
    assert (seen[mask] == 1).all()
