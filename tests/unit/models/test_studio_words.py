"""What the studio reads in a prompt."""

import pytest

from pipeline.models.generation.studio import vocabulary
from pipeline.models.generation.studio.backdrops import BACKDROPS
from pipeline.models.generation.studio.colors import NAMES, color, luminance
from pipeline.models.generation.studio.parser import parse
from pipeline.models.generation.studio.surfaces import SURFACES


def hue(rgb):
    """Index of the strongest channel."""
    return max(range(3), key=lambda channel: rgb[channel])


@pytest.mark.parametrize(
    ("prompt", "surface", "backdrop"),
    [
        ("", "sweep", "sweep"),
        ("gibberish quux", "sweep", "sweep"),
        ("pink seamless paper", "sweep", "sweep"),
        ("walnut table", "wood", "wall"),
        ("on a wooden table in a kitchen", "wood", "kitchen"),
        ("marble countertop", "marble", "wall"),
        ("kitchen counter", "marble", "kitchen"),
        ("beaches", "sand", "sea"),
        ("grassy lawn", "grass", "garden"),
        ("tables of slate", "slate", "wall"),
        ("concrete floor, brick wall", "concrete", "wall"),
        ("beach at sunset", "sand", "sunset_sea"),
        ("christmas", "wood", "bokeh"),
        ("christmas, marble", "marble", "bokeh"),
        ("Cosy living-room", "wood", "living"),
    ],
)
def test_what_stands_where(prompt, surface, backdrop):
    scene = parse(prompt)
    assert (scene.surface, scene.backdrop) == (surface, backdrop)


def test_a_colour_belongs_to_the_noun_after_it():
    scene = parse("white marble table, green wall")
    assert luminance(scene.surface_tone) > 0.6
    assert hue(scene.backdrop_tone) == 1
    swapped = parse("green marble table, white wall")
    assert hue(swapped.surface_tone) == 1
    assert luminance(swapped.backdrop_tone) > 0.6


@pytest.mark.parametrize(
    ("prompt", "surface_hue", "backdrop_hue"),
    [
        ("red table against a blue wall", 0, 2),
        ("blue wall with a red wooden table", 0, 2),
        ("navy velvet, red background", 2, 0),
        ("dark blue linen on a red curtain", 2, 0),
        ("table in blue, wall in red", 2, 0),
        ("blue brick wall, red floor", 0, 2),
    ],
)
def test_two_colours_keep_apart(prompt, surface_hue, backdrop_hue):
    scene = parse(prompt)
    assert hue(scene.surface_tone) == surface_hue
    assert hue(scene.backdrop_tone) == backdrop_hue


def test_a_material_before_wall_is_the_wall():
    scene = parse("oak table, brick wall")
    assert (scene.surface, scene.wall) == ("wood", "brick")


def test_lights_take_the_colour_before_them():
    scene = parse("black marble, blue bokeh lights")
    assert [hue(accent) for accent in scene.accents] == [2]
    assert luminance(scene.surface_tone) < 0.05


@pytest.mark.parametrize(
    ("prompt", "understood"),
    [
        ("", ()),
        ("quuxly frobnicator", ()),
        ("white background", ("white", "background")),
        ("a quuxly oak table", ("oak", "table")),
        ("no people, pale pink wall", ("pale", "pink", "wall")),
        ("red roses on a wooden table", ("wooden", "table")),
        ("soft window light", ("soft", "window", "light")),
        ("woodpecker in the seaweed", ()),
    ],
)
def test_understood_holds_the_words_that_had_an_effect(prompt, understood):
    assert parse(prompt).understood == understood


def test_modifiers_move_a_colour():
    plain, pale, deep = (color("teal", mods) for mods in ((), ("pale",), ("deep",)))
    assert luminance(deep) < luminance(plain) < luminance(pale)


def test_a_name_css_has_wins_over_a_modifier():
    assert parse("light blue background").backdrop_tone == color("lightblue")
    assert parse("dark olive green background").backdrop_tone == color("darkolivegreen")


def test_light_is_a_noun_unless_a_colour_follows():
    assert parse("light, airy studio").surface == "sweep"
    assert "light" in parse("light pink backdrop").understood


def test_every_hex_and_name_reads_back():
    assert color("#ffffff") == (1.0, 1.0, 1.0)
    assert color("notacolour") is None
    assert all(color(name) is not None for name in NAMES)


def test_every_word_leads_somewhere():
    assert {stuff.surface for stuff in vocabulary.STUFFS.values()} <= set(SURFACES)
    moods = [mood.backdrop for mood in vocabulary.MOODS.values() if mood.backdrop]
    places = {*vocabulary.BACKDROPS.values(), *vocabulary.AROUND.values(), *moods}
    assert places <= {*BACKDROPS, "wall"}
    assert {place.surface for place in BACKDROPS.values()} <= set(SURFACES)
    for phrase in (*vocabulary.LIGHTS, *vocabulary.MOODS):
        assert parse(phrase).understood == tuple(dict.fromkeys(phrase.split())), phrase


@pytest.mark.parametrize(
    "prompt", ["((", "#12345", "a" * 5000, "рыба 魚 🐟", "wall " * 400, "\n\t"]
)
def test_odd_prompts_do_not_break_it(prompt):
    parse(prompt)


def test_what_is_crowded_out_is_not_called_understood():
    scene = parse("oak table, marble table, red wall, blue wall")
    assert scene.understood == ("oak", "table", "red", "wall")


def test_a_shade_and_its_family_are_one_colour():
    scene = parse("sage green wall")
    assert scene.backdrop_tone == parse("sage wall").backdrop_tone
    assert scene.understood == ("sage", "green", "wall")
