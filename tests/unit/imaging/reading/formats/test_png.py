"""PNG of every colour type and depth, written chunk by chunk (PNG, third edition)."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.samples import Cicp
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.decoder_choice import look
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6
CHANNELS = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGBA: 4}


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples_HWC, *, colour_type, depth, before=b"", after=b""):
    """A file of these samples, with chunks before and after its pixels."""
    height, width = samples_HWC.shape[:2]
    flat = samples_HWC.reshape(height, -1)
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in flat]
    elif depth == 8:
        rows = [row.astype(np.uint8).tobytes() for row in flat]
    else:
        bits = flat[..., None] >> np.arange(depth - 1, -1, -1) & 1
        rows = [np.packbits(row.astype(bool).ravel()).tobytes() for row in bits]
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", pixels)
        + after
        + chunk(b"IEND", b"")
    )


def ramps(num_channels, depth):
    y, x = np.mgrid[:40, :56] / [[[39]], [[55]]]
    planes = np.stack([x, y, (x + 2 * y) / 3, 1 - x * y][:num_channels], -1)
    return np.rint(planes * (2**depth - 1)).astype(np.uint16)


def in_8_bits(values, white):
    return np.floor(np.asarray(values, np.float64) * 255 / white + 0.5).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour_type", "depth"),
    [(GREY, depth) for depth in (1, 2, 4, 8, 16)]
    + [(kind, depth) for kind in (RGB, GREY_ALPHA, RGBA) for depth in (8, 16)],
)
def test_every_colour_type_at_every_depth(colour_type, depth):
    samples = ramps(CHANNELS[colour_type], depth)
    photo = decode(png(samples, colour_type=colour_type, depth=depth), ANY_SIZE)
    white = 2**depth - 1
    num_colours = 3 if colour_type in (RGB, RGBA) else 1
    wanted = np.broadcast_to(in_8_bits(samples[..., :num_colours], white), (40, 56, 3))
    np.testing.assert_array_equal(photo.rgb_HWC, wanted)
    if colour_type in (GREY_ALPHA, RGBA):
        np.testing.assert_allclose(photo.alpha_HW, samples[..., -1] / white, atol=1e-6)
    else:
        assert photo.alpha_HW is None
    assert photo.notes == (("more than 8 bits a channel, reduced to 8",) if depth == 16 else ())


@pytest.mark.parametrize(
    ("colour_type", "depth"),
    [(GREY, depth) for depth in (1, 2, 4, 8, 16)] + [(RGB, 8), (RGB, 16)],
)
def test_each_colour_that_can_be_declared_transparent(colour_type, depth):
    samples = ramps(CHANNELS[colour_type], depth)
    keys = [samples[3, 5], samples[39, 55], samples[0, 0]]
    for key in keys:
        body = b"".join(struct.pack(">H", value) for value in key)
        data = png(samples, colour_type=colour_type, depth=depth, before=chunk(b"tRNS", body))
        photo = decode(data, ANY_SIZE)
        is_opaque = (samples != key).any(-1)
        np.testing.assert_array_equal(photo.alpha_HW == 1, is_opaque)
        np.testing.assert_array_equal(photo.alpha_HW == 0, ~is_opaque)


def test_a_key_that_differs_in_the_low_byte_only_is_another_colour():
    samples = np.full((40, 40, 3), 0x1234, np.uint16)
    samples[:20] += 1
    key = struct.pack(">HHH", 0x1234, 0x1234, 0x1234)
    data = png(samples, colour_type=RGB, depth=16, before=chunk(b"tRNS", key))
    alpha_HW = decode(data, ANY_SIZE).alpha_HW
    assert (alpha_HW[:20] == 1).all()
    assert (alpha_HW[20:] == 0).all()


@pytest.mark.parametrize("depth", [8, 16])
def test_what_the_chunks_say_about_colour(depth):
    xy = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
    before = (
        chunk(b"gAMA", struct.pack(">I", 45455))
        + chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in xy)))
        + chunk(b"sRGB", b"\0")
        + chunk(b"iCCP", b"a name\0\0" + zlib.compress(b"a profile"))
        + chunk(b"cICP", bytes((9, 16, 0, 1)))
    )
    header = look(png(ramps(3, depth), colour_type=RGB, depth=depth, before=before), "PNG")
    assert header.meaning.gamma == 0.45455
    assert header.meaning.chromaticities == xy
    assert header.meaning.is_srgb
    assert header.meaning.icc == b"a profile"
    assert header.meaning.cicp == Cicp(
        primaries=9, transfer=16, matrix=0, is_full_range=True, is_png=True
    )


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("after", [False, True])
def test_orientation_and_resolution(depth, after):
    exif = Image.Exif()
    exif[274] = 6
    block = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    density = chunk(b"pHYs", struct.pack(">IIB", 11811, 5906, 1))
    data = png(
        ramps(3, depth),
        colour_type=RGB,
        depth=depth,
        before=density + (b"" if after else block),
        after=block if after else b"",
    )
    photo = decode(data, ANY_SIZE)
    assert photo.rgb_HWC.shape == (56, 40, 3)
    assert photo.orientation == 6
    assert "EXIF orientation 6 applied" in photo.notes
    np.testing.assert_allclose(photo.resolution_dpi, (150, 300), rtol=1e-3)


@pytest.mark.parametrize("depth", [8, 16])
def test_exif_as_imagemagick_writes_it(depth):
    exif = Image.Exif()
    exif[274] = 3
    digits = exif.tobytes().hex().encode()
    text = b"\nexif\n%8d\n%s\n" % (len(digits) // 2, digits)
    body = b"Raw profile type exif\0\0" + zlib.compress(text)
    samples = ramps(3, depth)
    data = png(samples, colour_type=RGB, depth=depth, before=chunk(b"zTXt", body))
    photo = decode(data, ANY_SIZE)
    assert photo.orientation == 3
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(samples[::-1, ::-1], 2**depth - 1))


@pytest.mark.parametrize("depth", [8, 16])
def test_an_orientation_in_xmp_alone_is_none(depth):
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    photo = decode(png(ramps(3, depth), colour_type=RGB, depth=depth, before=text), ANY_SIZE)
    assert photo.rgb_HWC.shape == (40, 56, 3)
    assert photo.orientation == 1


@pytest.mark.parametrize("unit", [0, 7])
def test_a_resolution_without_a_unit_is_none(unit):
    density = chunk(b"pHYs", struct.pack(">IIB", 1, 1, unit))
    for depth in (8, 16):
        data = png(ramps(3, depth), colour_type=RGB, depth=depth, before=density)
        assert decode(data, ANY_SIZE).resolution_dpi is None


def test_a_header_is_held_against_the_limits_at_every_depth():
    for depth in (8, 16):
        good = png(ramps(3, depth), colour_type=RGB, depth=depth)
        body = b"IHDR" + struct.pack(">II", 30_000, 30_000) + good[24:29]
        large = good[:12] + body + struct.pack(">I", zlib.crc32(body)) + good[33:]
        with pytest.raises(RowError) as refused:
            decode(large, ANY_SIZE)
        assert refused.value.code is ErrorCode.TOO_MANY_PIXELS


@settings(max_examples=150, deadline=None)
@given(
    colour_type=st.sampled_from([GREY, RGB, GREY_ALPHA, RGBA]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
    kept=st.floats(0.1, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_gives_a_photograph_or_a_reason(colour_type, changes, kept):
    samples = ramps(CHANNELS[colour_type], 16)
    damaged = bytearray(png(samples, colour_type=colour_type, depth=16))
    for where, value in changes:
        damaged[round(where * (len(damaged) - 1))] = value
    try:
        photo = decode(bytes(damaged[: round(kept * len(damaged))]), ANY_SIZE)
    except RowError:
        return
    assert photo.rgb_HWC.dtype == np.uint8
