from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.placing.layout import Box, Product, Wish, lay_out
from pipeline.imaging.placing.placements import LOCATIONS, parse_placements

SIDE = st.integers(1, 5000)


@st.composite
def products(draw):
    height, width = draw(SIDE), draw(SIDE)
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return Product(
        photo_height=height,
        photo_width=width,
        box=Box(left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top))),
        cut_left=draw(st.booleans()),
        cut_right=draw(st.booleans()),
        cut_top=draw(st.booleans()),
        cut_bottom=draw(st.booleans()),
    )


ALIGNS = st.sampled_from(
    ("center", "top", "bottom", "left", "right",
     "top_left", "top_right", "bottom_left", "bottom_right")
)  # fmt: skip
WISHES = st.builds(
    Wish,
    canvas_height=st.integers(6, 4000),
    canvas_width=st.integers(6, 4000),
    margin=st.floats(0, 0.45),
    align=ALIGNS,
    keep_cropped_edges=st.booleans(),
    max_upscale=st.floats(0.5, 4),
)
MOVING = st.sampled_from([*LOCATIONS, "fit"])


def one(text):
    (placement,) = parse_placements(text)
    return placement


PRODUCT = Product(photo_height=900, photo_width=1200, box=Box(300, 200, 400, 500))


@given(text=MOVING, product=products(), wish=WISHES)
def test_a_placed_product_is_inside_its_box_and_the_box_on_the_canvas(text, product, wish):
    layout = lay_out(one(text), product, wish)
    assert Box(0, 0, layout.canvas_width, layout.canvas_height).holds(layout.box)
    assert layout.box.holds(layout.target)


@given(text=MOVING, product=products(), wish=WISHES)
def test_a_placed_product_keeps_its_aspect_to_the_pixel(text, product, wish):
    layout = lay_out(one(text), product, wish)
    scale = min(
        Fraction(layout.box.width, product.box.width),
        Fraction(layout.box.height, product.box.height),
        Fraction(wish.max_upscale),
    )
    for length, asked in (
        (layout.target.width, product.box.width * scale),
        (layout.target.height, product.box.height * scale),
    ):
        assert asked - 1 < length <= max(1, asked)


@given(text=MOVING, product=products(), wish=WISHES)
def test_a_product_fills_its_box_or_says_why_not(text, product, wish):
    layout = lay_out(one(text), product, wish)
    fills = layout.target.width == layout.box.width or layout.target.height == layout.box.height
    assert fills or "max_upscale" in layout.notes[0]
    assert layout.target.width <= max(1, product.box.width * wish.max_upscale)


@given(product=products(), numbers=st.tuples(*[st.integers(0, 500)] * 4))
def test_padding_grows_the_canvas_and_moves_nothing_else(product, numbers):
    left, right, top, bottom = numbers
    layout = lay_out(one(f"padding:{left},{right},{top},{bottom}"), product, Wish())
    assert layout.canvas_width == product.photo_width + left + right
    assert layout.canvas_height == product.photo_height + top + bottom
    box = product.box
    assert layout.target == replace(box, x=box.x + left, y=box.y + top)


@given(product=products())
def test_the_original_placement_is_the_photograph_itself(product):
    layout = lay_out(one("original"), product, Wish())
    assert layout.is_identity(product.photo_height, product.photo_width)


@given(product=products(), across=st.integers(1, 20), down=st.integers(1, 20))
def test_an_aspect_ratio_grows_the_frame_and_never_cuts_it(product, across, down):
    ratio = Fraction(across, down)
    if max(product.photo_width / ratio, product.photo_height * ratio) > 10_000:
        return
    layout = lay_out(one("original"), product, Wish(aspect_ratio=ratio))
    assert layout.scale == 1
    assert layout.canvas_width >= product.photo_width
    assert layout.canvas_height >= product.photo_height
    assert abs(layout.canvas_width - layout.canvas_height * ratio) <= max(1, ratio) / 2 + 1 / 2


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("upper_left", Box(100, 100, 200, 200)),
        ("bottom_right", Box(300, 300, 200, 200)),
        ("center_vertical", Box(200, 100, 200, 400)),
        ("center_horizontal", Box(100, 200, 400, 200)),
        ("right_center", Box(300, 100, 200, 400)),
    ],
)
def test_named_places_are_sixths_of_the_canvas(name, box):
    wish = Wish(canvas_height=600, canvas_width=600)
    assert lay_out(one(name), PRODUCT, wish).box == box


def test_without_a_canvas_a_moved_product_stands_on_a_square_of_1000_px():
    layout = lay_out(one("upper_left"), PRODUCT, Wish())
    assert (layout.canvas_height, layout.canvas_width) == (1000, 1000)


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        (Wish(canvas_width=800, aspect_ratio=Fraction(4, 5)), (1000, 800)),
        (Wish(canvas_height=500, aspect_ratio=Fraction(2)), (500, 1000)),
        (Wish(aspect_ratio=Fraction(4)), (500, 2000)),
        (Wish(canvas_width=300, canvas_height=200), (200, 300)),
    ],
)
def test_a_canvas_follows_its_width_height_and_ratio(wish, size):
    layout = lay_out(one("fit"), PRODUCT, wish)
    assert (layout.canvas_height, layout.canvas_width) == size


def test_a_product_cut_by_the_frame_stands_at_the_edge_it_was_cut_at():
    cut = replace(PRODUCT, cut_bottom=True, cut_left=True)
    wish = Wish(canvas_height=1000, canvas_width=1000, margin=0.1, keep_cropped_edges=True)
    target = lay_out(one("fit"), cut, wish).target
    assert (target.x, target.bottom) == (0, 1000)
    assert target.y >= 100


def test_a_product_cut_on_both_sides_is_centred_between_them():
    cut = replace(PRODUCT, cut_left=True, cut_right=True)
    wish = Wish(canvas_height=500, canvas_width=1000, keep_cropped_edges=True)
    target = lay_out(one("fit"), cut, wish).target
    assert target.x == 1000 - target.right


def test_align_pushes_the_product_within_its_box():
    wish = Wish(canvas_height=1000, canvas_width=2000, margin=0.05, align="bottom_right")
    target = lay_out(one("fit"), PRODUCT, wish).target
    assert (target.right, target.bottom) == (1900, 950)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("box:900,0,200,100", Wish()),
        ("padding:9000,9000,0,0", Wish()),
        ("original", Wish(aspect_ratio=Fraction(1000))),
    ],
)
def test_what_no_canvas_can_hold_is_refused(text, wish):
    with pytest.raises(RowError) as caught:
        lay_out(one(text), PRODUCT, wish)
    assert caught.value.code == ErrorCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("original", ["original"]),
        ("automatic", list(LOCATIONS)),
        (" upper_left ,bottom_right", ["upper_left", "bottom_right"]),
        ("padding: 1, 2,3 ,4", ["padding:1,2,3,4"]),
        ("padding:1,2,3,4, box:01,2,3,4,fit", ["padding:1,2,3,4", "box:1,2,3,4", "fit"]),
    ],
)
def test_placements_have_one_spelling(text, spelled):
    assert [placement.text for placement in parse_placements(text)] == spelled


@pytest.mark.parametrize(
    "text",
    ["", "upper", "padding:1,2,3", "padding:1,2,3,-4", "box:1,2,0,4", "box:1,2,3,4.5",
     "padding:1,2,3,99999", "fit,fit", "automatic,upper_left", "box:1,2,3,4,", "Original"],
)  # fmt: skip
def test_what_is_no_placement_is_refused(text):
    with pytest.raises(ValueError, match=r"is no placement|twice|more than|has a width"):
        parse_placements(text)
