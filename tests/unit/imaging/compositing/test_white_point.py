import numpy as np
import pytest

from pipeline.imaging.compositing.white_point import backdrop_white, estimate_white, known_white

TUNGSTEN = np.array([1.25, 0.98, 0.6])
MAGENTA = np.array([1.3, 0.7, 1.3])


def room(light, *, saturation=0.15, seed=0):
    """Patches of nearly grey paint under one light, linear."""
    rng = np.random.default_rng(seed)
    grey = rng.uniform(0.1, 0.6, (16, 16, 1))
    paint = grey * (1 + saturation * rng.uniform(-1, 1, (16, 16, 3)))
    return np.clip(np.kron(paint, np.ones((8, 8, 1))) * light, 0, 1).astype(np.float32)


def estimate(picture):
    return estimate_white(picture, np.ones(picture.shape[:2], np.float32))


def ratios(rgb):
    return np.log([rgb[0] / rgb[1], rgb[2] / rgb[1]])


@pytest.mark.parametrize("light", [np.ones(3), TUNGSTEN, np.array([0.92, 1, 1.15])])
def test_the_light_of_a_grey_room_is_found(light):
    found = estimate(room(light))
    assert np.abs(ratios(found.rgb_3) - ratios(light)).max() < 0.12


def test_a_guess_on_neutral_ground_is_trusted_more_than_one_on_paint():
    neutral, painted = estimate(room(np.ones(3))), estimate(room(np.ones(3), saturation=1.0))
    assert neutral.confidence > 0.8
    assert painted.confidence < 0.5 * neutral.confidence


def test_a_light_that_no_lamp_has_is_not_believed():
    assert estimate(room(MAGENTA)).confidence < 0.01


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_burnt_out_pictures_say_nothing(value):
    found = estimate(np.full((64, 64, 3), value, np.float32))
    assert found.confidence == 0
    assert found.rgb_3 == pytest.approx([1, 1, 1])


def test_what_has_no_weight_is_not_looked_at():
    picture, weight = room(np.ones(3)), np.ones((128, 128), np.float32)
    picture[:64] = (0.8, 0.1, 0.05)
    weight[:64] = 0
    assert estimate_white(picture, weight).confidence > 0.8


def test_a_known_light_is_certain_whatever_its_brightness():
    bright, dim = known_white((1, 0.8, 0.5)), known_white((0.5, 0.4, 0.25))
    assert bright.confidence == dim.confidence == 1
    np.testing.assert_allclose(bright.rgb_3, dim.rgb_3)


def paper(color, *, noise=0.005):
    rng = np.random.default_rng(0)
    alpha = np.zeros((100, 100), np.float32)
    alpha[30:80, 30:70] = 1
    picture = np.clip(np.asarray(color) + noise * rng.normal(size=(100, 100, 3)), 0, 1)
    picture[alpha == 1] = (0.5, 0.05, 0.05)
    return picture.astype(np.float32), alpha


def test_white_paper_shows_the_light_it_stands_in():
    found = backdrop_white(*paper((0.85, 0.8, 0.72)))
    assert found is not None
    np.testing.assert_allclose(ratios(found.rgb_3), ratios((0.85, 0.8, 0.72)), atol=0.01)


@pytest.mark.parametrize(
    ("color", "noise"),
    [((0.8, 0.6, 0.5), 0.005), ((0.1, 0.1, 0.1), 0.001), ((0.6, 0.6, 0.6), 0.1)],
    ids=["tinted", "dark", "busy"],
)
def test_any_other_backdrop_says_nothing(color, noise):
    assert backdrop_white(*paper(color, noise=noise)) is None


def test_a_product_that_fills_the_frame_leaves_no_backdrop():
    picture, _ = paper((0.8, 0.8, 0.8))
    assert backdrop_white(picture, np.ones((100, 100), np.float32)) is None
