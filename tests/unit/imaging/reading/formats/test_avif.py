"""AVIF by libavif, with properties of pictures put in by hand (ISO/IEC 23008-12)."""

import struct
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.boxes import boxes
from pipeline.imaging.libraries.samples import Cicp
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.decoder_choice import look
from pipeline.imaging.reading.limits import ImageLimits
from tests.iso_boxes import box, found, grown, with_property

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 56
DEEP = ("more than 8 bits a channel, reduced to 8",)


def ramps(num_channels, bits):
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = np.stack([x, y, (x + 2 * y) / 3, 1 - x * y][:num_channels], -1)
    return np.rint(planes * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def avif(samples, bits):
    """Without loss: identity matrix, all of the range, colour at full size."""
    samples = samples[..., 0] if samples.shape[-1] == 1 else samples
    return imagecodecs.avif_encode(samples, level=100, bitspersample=bits, speed=8)


def clean_aperture(left, top, width, height):
    across = left * 2 + width - WIDTH
    down = top * 2 + height - HEIGHT
    return struct.pack(">IIIIiIiI", width, 1, height, 1, across, 2, down, 2)


def in_8_bits(values, white):
    return np.floor(np.asarray(values, np.float64) * 255 / white + 0.5).astype(np.uint8)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("num_channels", [1, 3, 4])
def test_every_depth_with_and_without_alpha(bits, num_channels):
    samples, white = ramps(num_channels, bits), 2**bits - 1
    photo = decode(avif(samples, bits), ANY_SIZE)
    num_colours = min(num_channels, 3)
    wanted = np.broadcast_to(in_8_bits(samples[..., :num_colours], white), (HEIGHT, WIDTH, 3))
    assert np.abs(photo.rgb_HWC.astype(int) - wanted).max() <= 1
    assert photo.notes == (DEEP if bits > 8 else ())
    if num_channels == 4:
        assert np.abs(photo.alpha_HW - samples[..., 3] / white).max() <= 1.5 / white
    else:
        assert photo.alpha_HW is None


@pytest.mark.parametrize("extent", ["full", "limited"])
def test_a_limited_range_is_widened_once(extent):
    rgb_HWC = ramps(3, 8)
    out = BytesIO()
    Image.fromarray(rgb_HWC).save(out, "AVIF", quality=98, subsampling="4:4:4", range=extent)
    photo = decode(out.getvalue(), ANY_SIZE)
    assert np.abs(photo.rgb_HWC.astype(int) - rgb_HWC).mean() < 1.5


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("part", [(0, 0, 40, 32), (10, 6, 20, 30), (7, 3, 49, 37)])
def test_a_clean_aperture_is_what_is_shown(bits, part):
    samples = ramps(4, bits)
    whole = decode(avif(samples, bits), ANY_SIZE)
    photo = decode(with_property(avif(samples, bits), b"clap", clean_aperture(*part)), ANY_SIZE)
    left, top, width, height = part
    window = slice(top, top + height), slice(left, left + width)
    np.testing.assert_array_equal(photo.rgb_HWC, whole.rgb_HWC[window])
    np.testing.assert_array_equal(photo.alpha_HW, whole.alpha_HW[window])


@pytest.mark.parametrize("bits", [8, 10])
def test_an_aperture_of_half_pixels_is_rounded_to_the_left_and_to_the_top(bits):
    data = avif(ramps(3, bits), bits)
    whole = decode(data, ANY_SIZE)
    body = struct.pack(">IIIIiIiI", 41, 2, 21, 1, 0, 1, 0, 1)  # 20.5 x 21, from 17.75 and 9.5
    photo = decode(with_property(data, b"clap", body), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, whole.rgb_HWC[9:30, 17:38])


def test_an_aperture_beyond_the_picture_is_left_out():
    data = with_property(avif(ramps(3, 8), 8), b"clap", clean_aperture(20, 0, 60, 20))
    assert decode(data, ANY_SIZE).rgb_HWC.shape == (HEIGHT, WIDTH, 3)


def test_limits_hold_for_what_is_shown_and_for_what_is_decoded():
    small = with_property(avif(ramps(3, 8), 8), b"clap", clean_aperture(0, 0, 20, 20))
    with pytest.raises(RowError) as refused:
        decode(small, ImageLimits(min_side_px=32))
    assert refused.value.code is ErrorCode.TOO_SMALL
    with pytest.raises(RowError) as refused:
        decode(small, ImageLimits(min_side_px=1, max_megapixels=0.001))
    assert refused.value.code is ErrorCode.TOO_MANY_PIXELS


TURNS = {  # irot and imir, and what they do to rows and columns, one after the other
    (0, None): lambda stored: stored,
    (1, None): lambda stored: np.rot90(stored),
    (2, None): lambda stored: np.rot90(stored, 2),
    (3, None): lambda stored: np.rot90(stored, 3),
    (0, 0): lambda stored: stored[::-1],
    (0, 1): lambda stored: stored[:, ::-1],
    (1, 0): lambda stored: np.rot90(stored)[::-1],
    (1, 1): lambda stored: np.rot90(stored)[:, ::-1],
    (2, 0): lambda stored: np.rot90(stored, 2)[::-1],
    (3, 0): lambda stored: np.rot90(stored, 3)[::-1],
    (3, 1): lambda stored: np.rot90(stored, 3)[:, ::-1],
}


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_turned_picture_is_turned_once(bits, turn):
    data = avif(ramps(4, bits), bits)
    stored = decode(data, ANY_SIZE)
    rotation, mirror = turn
    if mirror is not None:
        data = with_property(data, b"imir", bytes([mirror]))
    if rotation:
        data = with_property(data, b"irot", bytes([rotation]))
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, TURNS[turn](stored.rgb_HWC))
    np.testing.assert_array_equal(photo.alpha_HW, TURNS[turn](stored.alpha_HW))


