"""Coverage of paths against areas that are known."""

import itertools
import tracemalloc

import numpy as np
import pytest

from pipeline.imaging.clipping_path.coverage import coverage_of
from pipeline.imaging.clipping_path.outline import outlines
from pipeline.imaging.clipping_path.saved_paths import Operation, Subpath
from pipeline.imaging.containers.photoshop_resources import DamagedError
from tests.photoshop import ellipse, polygon, rectangle

H, W = 80, 120


def curves(*parts):
    """Subpaths of knots, or of (knots, operation)."""
    told = [part if isinstance(part, tuple) else (part, Operation.EXCLUDE) for part in parts]
    return [Subpath(np.array(knots, float), operation) for knots, operation in told]


def covered(*parts, size=(H, W), orientation=1, **options):
    return coverage_of(outlines(curves(*parts), size, orientation=orientation), size, **options)


def boxes(left, top, right, bottom, size=(H, W)):
    """The exact coverage of a rectangle in px."""
    x, y = np.arange(size[1]), np.arange(size[0])
    across = np.clip(np.minimum(x + 1, right) - np.maximum(x, left), 0, 1)
    down = np.clip(np.minimum(y + 1, bottom) - np.maximum(y, top), 0, 1)
    return down[:, None] * across


def in_px(left, top, right, bottom):
    return rectangle(left / W, top / H, right / W, bottom / H)


@pytest.mark.parametrize(
    "sides",
    [(10, 20, 60, 70), (10.25, 20.5, 60.75, 70.125), (10.31, 20.47, 10.55, 70.9)],
    ids=["whole", "binary", "sliver"],
)
def test_a_rectangle_is_covered_by_its_area(sides):
    assert np.abs(covered(in_px(*sides)) - boxes(*sides)).max() <= 1 / 128


def test_upright_edges_are_exact_wherever_they_are():
    for x in np.random.default_rng(1).uniform(0, W, 20):
        np.testing.assert_allclose(covered(in_px(x, 0, W, H)), boxes(x, 0, W, H), atol=1e-6)


def test_a_circle_has_the_area_and_the_distance_of_a_circle():
    radius, size = 300.0, (800, 1000)
    made = covered(ellipse(0.5, 0.5, radius / size[1], radius / size[0]), size=size)
    assert made.sum() == pytest.approx(np.pi * radius**2, rel=3e-4)
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    distance = np.hypot(x - 500, y - 400) - radius
    assert (made[distance < -1.0] == 1).all()
    assert (made[distance > 1.0] == 0).all()


