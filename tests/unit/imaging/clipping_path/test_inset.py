"""Edges that are moved by fractions of a pixel."""

import numpy as np
import pytest

from pipeline.imaging.clipping_path.coverage import coverage_of
from pipeline.imaging.clipping_path.inset import inset
from pipeline.imaging.clipping_path.outline import outlines
from pipeline.imaging.clipping_path.saved_paths import Operation, Subpath
from pipeline.imaging.containers.photoshop_resources import DamagedError
from tests.photoshop import ellipse, polygon, rectangle

H, W = 80, 120


def moved(*parts, by_px, size=(H, W), **options):
    told = [part if isinstance(part, tuple) else (part, Operation.EXCLUDE) for part in parts]
    curves = [Subpath(np.array(knots, float), operation) for knots, operation in told]
    polygons = outlines(curves, size)
    return inset(coverage_of(polygons, size, **options), polygons, by_px=by_px)


def plain(*parts, **options):
    return moved(*parts, by_px=0, **options)


def in_px(left, top, right, bottom):
    return rectangle(left / W, top / H, right / W, bottom / H)


@pytest.mark.parametrize("by", [1, 0.25, 0.5, 2.7, -1, -0.4, -3.3])
def test_upright_and_level_edges_move_by_just_that(by):
    got = moved(in_px(20.3, 15.6, 90.1, 62.45), by_px=by)
    wanted = plain(in_px(20.3 + by, 15.6 + by, 90.1 - by, 62.45 - by))
    assert np.abs(got - wanted)[25:55].max() < 0.01
    assert np.abs(got - wanted)[:, 30:80].max() < 0.01
    if by > 0:  # corners stay where they are
        assert np.abs(got - wanted).max() < 0.3
        assert got.sum() == pytest.approx(wanted.sum(), abs=1)


@pytest.mark.parametrize("by", [1, 0.3, -1.6])
@pytest.mark.parametrize("degrees", [10, 30, 45, 71])
def test_slanted_edges_move_along_their_normal(by, degrees):
    angle = np.radians(degrees)
    along, across = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )

    def strip(half):
        corners = [
            a * 300 * along + b * half * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        return polygon(*[((60.3 + x) / W, (40.2 + y) / H) for x, y in corners])

    assert np.abs(moved(strip(20), by_px=by) - plain(strip(20 - by))).max() < 0.01


@pytest.mark.parametrize("by", [1, -1, 4.5])
def test_a_circle_becomes_a_smaller_or_larger_circle(by):
    size = (400, 400)
    got = moved(ellipse(0.5, 0.5, 0.3, 0.3), by_px=by, size=size)
    y, x = np.mgrid[:400, :400] + 0.5
    distance = np.hypot(x - 200, y - 200) - (120 - by)
    assert got.sum() == pytest.approx(np.pi * (120 - by) ** 2, rel=1e-3)
    assert (got[distance < -1] == 1).all()
    assert (got[distance > 1] == 0).all()


def test_holes_grow_as_the_outside_shrinks_and_thin_parts_go():
    got = moved(in_px(10, 10, 110, 70), in_px(40, 30, 80, 50), by_px=1)
    wanted = plain(in_px(11, 11, 109, 69), in_px(39, 29, 81, 51))
    assert np.abs(got - wanted)[40].max() < 0.01
    assert moved(in_px(10, 20, 110, 21.5), by_px=1).max() == 0


def test_the_picture_s_border_is_no_edge():
    got = moved(in_px(-40, -30, 60.5, 200), by_px=2)
    np.testing.assert_allclose(got, plain(in_px(-40, -30, 58.5, 200)), atol=0.01)
    np.testing.assert_array_equal(moved(in_px(-9, -9, 200, 200), by_px=3), 1)
    # An edge beyond the border comes into the picture only if it is moved that far.
    np.testing.assert_allclose(
        moved(in_px(20, -3, 60, 83), by_px=5)[[0, 1, 2, 79], 40], [0, 0, 1, 0], atol=0.01
    )


def test_edges_inside_what_is_combined_are_none():
    parts = in_px(10, 10, 70, 60), (in_px(40, 20, 100, 50), Operation.COMBINE)
    got = moved(*parts, by_px=1, overlaps="combine")
    assert (got[25:45, 12:98] == 1).all()
    assert got[35, 98] == pytest.approx(1)
    assert got[35, 99] == pytest.approx(0)


def test_nothing_is_changed_in_place_and_zero_changes_nothing():
    before = plain(in_px(20, 20, 60, 60))
    before.flags.writeable = False
    polygons = outlines([Subpath(np.array(in_px(20, 20, 60, 60)), Operation.EXCLUDE)], (H, W))
    np.testing.assert_array_equal(inset(before, polygons, by_px=0), before)
    assert inset(before, polygons, by_px=1).sum() == pytest.approx(38 * 38, abs=1)
    assert inset(np.zeros((H, W), np.float32), [], by_px=1).max() == 0


def test_an_outline_without_end_is_refused():
    to_and_fro = polygon(*[(i % 2, i / 4e3) for i in range(4000)])
    with pytest.raises(DamagedError, match="longer"):
        moved(to_and_fro, by_px=1, size=(100, 1000))
