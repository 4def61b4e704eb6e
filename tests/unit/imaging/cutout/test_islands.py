import numpy as np

from pipeline.imaging.cutout.islands import drop_islands


def picture():
    """100 x 100: a ring of 20 x 20 with a hole, a crumb of 9 px, a crumb of 3 px."""
    alpha = np.zeros((100, 100), np.float32)
    alpha[10:30, 10:30] = 1
    alpha[18:20, 18:20] = 0
    alpha[60:63, 60:63] = 1
    alpha[80, 80:83] = 1
    return alpha


def test_only_pieces_below_the_area_go_and_holes_stay():
    alpha = picture()
    cleared = drop_islands(alpha, min_area=5e-4)
    expected = alpha.copy()
    expected[80, 80:83] = 0
    assert (cleared == expected).all()
    assert (drop_islands(alpha, min_area=9e-4) == expected).all()
    assert (drop_islands(alpha, min_area=0) == alpha).all()


def test_the_largest_piece_stays_however_small_it_is():
    alpha = np.zeros((100, 100), np.float32)
    alpha[5, 5] = 0.5
    alpha[50, 50] = 0.25
    cleared = drop_islands(alpha, min_area=0.5)
    assert cleared[5, 5] == 0.5
    assert cleared[50, 50] == 0


def test_a_faint_slanting_strap_ties_a_small_piece_to_the_product():
    alpha = picture()
    for step in range(31):
        alpha[29 + step, 29 + step] = max(alpha[29 + step, 29 + step], 0.02)
    cleared = drop_islands(alpha, min_area=2e-3)
    assert (cleared[60:63, 60:63] == 1).all()
    assert (cleared[80] == 0).all()


def test_its_argument_is_left_as_it_is():
    alpha = picture()
    before = alpha.copy()
    drop_islands(alpha, min_area=0.1)
    assert (alpha == before).all()
