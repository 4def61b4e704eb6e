import numpy as np
import pytest

from pipeline.imaging.file_alpha.edge_colors import CutoutColors
from pipeline.imaging.file_alpha.filling import made_whole
from tests import cutouts


@pytest.mark.parametrize("shape", [(300, 260), (61, 47)])
def test_straight_colours_stay_and_what_is_hidden_continues_them(shape):
    color, alpha8 = cutouts.product(height=shape[0], width=shape[1])
    file = cutouts.files(color, alpha8)["straight, black under it"]
    whole = made_whole(file, alpha8 / np.float32(255), CutoutColors())
    assert (whole[alpha8 > 0] == file[alpha8 > 0]).all()
    hidden = whole[alpha8 == 0].astype(float)
    assert np.abs(hidden.mean(axis=0) - color.mean(axis=(0, 1))).max() < 25


def test_an_old_background_is_continued_from_the_faintest_pixels_of_the_edge():
    color, alpha8 = cutouts.product(blur=2.5)
    alpha = alpha8[..., None] / 255
    photo = cutouts.levels(alpha * color + (1 - alpha) * np.array((30, 200, 90)))
    wiped = np.where(alpha8[..., None] == 0, np.uint8(0), photo)
    whole = made_whole(wiped, alpha8 / np.float32(255), CutoutColors(is_mixed=True))
    away = np.abs(color.mean(axis=(0, 1)) - (30, 200, 90)).mean()
    assert np.abs(whole[alpha8 == 0].astype(float) - (30, 200, 90)).mean() < 0.2 * away
    assert (whole[alpha8 > 12] == wiped[alpha8 > 12]).all()


def test_without_anything_hidden_or_shown_there_is_nothing_to_fill():
    picture = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    for level in (0, 1):
        whole = made_whole(picture, np.full((9, 13), level, np.float32), CutoutColors())
        assert (whole == picture).all()


@pytest.mark.parametrize("seed", range(3))
def test_an_old_background_in_view_stays(seed):
    color, alpha8 = cutouts.product(seed)
    photo = cutouts.files(color, alpha8)["photograph"]
    whole = made_whole(photo, alpha8 / np.float32(255), CutoutColors(is_mixed=True))
    assert (whole == photo).all()
