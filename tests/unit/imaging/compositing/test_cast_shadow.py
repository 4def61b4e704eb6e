import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.compositing.cast_shadow import CastConfig, cast_shadow


def box(height=300, width=400, *, rows=(100, 220), columns=(160, 240)):
    alpha = np.zeros((height, width), np.float32)
    alpha[slice(*rows), slice(*columns)] = 1
    return alpha


def shadow(alpha, style, *, azimuth_deg=-90.0, elevation_deg=45.0, **config):
    return cast_shadow(
        alpha,
        CastConfig(style=style, **config),
        ground_tilt=0.3,
        azimuth_deg=azimuth_deg,
        elevation_deg=elevation_deg,
    )


def darkness(light, columns):
    return float((1 - light[:, columns]).sum())


@pytest.mark.parametrize("style", ["soft", "hard"])
@pytest.mark.parametrize("azimuth_deg", [-120, -60, 60, 120])
def test_a_shadow_falls_away_from_the_light(style, azimuth_deg):
    light = shadow(box(), style, azimuth_deg=azimuth_deg)
    left, right = darkness(light, slice(0, 160)), darkness(light, slice(240, None))
    assert (right > 5 * left) if azimuth_deg < 0 else (left > 5 * right)


@pytest.mark.parametrize("style", ["soft", "hard"])
def test_a_lower_light_and_a_longer_length_both_make_it_longer(style):
    def reach(light):
        return int(np.flatnonzero((light < 0.97).any(axis=0))[-1])

    assert reach(shadow(box(), style, elevation_deg=35)) > reach(
        shadow(box(), style, elevation_deg=60)
    )
    assert reach(shadow(box(), style, length=1.2)) > reach(shadow(box(), style, length=0.5))


def test_the_direction_asked_for_comes_before_the_lights():
    light = shadow(box(), "soft", azimuth_deg=-90, direction_deg=90)
    assert darkness(light, slice(0, 160)) > 5 * darkness(light, slice(240, None))


def test_a_hard_shadow_has_the_steeper_edge():
    def steepest(style):
        return np.abs(np.diff(shadow(box(), style)[215, 240:])).max()

    assert steepest("hard") > 2 * steepest("soft")


def test_a_hard_shadow_ends_where_geometry_says():
    light = shadow(box(), "hard", length=0.8)
    reach = int(np.flatnonzero((light < 0.9).any(axis=0))[-1])
    assert reach == pytest.approx(240 + 0.8 * 120, abs=8)


def test_a_floating_product_has_a_pool_below_and_apart_from_it():
    light = shadow(box(), "floating", lift=0.3)
    row = int((1 - light[220:, 200]).argmax())
    assert row == pytest.approx(0.3 * np.sqrt(120 * 80), abs=3)
    assert light[221, 200] > light[220 + row, 200]
    left, right = darkness(light, slice(0, 200)), darkness(light, slice(200, None))
    assert left == pytest.approx(right, rel=0.05)


@settings(max_examples=40)
@given(
    style=st.sampled_from(["soft", "hard", "floating"]),
    azimuth_deg=st.floats(-180, 180),
    elevation_deg=st.floats(0, 90),
    opacity=st.floats(0, 1),
    length=st.none() | st.floats(0, 3),
    row=st.integers(0, 80),
)
def test_light_is_only_taken_away_and_never_more_than_the_opacity(
    style, azimuth_deg, elevation_deg, opacity, length, row
):
    alpha = box(100, 90, rows=(row, row + 20), columns=(30, 60))
    light = shadow(
        alpha,
        style,
        azimuth_deg=azimuth_deg,
        elevation_deg=elevation_deg,
        opacity=opacity,
        length=length,
    )
    assert light.dtype == np.float32
    assert light.max() <= 1
    assert light.min() >= 1 - opacity - 1e-5


@pytest.mark.parametrize(
    "alpha",
    [np.zeros((40, 40), np.float32), np.ones((40, 40), np.float32), box(rows=(100, 300))],
    ids=["nothing", "everything", "cut by the frame"],
)
@pytest.mark.parametrize("style", ["soft", "hard", "floating"])
def test_what_stands_nowhere_throws_no_shadow(alpha, style):
    assert (shadow(alpha, style) == 1).all()


@pytest.mark.parametrize("asked", [{"style": "none"}, {"style": "soft", "opacity": 0}])
def test_no_shadow_is_no_shadow(asked):
    assert (shadow(box(), **asked) == 1).all()
