import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.imaging.file_alpha.shape import ShapeKind, shape_of
from tests import cutouts

SIZE = (505, 673)
SIDE = (0, 0, SIZE[0] - 1, SIZE[1] - 1)
HOLE = (150, 150, 350, 350)


def drawn(draw):
    mask = Image.new("L", SIZE, 0)
    draw(ImageDraw.Draw(mask))
    return np.asarray(mask) / np.float32(255)


def turned(degrees, *, expand):
    whole = Image.new("L", SIZE, 255).rotate(degrees, Image.Resampling.BICUBIC, expand=expand)
    return np.asarray(whole) / np.float32(255)


def vignette():
    y, x = np.mgrid[-1 : 1 : SIZE[1] * 1j, -1 : 1 : SIZE[0] * 1j]
    return np.clip((1.25 - np.hypot(x, y)) / 0.5, 0, 1).astype(np.float32)


def without(*place):
    alpha = np.ones(SIZE[::-1], np.float32)
    for part in place:
        alpha[part] = 0
    return alpha


def stamp():
    """A rectangle, perforated all round."""
    mask = Image.new("L", SIZE, 0)
    draw = ImageDraw.Draw(mask)
    draw.rectangle((20, 20, 484, 652), fill=255)
    along = [(x, y) for x in range(20, 485, 30) for y in (20, 652)]
    for x, y in [*along, *((x, y) for y in range(20, 653, 30) for x in (20, 484))]:
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=0)
    return np.asarray(mask) / np.float32(255)


STITCHED = [(0, 20), (120, 5), (250, 30), (370, 0), (504, 25), (495, 650), (250, 672), (0, 650)]
"""A panorama's outline, hollow here and there."""

NOTHING_HIDDEN = {
    "one stray pixel": without(np.s_[200, 300]),
    "strip": without(np.s_[:, -3:]),
    "border": without(np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]),
    "small corners": drawn(lambda d: d.rounded_rectangle(SIDE, 20, fill=255)),
    "faint": np.full(SIZE[::-1], 250 / 255, np.float32),
    "half transparent": np.full(SIZE[::-1], 0.5, np.float32),
}
FILLS_FRAME = {
    "large corners": drawn(lambda d: d.rounded_rectangle(SIDE, 120, fill=255)),
    "ellipse": drawn(lambda d: d.ellipse(SIDE, fill=255)),
    "turned": turned(3, expand=True),
    "turned and cropped": turned(-2, expand=False),
    "vignette": vignette(),
    "stitched": drawn(lambda d: d.polygon(STITCHED, fill=255)),
}
WITHIN_MARGIN = {
    "padded to a square": np.pad(np.ones((673, 505), np.float32), ((0, 0), (84, 84))),
    "padded all round": np.pad(np.ones((673, 505), np.float32), 40),
    "two of them": np.pad(np.ones((300, 200), np.float32), ((40, 40), (40, 300)))
    + np.pad(np.ones((300, 200), np.float32), ((40, 40), (300, 40))),
    "perforated": stamp(),
    "ball": drawn(lambda d: d.ellipse((100, 100, 400, 400), fill=255)),
}


@pytest.mark.parametrize(
    ("alpha", "kind"),
    [
        pytest.param(alpha, kind, id=name)
        for kind, shapes in {
            ShapeKind.NOTHING_HIDDEN: NOTHING_HIDDEN,
            ShapeKind.FILLS_FRAME: FILLS_FRAME,
            ShapeKind.WITHIN_MARGIN: WITHIN_MARGIN,
        }.items()
        for name, alpha in shapes.items()
    ],
)
def test_the_frames_own_shapes_are_known(alpha, kind):
    assert shape_of(alpha).kind == kind


def product(*parts):
    return cutouts.product(height=400, width=300)[1][parts or np.s_[:]] / np.float32(255)


@pytest.mark.parametrize(
    "alpha",
    [
        product(),
        product(slice(15, 372), slice(60, 240)),  # cropped tightly
        product(slice(0, 200)),  # cut off by the frame, as a bust is
        product(slice(0, 200), slice(120, 300)),
        np.pad(product(), 200),
        drawn(lambda d: (d.ellipse((50, 50, 450, 450), fill=255), d.ellipse(HOLE, fill=0))),
    ],
)
def test_outlines_of_products_are_not_the_frames(alpha):
    assert shape_of(alpha).kind is ShapeKind.PRODUCT


def test_the_box_holds_what_is_opaque():
    alpha = np.zeros((60, 80), np.float32)
    alpha[10:41, 20:72] = 1
    assert shape_of(alpha).box == (slice(10, 41), slice(20, 72))


@pytest.mark.parametrize("level", [0.0, 0.2])
def test_nothing_opaque_at_all_breaks_nothing(level):
    alpha = np.zeros((60, 80), np.float32)
    alpha[5:20, 5:20] = level
    assert shape_of(alpha).kind in ShapeKind


@pytest.mark.parametrize(
    "corners",
    [
        [(100, 110), (420, 150), (410, 560), (110, 620)],
        [(130, 110), (380, 110), (410, 600), (100, 600)],
        [(90, 200), (300, 100), (430, 350), (200, 520)],
    ],
    ids=["from the left", "from above", "askew"],
)
def test_a_rectangle_in_perspective_is_a_product(corners):
    assert shape_of(drawn(lambda d: d.polygon(corners, fill=255))).kind is ShapeKind.PRODUCT


@pytest.mark.parametrize("degrees", [0, 1, 3, -7, 45])
@pytest.mark.parametrize("radius", [0, 40])
def test_a_photograph_turned_within_a_margin_is_not(degrees, radius):
    mask = Image.new("L", (400, 560), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 399, 559), radius, fill=255)
    within = mask.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    alpha = np.pad(np.asarray(within) / np.float32(255), 60)
    assert shape_of(alpha).kind is ShapeKind.WITHIN_MARGIN
