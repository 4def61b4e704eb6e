import pytest
from PIL import Image

from pipeline.imaging.compositing.solid_colors import hex_of, parse_color, solid_color


@pytest.mark.parametrize(
    ("prompt", "color"),
    [
        ("white", (255, 255, 255)),
        ("A solid white background", (255, 255, 255)),
        ("the background is, of the color #FF8800", (255, 136, 0)),
        ("ff8800", (255, 136, 0)),
        ("# ff8800", (255, 136, 0)),
        ("light blue", (173, 216, 230)),
        ("Rebecca Purple background", (102, 51, 153)),
        ("dark slate grey", (47, 79, 79)),
    ],
)
def test_a_prompt_that_is_only_a_colour_is_that_colour(prompt, color):
    assert solid_color(prompt) == color


@pytest.mark.parametrize(
    "prompt",
    ["", "a background", "white marble", "#ff88", "fff", "gg8800", "red and blue", "on white",
     "ff8800 ff8800", "transparent"],
)  # fmt: skip
def test_a_prompt_with_anything_else_is_a_scene(prompt):
    assert solid_color(prompt) is None


@pytest.mark.parametrize("text", ["", "#12345", "blueish", "rgb(1,2,3)", "#1234567"])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(ValueError, match="is no colour"):
        parse_color(text)


def test_a_colour_and_its_hex_code_are_the_same():
    assert parse_color(hex_of((1, 128, 255))) == (1, 128, 255)


def test_a_colour_that_pillow_has_used_before_is_still_that_colour():
    Image.new("RGB", (1, 1), "teal")  # Pillow keeps what it read in its table of names
    assert parse_color("teal") == (0, 128, 128)