@pytest.mark.parametrize("bits", [8, 10])
def test_cropped_before_it_is_turned(bits):
    data = with_property(avif(ramps(3, bits), bits), b"irot", b"\1")
    data = with_property(data, b"clap", clean_aperture(10, 6, 20, 30))
    stored = decode(avif(ramps(3, bits), bits), ANY_SIZE).rgb_HWC
    np.testing.assert_array_equal(decode(data, ANY_SIZE).rgb_HWC, np.rot90(stored[6:36, 10:30]))


def test_an_orientation_in_exif_or_xmp_alone_is_none():
    exif = Image.Exif()
    exif[274] = 6
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    out = BytesIO()
    Image.fromarray(ramps(3, 8)).save(out, "AVIF", xmp=xmp)
    photo = decode(out.getvalue(), ANY_SIZE)
    assert photo.rgb_HWC.shape == (HEIGHT, WIDTH, 3)
    assert photo.orientation == 1


@pytest.mark.parametrize("bits", [8, 10])
def test_colours_by_number_and_by_profile(bits):
    data = avif(ramps(3, bits), bits)
    start, _ = found(data, b"meta", b"iprp", b"ipco")
    assert look(data, "AVIF").meaning.icc is None
    at = data.index(b"nclx", start)
    numbers = struct.pack(">HHHB", 12, 16, 0, 0x80)
    header = look(data[: at + 4] + numbers + data[at + 11 :], "AVIF")
    assert header.meaning.cicp == Cicp(primaries=12, transfer=16, matrix=0, is_full_range=True)
    header = look(with_property(data, b"colr", b"prof" + srgb_profile()), "AVIF")
    assert header.meaning.icc == srgb_profile()
    assert header.meaning.cicp is not None


@pytest.mark.parametrize("bits", [8, 10])
def test_a_matrix_that_libavif_does_not_know_is_refused_with_the_fix(bits):
    data = avif(ramps(3, bits), bits)
    at = data.index(b"nclx")
    with pytest.raises(RowError) as refused:
        decode(data[: at + 4] + struct.pack(">HHHB", 9, 16, 10, 0x80) + data[at + 11 :], ANY_SIZE)
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "Save it" in refused.value.message


@pytest.mark.parametrize("bits", [8, 10])
def test_an_alpha_without_a_size_of_its_own(bits):
    data = bytearray(avif(ramps(4, bits), bits))
    whole = decode(bytes(data), ANY_SIZE)
    properties = [one.kind for one in boxes(data, *found(data, b"meta", b"iprp", b"ipco"))]
    start, _ = found(data, b"meta", b"iprp", b"ipma")
    at = start + 8 + 3 + data[start + 10]  # of the second item, which is alpha
    count = data[at + 2]
    for place in range(at + 3, at + 3 + count):
        if properties[(data[place] & 0x7F) - 1] == b"ispe":
            data[place] = 0  # no property
    photo = decode(bytes(data), ANY_SIZE)
    np.testing.assert_allclose(photo.alpha_HW, whole.alpha_HW, atol=1.01 / 255)
    assert np.abs(photo.rgb_HWC.astype(int) - whole.rgb_HWC).max() <= 1


def test_a_depth_that_is_not_that_of_the_pixels_is_damage():
    data = avif(ramps(3, 12), 12)
    at = data.index(b"pixi") + 9
    flags = data.index(b"av1C") + 6
    said = data[:at] + bytes([10, 10, 10]) + data[at + 3 :]
    said = said[:flags] + bytes([said[flags] & ~0x20]) + said[flags + 1 :]
    with pytest.raises(RowError) as refused:
        decode(said, ANY_SIZE)
    assert refused.value.code is ErrorCode.CORRUPT_IMAGE


def premultiplied(data):
    """With a reference that says so, from the colours to their alpha."""
    reference = box(b"prem", struct.pack(">HHH", 1, 1, 2))
    return grown(data, (b"meta", b"iref"), found(data, b"meta", b"iref")[1], reference)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_premultiplied_colours_are_divided(bits):
    white = 2**bits - 1
    straight = ramps(4, bits).astype(np.uint64)
    alpha_HW = straight[..., 3]
    stored = straight.copy()
    stored[..., :3] = (straight[..., :3] * alpha_HW[..., None] + white // 2) // white
    data = avif(stored.astype(np.uint8 if bits == 8 else np.uint16), bits)
    photo = decode(premultiplied(data), ANY_SIZE)
    assert photo.was_premultiplied
    assert not decode(data, ANY_SIZE).was_premultiplied
    error = np.abs(photo.rgb_HWC.astype(int) - in_8_bits(straight[..., :3], white))
    assert error[alpha_HW > white // 3].max() <= (5 if bits == 8 else 2)
    assert (photo.rgb_HWC[alpha_HW == 0] == 0).all()


@settings(max_examples=150, deadline=None)
@given(
    bits=st.sampled_from([8, 10]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
    kept=st.floats(0.05, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_to_the_boxes_gives_a_photograph_or_a_reason(bits, changes, kept):
    data = with_property(avif(ramps(4, bits), bits), b"clap", clean_aperture(10, 6, 20, 30))
    damaged = bytearray(data)
    for where, value in changes:
        damaged[round(where * data.index(b"mdat"))] = value
    try:
        header = look(bytes(damaged[: round(kept * len(damaged))]), "AVIF")
    except RowError:
        return
    assert header.width > 0
