"""HEIC. The files beside this one were made of `ramps` by heif-enc 1.15 (x265), 96 x 64 px."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.quality.finished_file import inspect
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.decoder_choice import look
from pipeline.imaging.reading.limits import ImageLimits
from tests.iso_boxes import box, found, grown, with_property

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 64, 96
FILES = Path(__file__).with_name("heic")


def heic(name):
    return (FILES / f"{name}.heic").read_bytes()


def ramps():
    """Red, green, blue and alpha, [0, 1]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    return np.stack([x, y, (x + 2 * y) / 3, 1 - x * y], -1)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("kind", ["rgb", "rgba"])
def test_colour_and_alpha_at_their_depth(kind, bits):
    photo = decode(heic(f"{kind}{bits}"), ANY_SIZE)
    error = np.abs(photo.rgb_HWC - ramps()[..., :3] * 255)
    assert error.max() <= 8  # lossy
    assert error.mean() <= 1.5
    assert photo.format == "HEIF"
    assert photo.notes == (("more than 8 bits a channel, reduced to 8",) if bits > 8 else ())
    if kind == "rgba":
        assert np.abs(photo.alpha_HW - ramps()[..., 3]).max() <= 0.02
        assert photo.alpha_HW.max() > 0.99
        assert not photo.was_premultiplied
    else:
        assert photo.alpha_HW is None


def test_white_is_white_at_10_bits():
    photo = decode(heic("rgb10"), ANY_SIZE)
    assert photo.rgb_HWC.max() >= 254
    assert len(np.unique(photo.rgb_HWC[..., 0])) > 90


def test_grey():
    photo = decode(heic("grey8"), ANY_SIZE)
    assert np.abs(photo.rgb_HWC[..., 1] - ramps()[..., 0] * 255).max() <= 8
    assert look(heic("grey8"), "HEIF").space == "grey"


def test_premultiplied_colours_are_divided():
    stored = decode(heic("rgba8"), ANY_SIZE)
    photo = decode(heic("premultiplied8"), ANY_SIZE)  # equal samples that are said to be divided
    assert photo.was_premultiplied
    known = np.minimum(255, stored.rgb_HWC / np.maximum(stored.alpha_HW, 1 / 255)[..., None])
    shown_HW = stored.alpha_HW > 0.5
    assert np.abs(photo.rgb_HWC - known)[shown_HW].max() <= 12


@pytest.mark.parametrize(
    ("rotation", "mirror"), [(1, None), (2, None), (3, None), (0, 0), (0, 1), (1, 0), (3, 1)]
)
def test_a_turned_picture_is_turned_once(rotation, mirror):
    data = heic("rgba10")
    stored = decode(data, ANY_SIZE)
    for item in (1, 2):  # alpha has what its picture has (ISO/IEC 23000-22, 7.3.6.7)
        if mirror is not None:
            data = with_property(data, b"imir", bytes([mirror]), item=item)
        if rotation:
            data = with_property(data, b"irot", bytes([rotation]), item=item)
    photo = decode(data, ANY_SIZE)
    wanted_HWC, wanted_HW = np.rot90(stored.rgb_HWC, rotation), np.rot90(stored.alpha_HW, rotation)
    if photo.rgb_HWC.shape == wanted_HWC.shape and mirror is not None:
        flip = (slice(None, None, -1),) if mirror == 0 else (slice(None), slice(None, None, -1))
        wanted_HWC, wanted_HW = wanted_HWC[flip], wanted_HW[flip]
    np.testing.assert_array_equal(photo.rgb_HWC, wanted_HWC)
    np.testing.assert_array_equal(photo.alpha_HW, wanted_HW)
    assert photo.orientation > 1


def test_a_clean_aperture_is_what_is_shown():
    whole = decode(heic("rgb8"), ANY_SIZE)
    left, top, width, height = 10, 6, 40, 30
    across, down = left * 2 + width - WIDTH, top * 2 + height - HEIGHT
    body = struct.pack(">IIIIiIiI", width, 1, height, 1, across, 2, down, 2)
    photo = decode(with_property(heic("rgb8"), b"clap", body), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, whole.rgb_HWC[6:36, 10:50])


