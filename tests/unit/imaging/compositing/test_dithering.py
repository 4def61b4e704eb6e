import numpy as np

from pipeline.imaging.compositing.dithering import dither_weight


def disk(radius=20, side=120):
    y, x = np.mgrid[:side, :side] - side / 2
    return np.clip(radius + 0.5 - np.hypot(y, x), 0, 1).astype(np.float32)


def test_dither_is_full_in_the_open_and_fades_towards_the_product():
    weight = dither_weight(disk())
    row = weight[60, :60]
    assert (row[:20] == 1).all()
    assert (np.diff(row) <= 1e-6).all()
    assert (weight[(disk() > 0) & (disk() < 1)] < 0.2).all()


def test_there_is_none_on_opaque_pixels_however_few_they_are():
    hair = np.zeros((60, 60), np.float32)
    hair[:, 30] = 1
    weight = dither_weight(hair)
    assert (weight[:, 30] == 0).all()
    assert (weight[:, 31] > 0).all()
    assert weight.min() >= 0
    assert weight.max() <= 1
