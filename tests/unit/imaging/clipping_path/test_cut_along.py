"""Which path cuts a photograph out, and what is said where none does."""

import numpy as np
import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.clipping_path.cut_along import ClippingPathConfig, cut_along, find_paths
from tests.photoshop import (
    clipping,
    ellipse,
    jpeg,
    marked,
    path,
    rectangle,
    resource,
    subpath,
    tiff,
)

SIZE = (80, 120)
CUP = ellipse(0.5, 0.5, 0.3, 0.4)
SHADOW = rectangle(0.1, 0.8, 0.9, 0.9)
TWO = resource(2000, path(SHADOW), b"Shadow") + resource(2001, path(CUP), b"Cup")


def found(blocks, asked=None, **config):
    return find_paths(jpeg(blocks), "JPEG", ClippingPathConfig(**config), asked=asked)


def cut(*parts, is_asked_for=False, **config):
    data = jpeg(marked(*parts))
    paths = find_paths(data, "JPEG", ClippingPathConfig(**config), asked=None)
    return cut_along(paths.chosen, SIZE, ClippingPathConfig(**config), is_asked_for=is_asked_for)


def test_of_several_the_marked_one_counts_unless_another_is_asked_for():
    assert found(TWO + clipping(b"Cup")).chosen.name == "Cup"
    assert found(TWO + clipping(b"Cup"), asked="Shadow").chosen.name == "Shadow"
    assert found(TWO, asked=" Cup ").chosen.name == "Cup"
    assert found(TWO + clipping(b"Cup"), use=False, asked="Cup").chosen.name == "Cup"


@pytest.mark.parametrize(
    ("blocks", "config", "words"),
    [
        (TWO, {}, ["'Shadow', 'Cup'", "none is marked"]),
        (resource(2000, path(CUP), b"Path 1"), {}, ["'Path 1'", "name one in clipping_path"]),
        (TWO + clipping(b"Gone"), {}, ["'Gone'", "not in the file"]),
        (TWO + clipping(b"Cup"), {"use": False}, ["'Cup'", "matte.clipping_path.use"]),
        (marked(CUP)[:-3], {}, ["unreadable"]),
    ],
    ids=["none marked", "one, not marked", "marked one is gone", "turned off", "damaged"],
)
def test_a_path_that_does_not_count_is_named_in_a_note(blocks, config, words):
    paths = found(blocks, **config)
    assert paths.chosen is None
    (note,) = paths.notes
    assert all(word in note for word in [*words, "not used"])


def test_an_unmarked_path_counts_if_it_is_the_only_one_and_the_recipe_says_so():
    only = resource(2000, path(CUP), b"Path 1")
    assert found(only, use_unmarked=True).chosen.name == "Path 1"
    assert found(TWO, use_unmarked=True).chosen is None
    assert found(only, use_unmarked=True, use=False).chosen is None
    assert found(TWO + clipping(b"Shadow"), use_unmarked=True).chosen.name == "Shadow"


def test_an_accent_is_the_same_letter_however_it_is_written():
    composed, apart = "\u00c9tiquette", "E\u0301tiquette"
    blocks = resource(2000, path(CUP), apart.encode())
    assert found(blocks + clipping(composed.encode())).chosen.is_clipping
    assert found(blocks, asked=composed).chosen.name == apart


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("ユニコード", "cp932"),
        ("产品", "gb18030"),
        ("商品", "big5"),
        ("제품", "cp949"),
        ("Чашка", "mac_cyrillic"),
        ("Чашка", "cp1251"),
        ("Größe", "mac_roman"),
        ("Größe", "cp1252"),
        ("Größe", "utf-8"),
    ],
)
def test_a_path_is_found_by_its_name_in_whatever_script_it_was_written(name, encoding):
    """The file does not say in which: a name that fits in one of them is the one meant."""
    blocks = resource(2000, path(SHADOW), b"Shadow")
    blocks += resource(2001, path(CUP), name.encode(encoding))
    np.testing.assert_array_equal(
        found(blocks, asked=name).chosen.subpaths()[0].knots_N32,
        found(TWO, asked="Cup").chosen.subpaths()[0].knots_N32,
    )
    with pytest.raises(RowError, match="has no path"):
        found(blocks, asked="Tasse")