def test_slanted_edges_by_integration():
    corners = np.array([(20.3, 5.2), (110.7, 33.9), (61.1, 75.5)])
    made = covered(polygon(*(corners / (W, H))))
    fine = 32
    y, x = (np.mgrid[: H * fine, : W * fine] + 0.5) / fine
    inside = np.ones(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    wanted = inside.reshape(H, fine, W, fine).mean(axis=(1, 3))
    assert np.abs(made - wanted).max() < 0.015
    area = 0.5 * abs(np.linalg.det(np.column_stack([corners, np.ones(3)])))
    assert made.sum() == pytest.approx(area, rel=1e-4)


def test_a_subpath_inside_another_is_a_hole_and_one_inside_that_an_island():
    ring = covered(in_px(10, 10, 110, 70), in_px(30, 20, 90, 60), in_px(50, 30, 70, 50))
    wanted = boxes(10, 10, 110, 70) - boxes(30, 20, 90, 60) + boxes(50, 30, 70, 50)
    np.testing.assert_allclose(ring, wanted, atol=1e-6)


def test_a_star_drawn_in_one_line_is_open_in_its_middle():
    angles = 2 * np.pi * 2 * np.arange(5) / 5
    tips = np.stack([60 + 35 * np.sin(angles), 40 - 35 * np.cos(angles)], axis=1)
    star = covered(polygon(*(tips / (W, H))))
    assert star[40, 60] == 0
    assert star[40 - 25, 60] == 1
    # Five tips on the sides of a pentagon, whose corners lie on a circle of R / phi^2.
    inner = 35 * ((3 - np.sqrt(5)) / 2)
    edge = 2 * inner * np.sin(np.pi / 5)
    height = 35 - inner * np.cos(np.pi / 5)
    assert star.sum() == pytest.approx(5 * edge * height / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("operation", "overlaps", "wanted"),
    [
        (Operation.EXCLUDE, "exclude", lambda a, b: np.abs(a - b)),
        (Operation.COMBINE, "exclude", lambda a, b: np.abs(a - b)),
        (Operation.COMBINE, "combine", np.maximum),
        (Operation.SUBTRACT, "exclude", lambda a, b: a * (1 - b)),
        (Operation.SUBTRACT, "combine", lambda a, b: a * (1 - b)),
        (Operation.INTERSECT, "exclude", np.minimum),
        (Operation.WITH_PREVIOUS, "combine", lambda a, b: np.abs(a - b)),
    ],
)
def test_how_a_subpath_is_joined_to_those_before(operation, overlaps, wanted):
    first, second = (10, 10, 70, 60), (40, 30, 100, 75)
    made = covered(in_px(*first), (in_px(*second), operation), overlaps=overlaps)
    np.testing.assert_allclose(made, wanted(boxes(*first), boxes(*second)), atol=1e-6)


def test_many_joined_subpaths():
    holes = [(20 + 20 * i, 20, 30 + 20 * i, 60) for i in range(4)]
    made = covered(
        in_px(10, 10, 110, 70),
        *[(in_px(*hole), Operation.SUBTRACT) for hole in holes],
        (in_px(0, 25, 120, 55), Operation.INTERSECT),
        (in_px(15, 0, 105, 80), Operation.INTERSECT),
        (in_px(50, 0, 60, 30), Operation.COMBINE),
        overlaps="combine",
    )
    wanted = boxes(15, 25, 105, 55) - sum(boxes(a, 25, c, 55) for a, _, c, _ in holes)
    np.testing.assert_allclose(made, np.maximum(wanted, boxes(50, 0, 60, 30)), atol=1e-6)


def test_the_first_subpath_is_there_whatever_its_operation():
    for operation in Operation:
        made = covered((in_px(10, 10, 70, 60), operation))
        np.testing.assert_allclose(made, boxes(10, 10, 70, 60), atol=1e-6)


def test_edges_that_two_subpaths_share_leave_no_line():
    made = covered(
        in_px(10.4, 10, 50.37, 60),
        (in_px(50.37, 10, 90, 60), Operation.COMBINE),
        overlaps="combine",
    )
    np.testing.assert_allclose(made, boxes(10.4, 10, 90, 60), atol=1e-6)


def test_paths_may_leave_the_picture_on_all_sides():
    made = covered(in_px(-500, 20.5, 60, 900))
    np.testing.assert_allclose(made, boxes(0, 20.5, 60, H), atol=1 / 128)
    assert (covered(in_px(-50, -60, 500, 600)) == 1).all()
    assert (covered(in_px(-50, 10, -20, 60)) == 0).all()
    assert (covered() == 0).all()


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: a.T[:, ::-1],
    7: lambda a: a.T[::-1, ::-1],
    8: lambda a: a.T[::-1],
}
"""What EXIF's orientation asks of the stored pixels."""


@pytest.mark.parametrize("orientation", TURNS)
def test_a_path_turns_with_its_photograph(orientation):
    knots = polygon((0.1, 0.1), (0.8, 0.15), (0.3, 0.7))
    wanted = TURNS[orientation](covered(knots))
    made = covered(knots, size=wanted.shape, orientation=orientation)
    np.testing.assert_allclose(made, wanted, atol=0.02)
    assert made.sum() == pytest.approx(wanted.sum(), rel=1e-4)


