import numpy as np
import pytest

from pipeline.imaging.compositing.composite import over
from pipeline.imaging.compositing.shadow import ShadowConfig, contact_shadow, shade


def shadow(alpha, *, azimuth_deg=0.0, elevation_deg=55.0, softness=0.5, **config):
    return contact_shadow(
        alpha,
        ShadowConfig(**config),
        azimuth_deg=azimuth_deg,
        elevation_deg=elevation_deg,
        softness=softness,
    )


def box(height=400, width=600, *, rows=(150, 300), columns=(250, 350)):
    alpha = np.zeros((height, width), dtype=np.float32)
    alpha[slice(*rows), slice(*columns)] = 1
    return alpha


def test_the_light_is_whole_far_away():
    light = shadow(box(height=1000, width=1500, rows=(550, 600), columns=(700, 750)))
    assert (light[:300] == 1).all()
    assert (light[:, :200] == 1).all()
    assert (light[:, -200:] == 1).all()
    assert (light[-100:] == 1).all()


def test_visible_ground_is_darkest_at_the_contact_and_lightens_away_from_it():
    alpha = box()
    light = shadow(alpha)
    ground = np.where(alpha == 1, 2, light)
    row, column = np.unravel_index(ground.argmin(), ground.shape)
    assert 299 <= row <= 304
    assert 250 <= column < 350
    assert light[302, 300] < 0.6
    assert (np.diff(light[302:, 300]) >= 0).all()


@pytest.mark.parametrize("azimuth_deg", [-90, -30, 30, 90])
def test_the_penumbra_leans_away_from_the_light(azimuth_deg):
    light = shadow(box(), azimuth_deg=azimuth_deg, elevation_deg=40)
    left, right = (1 - light[:, :250]).sum(), (1 - light[:, 350:]).sum()
    assert (right > 1.5 * left) if azimuth_deg < 0 else (left > 1.5 * right)


def test_light_from_behind_throws_the_shadow_towards_the_camera():
    towards = shadow(box(), azimuth_deg=180, elevation_deg=40)[305:].mean()
    assert towards < shadow(box(), azimuth_deg=0, elevation_deg=40)[305:].mean()


def test_mirrored_light_and_product_give_the_mirrored_shadow():
    alpha = box(columns=(200, 330))
    light = shadow(alpha, azimuth_deg=-50)
    mirrored = shadow(alpha[:, ::-1].copy(), azimuth_deg=50)
    np.testing.assert_allclose(mirrored[:, ::-1], light, atol=0.01)


def test_a_lower_light_reaches_further():
    low, high = (shadow(box(), azimuth_deg=-90, elevation_deg=e) for e in (35, 75))
    assert (1 - low[:, 420:]).sum() > 2 * (1 - high[:, 420:]).sum()


def test_each_foot_of_a_chair_gets_a_core_and_the_seat_between_gets_none():
    alpha = box(rows=(100, 200), columns=(200, 400))
    for column in (200, 390):
        alpha[200:340, column : column + 10] = 1
    for column in (230, 360):
        alpha[200:310, column : column + 10] = 1  # the hind legs, further back
    light = shadow(alpha, spread=0)
    assert light[340:344, 200:210].min() < 0.7
    assert light[340:344, 390:400].min() < 0.7
    assert light[310:314, 230:240].min() < 0.9
    assert light[310:314, 360:370].min() < 0.9
    assert (light[200:240, 245:355] == 1).all()


def test_a_product_cut_by_the_frame_has_no_contact_and_no_shadow():
    assert (shadow(box(rows=(150, 400))) == 1).all()


def test_an_empty_alpha_casts_nothing():
    assert (shadow(np.zeros((50, 60), np.float32)) == 1).all()


def test_no_opacity_is_no_shadow():
    assert (shadow(box(), opacity=0) == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (37, 53), (7, 1201), (801, 5)])
@pytest.mark.parametrize("elevation_deg", [0.5, 45, 90])
def test_any_size_and_height_of_the_light_gives_a_fraction(shape, elevation_deg):
    rng = np.random.default_rng(0)
    for alpha in (rng.random(shape, dtype=np.float32), np.ones(shape, np.float32)):
        light = shadow(alpha, elevation_deg=elevation_deg, softness=0)
        assert light.shape == shape
        assert light.dtype == np.float32
        assert (light >= 0).all()
        assert (light <= 1).all()


def test_the_shadow_scales_with_the_picture():
    small = shadow(box())
    large = shadow(box().repeat(3, axis=0).repeat(3, axis=1))
    averaged = large.reshape(400, 3, 600, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 0.01


def test_an_opaque_product_is_never_darkened():
    alpha = box()
    product = np.random.default_rng(1).random((400, 600, 3), dtype=np.float32)
    ground = shade(np.full_like(product, 0.8), shadow(alpha))
    assert (over(product, alpha, ground)[alpha == 1] == product[alpha == 1]).all()


def test_shading_works_in_linear_light_and_leaves_the_rest_exact():
    background = np.full((1, 2, 3), 0.5, dtype=np.float32)
    shaded = shade(background, np.float32([[1.0, 0.5]]))
    assert (shaded[0, 0] == 0.5).all()
    # sRGB 0.5 is 0.21404 linear; half of it, 0.10702, is encoded as 0.36078.
    np.testing.assert_allclose(shaded[0, 1], 0.36078, atol=1e-4)
    assert (background == 0.5).all()


def test_a_shadow_of_another_size_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        shade(np.zeros((4, 4, 3), np.float32), np.ones((4, 5), np.float32))