def test_without_paths_there_is_nothing_to_say():
    assert found(b"") == found(resource(1005, bytes(16)))
    assert found(b"").notes == ()


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (TWO, "no path 'Vase': there are 'Shadow', 'Cup'"),
        (b"", "no path 'Vase': a JPEG without any"),
        (TWO[:-3], "'Vase' cannot be used: the file's paths are unreadable"),
    ],
)
def test_a_path_that_is_asked_for_must_be_there(blocks, words):
    with pytest.raises(RowError, match="clipping_path: ") as caught:
        found(blocks, asked="Vase")
    assert caught.value.code == ErrorCode.BAD_REQUEST
    assert words in caught.value.message


def test_a_cut_is_hard_but_for_its_antialiased_edge():
    made = cut(CUP)
    assert made.notes == ("clipping path 'Path 1' used",)
    assert made.alpha_HW.sum() == pytest.approx(np.pi * 36 * 32, rel=1e-3)
    inside = (made.alpha_HW > 0) & (made.alpha_HW < 1)
    assert 0 < inside.sum() < 2 * 2 * np.pi * 36
    closer = cut(CUP, inset_px=1)
    assert closer.alpha_HW.sum() == pytest.approx(np.pi * 35 * 31, rel=2e-3)
    assert closer.notes == ("clipping path 'Path 1' used, 1 px inside",)


def test_overlaps_are_holes_unless_they_are_to_be_filled():
    both = subpath(rectangle(0.1, 0.1, 0.6, 0.9)), subpath(rectangle(0.4, 0.2, 0.9, 0.8))
    assert cut(*both).alpha_HW[40, 60] == 0
    assert cut(*both, overlaps="combine").alpha_HW[40, 60] == 1


def test_what_is_drawn_twice_counts_once_where_photoshop_shows_no_difference():
    twice = cut(CUP, CUP)
    assert (twice.alpha_HW == cut(CUP).alpha_HW).all()
    assert twice.notes == ("clipping path 'Path 1' used, what is drawn twice in it once",)
    elsewhere = [*CUP[1:], CUP[0]]
    backwards = [knot[::-1] for knot in reversed(CUP)]
    for other in (elsewhere, backwards, backwards[2:] + backwards[:2]):
        again = cut(CUP, other)
        assert (again.alpha_HW == twice.alpha_HW).all()
        assert again.notes == twice.notes
    excluded = cut(subpath(CUP, operation=0), subpath(CUP, operation=0))
    assert "covers nothing" in excluded.notes[0]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ((), "covers nothing"),
        ((rectangle(1.2, 0.1, 1.5, 0.9),), "covers nothing"),
        ((rectangle(0.5, 0.5, 0.5, 0.5),), "covers nothing"),
        ((rectangle(0, 0, 1, 1),), "whole picture"),
        ((rectangle(0.004, 0.004, 0.996, 0.996),), "whole picture"),
        ((ellipse(0.5, 0.5, 3, 3),), "whole picture"),
        ((subpath(CUP)[:-26],), "unreadable"),
    ],
)
def test_a_path_that_cuts_nothing_out_is_not_used(parts, why):
    made = cut(*parts)
    assert made.alpha_HW is None
    (note,) = made.notes
    assert "clipping path 'Path 1' not used: " in note
    assert why in note
    with pytest.raises(RowError, match="clipping_path: 'Path 1' cannot be used") as caught:
        cut(*parts, is_asked_for=True)
    assert caught.value.code == ErrorCode.BAD_REQUEST


def test_a_box_that_fills_most_of_its_picture_is_a_product():
    assert cut(rectangle(0.03, 0.03, 0.97, 0.97)).alpha_HW is not None
    assert cut(rectangle(-0.5, 0.2, 1.5, 1.5)).alpha_HW is not None
    assert cut(ellipse(0.5, 0.5, 0.5, 0.5)).alpha_HW is not None


def test_of_a_tiff_and_of_formats_that_have_no_paths():
    data = tiff(TWO + clipping(b"Cup"), order=">")
    assert find_paths(data, "TIFF", ClippingPathConfig(), asked=None).chosen.name == "Cup"
    none = find_paths(b"\x89PNG", "PNG", ClippingPathConfig(), asked=None)
    assert (none.names, none.chosen, none.notes) == ((), None, ())