@pytest.mark.parametrize("name", ["rgba8", "rgba10", "grey8"])
def test_cropped_before_it_is_turned_and_decoded_as_a_whole(name):
    data = heic(name)
    whole = decode(data, ANY_SIZE)
    left, top, width, height = 10, 6, 40, 30
    body = struct.pack(
        ">IIIIiIiI", width, 1, height, 1, left * 2 + width - WIDTH, 2, top * 2 + height - HEIGHT, 2
    )
    data = with_property(with_property(data, b"irot", b"\1"), b"clap", body)
    assert look(data, "HEIF").shown == (WIDTH, HEIGHT)  # what pi-heif sets its limit by
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, np.rot90(whole.rgb_HWC[6:36, 10:50]))
    if name != "grey8":
        np.testing.assert_array_equal(photo.alpha_HW, np.rot90(whole.alpha_HW[6:36, 10:50]))


def test_colours_by_number_and_by_profile():
    numbers = struct.pack(">HHHB", 12, 13, 6, 0x80)
    data = with_property(heic("rgb8"), b"colr", b"nclx" + numbers)
    assert look(data, "HEIF").meaning.cicp.primaries == 12
    data = with_property(heic("rgb8"), b"colr", b"prof" + srgb_profile())
    assert look(data, "HEIF").meaning.icc == srgb_profile()
    assert decode(data, ANY_SIZE).rgb_HWC.shape == (HEIGHT, WIDTH, 3)


def as_auxiliary(name):
    """The alpha of a file, called something else."""
    data = heic("rgba8")
    start, end = found(data, b"meta", b"iprp", b"ipco")
    at = data.index(b"auxC", start, end) + 8
    stop = data.index(b"\0", at)
    return grown(
        data[:at] + name.ljust(stop - at, b"\0")[: stop - at] + data[stop:],
        (b"meta", b"iprp", b"ipco"),
        end,
        box(b"free", b""),
    )


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (b"urn:x:hdrgainmap", "HDR: its gain map is left out, the base picture is read"),
        (b"urn:mpeg:hevc:2015:auxid:2", "its depth map is left out"),
    ],
)
def test_what_is_left_out_is_said(name, note):
    photo = decode(as_auxiliary(name), ANY_SIZE)
    assert note in photo.notes
    assert photo.alpha_HW is None


def test_of_several_pictures_the_primary_is_read_and_said():
    """The mask of a file, which no longer says of which picture it is one."""
    data = heic("rgba8")
    at = data.index(b"auxl")
    assert not decode(data, ANY_SIZE).notes
    photo = decode(data[:at] + b"cdsc" + data[at + 4 :], ANY_SIZE)
    assert photo.notes == ("first of 2 pictures, the primary one",)
    np.testing.assert_array_equal(photo.rgb_HWC, decode(data, ANY_SIZE).rgb_HWC)


@pytest.mark.parametrize("kind", [b"thmb", b"auxl"])
def test_what_is_of_another_picture_is_none_of_several(kind):
    data = heic("rgba8")
    at = data.index(b"auxl")
    photo = decode(data[:at] + kind + data[at + 4 :], ANY_SIZE)
    assert photo.notes == ()


def test_limits_are_held_against_the_boxes():
    data = bytearray(heic("rgb8"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", 30_000, 30_000)
    with pytest.raises(RowError) as refused:
        decode(bytes(data), ANY_SIZE)
    assert refused.value.code is ErrorCode.TOO_MANY_PIXELS


def test_without_the_extra_it_is_refused_and_the_extra_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(RowError) as refused:
        decode(heic("rgb8"), ANY_SIZE)
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "backlot[heic]" in refused.value.message


def test_a_shop_does_not_take_it():
    with pytest.raises(RowError) as refused:
        inspect(heic("rgb8"))
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("name", ["rgb8", "rgba10"])
def test_a_cut_file_is_corrupt_wherever_it_is_cut(name):
    data = heic(name)
    for length in range(40, len(data) - 1, 23):
        with pytest.raises(RowError) as refused:
            decode(data[:length], ANY_SIZE)
        assert refused.value.code in (ErrorCode.CORRUPT_IMAGE, ErrorCode.UNSUPPORTED_FORMAT)


@settings(max_examples=100, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3))
def test_damage_to_the_boxes_gives_a_header_or_a_reason(changes):
    damaged = bytearray(heic("rgba10"))
    for where, value in changes:
        damaged[round(where * damaged.index(b"mdat"))] = value
    try:
        header = look(bytes(damaged), "HEIF")
    except RowError:
        return
    assert header.kind == "HEIF"
