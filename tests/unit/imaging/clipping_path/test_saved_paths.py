"""Which paths a file has, and what they consist of."""

import numpy as np
import pytest

from pipeline.imaging.clipping_path.saved_paths import Operation, marked_name, saved_paths
from pipeline.imaging.containers.photoshop_resources import DamagedError, image_resources
from tests.photoshop import clipping, path, polygon, psd, rectangle, resource, subpath

SQUARE = rectangle(0.25, 0.25, 0.75, 0.75)


def paths(blocks):
    return saved_paths(image_resources(psd(blocks), "PSD"))


def test_the_clipping_path_is_the_one_that_the_file_names():
    blocks = resource(2000, path(SQUARE), b"Shadow") + resource(2001, path(SQUARE), b"Cup")
    assert [(one.name, one.is_clipping) for one in paths(blocks + clipping(b"Cup"))] == [
        ("Shadow", False),
        ("Cup", True),
    ]
    for others in (b"", clipping(b""), clipping(b"Gone")):
        assert [one.is_clipping for one in paths(blocks + others)] == [False, False]
    assert marked_name(image_resources(psd(clipping(b"Gone")), "PSD")) == "Gone"
    assert marked_name(image_resources(psd(clipping(b"")), "PSD")) is None


def test_two_paths_of_one_name_are_one_clipping_path():
    blocks = resource(2003, path(SQUARE), b"A") + resource(2001, path(), b"A") + clipping(b"A")
    assert [one.is_clipping for one in paths(blocks)] == [True, False]


def test_the_work_path_is_none_and_names_are_text():
    blocks = resource(1025, path(SQUARE)) + resource(2000, path(SQUARE), "Tasse für".encode())
    blocks += resource(2001, path(SQUARE), b"Gr\x9a\xa7e") + clipping(b"Gr\x9a\xa7e")
    assert [(one.name, one.is_clipping) for one in paths(blocks)] == [
        ("Tasse für", False),
        ("Größe", True),
    ]


def test_the_mark_may_spell_the_name_in_another_encoding():
    path_ = resource(2000, path(SQUARE), "Größe".encode())
    (one,) = paths(path_ + clipping("Größe".encode("mac_roman")))
    assert one.is_clipping


def test_knots_are_read_as_x_and_y():
    knots = [((0.1, 0.2), (0.3, 0.4), (0.5, 0.6)), ((-1.5, 2.5), (0, 1), (127.0, -128.0))]
    (one,) = paths(resource(2000, path(knots), b"P"))
    (read,) = one.subpaths()
    np.testing.assert_allclose(read.knots_N32, knots, atol=2**-24)


def test_operations_and_open_subpaths():
    records = path(
        subpath(SQUARE, operation=1),
        subpath(SQUARE, operation=0),
        subpath(SQUARE, operation=2),
        subpath(SQUARE, operation=3),
        subpath(SQUARE, operation=-1),
    )
    (one,) = paths(resource(2000, records, b"P"))
    assert [part.operation for part in one.subpaths()] == [
        Operation.COMBINE,
        Operation.EXCLUDE,
        Operation.SUBTRACT,
        Operation.INTERSECT,
        Operation.WITH_PREVIOUS,
    ]


def test_an_open_subpath_is_closed_by_a_straight_line():
    bow = [((9, 9), (0.1, 0.1), (0.2, 0.1)), ((0.8, 0.1), (0.9, 0.1), (9, 9))]
    (one,) = paths(resource(2000, path(subpath(bow, is_open=True)), b"P"))
    (read,) = one.subpaths()
    np.testing.assert_allclose(read.knots_N32[0, 0], (0.1, 0.1), atol=1e-6)
    np.testing.assert_allclose(read.knots_N32[1, 2], (0.9, 0.1), atol=1e-6)


@pytest.mark.parametrize(
    "records",
    [
        path(SQUARE)[:-26],
        path(subpath(SQUARE, operation=7)),
        path(SQUARE) + (77).to_bytes(2, "big") + bytes(24),
        path(subpath(SQUARE)[26:]),
    ],
    ids=["lacks a knot", "unknown operation", "unknown record", "knots without a length"],
)
def test_records_that_make_no_sense_are_damage(records):
    (one,) = paths(resource(2000, records, b"P"))
    with pytest.raises(DamagedError):
        one.subpaths()


def test_a_path_larger_than_any_is_refused_before_it_is_read():
    many = subpath(polygon(*[(0.5, 0.5)] * 60_000))
    (one,) = paths(resource(2000, path(*[many] * 4), b"P"))
    with pytest.raises(DamagedError, match="200000"):
        one.subpaths()
