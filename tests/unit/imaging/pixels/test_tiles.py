import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.pixels.tiles import tiles_with


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
        tight = tile.around(mask)
        assert mask[tight.region].sum() == mask[tile.region].sum()
        assert all(mask[tight.region].any(axis).all(where=ends) for axis, ends in _ends(tight))
        near, inner = tile.widened(margin_px, mask.shape)
        assert mask[near][inner].any()
        seen[near][inner] += 1
        rows, columns = near
        assert rows.start == max(0, tile.top - margin_px)
        assert columns.stop == min(width, tile.right + margin_px)
    assert seen.max(initial=0) <= 1
    assert (seen[mask] == 1).all()


def _ends(tile):
    """The first and the last of a tile's columns and rows, which must hold some of the mask."""
    for axis, length in ((0, tile.right - tile.left), (1, tile.bottom - tile.top)):
        at = np.arange(length)
        yield axis, (at == 0) | (at == length - 1)