def test_strips_fit_together_and_memory_is_bounded(monkeypatch):
    whole = covered(ellipse(0.5, 0.5, 0.4, 0.4), ellipse(0.5, 0.5, 0.2, 0.3))
    monkeypatch.setattr("pipeline.imaging.clipping_path.coverage._STRIP_CELLS", 3 * W)
    np.testing.assert_array_equal(
        covered(ellipse(0.5, 0.5, 0.4, 0.4), ellipse(0.5, 0.5, 0.2, 0.3)), whole
    )
    monkeypatch.undo()
    size = (3000, 4000)
    polygons = outlines(curves(ellipse(0.5, 0.5, 0.4, 0.4)), size)
    tracemalloc.start()
    try:
        coverage_of(polygons, size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12e6 * 4 + 400e6


def test_paths_that_wind_without_end_are_refused():
    up_and_down = polygon(*[(i / 4e4, i % 2) for i in range(40_000)])
    with pytest.raises(DamagedError, match="winds"):
        covered(up_and_down, size=(2000, 2000))
    far = [((-100.0, 50.0), (0.5, 0.5), (100.0, -50.0)) for _ in range(5000)]
    with pytest.raises(DamagedError, match="winds"):
        covered(far, size=(4000, 4000))
    mixed = [(in_px(1, 1, 9, 9), Operation(2 + i % 2)) for i in range(80)]
    with pytest.raises(DamagedError, match="joined"):
        covered(in_px(1, 1, 9, 9), *mixed)


def clipped(corners, axis, limit, *, keep_below):
    """A convex polygon as far as it is on one side of a line (Sutherland and Hodgman 1974)."""
    kept = []
    sign = 1 if keep_below else -1
    for a, b in itertools.pairwise([*corners, corners[0]]):
        da, db = sign * (limit - a[axis]), sign * (limit - b[axis])
        if da >= 0:
            kept.append(a)
        if da * db < 0:
            kept.append(a + (b - a) * (da / (da - db)))
    return kept


def exact_coverage(corners, size):
    """Of a convex polygon: each pixel's square is cut out of it, and its area taken."""
    exact = np.zeros(size)
    for y in range(size[0]):
        strip = clipped(list(corners), 1, y, keep_below=False) if len(corners) else []
        strip = clipped(strip, 1, y + 1, keep_below=True) if len(strip) > 2 else []
        for x in range(size[1]) if len(strip) > 2 else ():
            cell = clipped(strip, 0, x, keep_below=False)
            cell = clipped(cell, 0, x + 1, keep_below=True) if len(cell) > 2 else []
            if len(cell) > 2:
                px, py = np.array(cell).T
                exact[y, x] = abs(px @ np.roll(py, -1) - py @ np.roll(px, -1)) / 2
    return exact


@pytest.mark.parametrize("thickness", [0.3, 1, 2])
@pytest.mark.parametrize("degrees", [0, 0.4, 3, 31, 45, 88, 90])
def test_thin_shapes_are_covered_by_their_exact_area(degrees, thickness):
    """IoU of .9999 where a grid of 8 x 8 samples has .94 to .997."""
    size = (40, 60)
    along = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    across = np.array([-along[1], along[0]]) * thickness / 2
    middle, half = np.array([30.237, 20.419]), 17.3 * along
    corners = [middle + half + across, middle + half - across,
               middle - half - across, middle - half + across]  # fmt: skip
    made = covered(polygon(*(np.array(corners) / (60, 40))), size=size)
    exact = exact_coverage(corners, size)
    assert np.abs(made - exact).max() < 1e-5
    assert np.minimum(made, exact).sum() / np.maximum(made, exact).sum() >= 0.9999


def test_a_path_that_leaves_the_picture_at_a_slant_is_exact_at_its_border():
    size = (30, 40)
    corners = [np.array(c) for c in ((-25.3, -7.1), (55.9, 11.7), (61.2, 44.4), (-31.8, 17.6))]
    made = covered(polygon(*(np.array(corners) / (40, 30))), size=size)
    assert np.abs(made - exact_coverage(corners, size)).max() < 1e-5


def finely(knots, steps=2000):
    """The same curves as very many straight lines."""
    t = np.arange(steps)[:, None] / steps
    corners = []
    for (_, start, leaving), (entering, end, _) in itertools.pairwise([*knots, knots[0]]):
        a, b, c, d = np.array([start, leaving, entering, end], float)
        s = 1 - t
        corners.append(s**3 * a + 3 * s**2 * t * b + 3 * s * t**2 * c + t**3 * d)
    return polygon(*np.concatenate(corners))


@pytest.mark.parametrize(("thickness", "least"), [(0.5, 0.998), (2, 0.9994), (6, 0.9998)])
def test_thin_rings_follow_their_curves(thickness, least):
    """With chords 1/128 px off the curve the ring of 2 px has .996."""
    size = (300, 400)
    rings = [
        ellipse(0.5, 0.5, (150.3 - inside) / 400, (120.7 - inside) / 300)
        for inside in (0, thickness)
    ]
    made = covered(*rings, size=size)
    exact = covered(*(finely(ring) for ring in rings), size=size)
    assert np.minimum(made, exact).sum() / np.maximum(made, exact).sum() >= least
