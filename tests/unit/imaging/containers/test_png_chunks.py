"""Chunks of a PNG beside its pixels: large, damaged, out of place; at 8 bits as at 16."""

import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.unit.imaging.reading.profiles import ADOBE

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
TRUECOLOUR = 2
LINEAR = struct.pack(">I", 100_000)

pytestmark = pytest.mark.parametrize("depth", [8, 16])


def chunk(kind, body, *, is_damaged=False):
    checksum = zlib.crc32(kind + body) ^ is_damaged
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png(depth, *, before=b"", after=b"", is_damaged=False):
    y, x = np.mgrid[:40, :56] / [[[39]], [[55]]]
    planes_HWC = np.rint(np.stack([x, y, (x + 2 * y) / 3], -1) * (2**depth - 1))
    rows = planes_HWC.astype(f">u{depth // 8}").reshape(40, -1)
    header = struct.pack(">IIBBBBB", 56, 40, depth, TRUECOLOUR, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header, is_damaged=is_damaged)
        + before
        + chunk(b"IDAT", pixels)
        + after
        + chunk(b"IEND", b"")
    )


def plain(depth):
    return decode(png(depth), ANY_SIZE)


def with_padding(profile, size):
    """A profile that is longer than it need be, as those of scanners are."""
    longer = profile.ljust(size, b"\0")
    return struct.pack(">I", len(longer)) + longer[4:]


@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"tEXt", b"Comment\0" + b"word " * 300_000),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"word " * 300_000)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"word " * 300_000)),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80 * 2**20))),
    ],
)
def test_long_texts_cost_no_picture(depth, kind, body, is_behind):
    text = chunk(kind, body)
    data = png(depth, before=b"" if is_behind else text, after=text if is_behind else b"")
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, plain(depth).rgb_HWC)
    assert photo.notes == plain(depth).notes


@pytest.mark.parametrize("size", [len(ADOBE), 1_300_000, 4_000_000])
def test_a_large_profile_is_used(depth, size):
    body = b"scanner\0\0" + zlib.compress(with_padding(ADOBE, size))
    photo = decode(png(depth, before=chunk(b"iCCP", body)), ANY_SIZE)
    assert photo.notes[-1] == "ICC profile 'wide by hand' converted to sRGB"
    assert not np.array_equal(photo.rgb_HWC, plain(depth).rgb_HWC)


@pytest.mark.parametrize(
    "packed", [zlib.compress(with_padding(ADOBE, 40 * 2**20)), b"damaged", b""]
)
def test_a_profile_that_cannot_be_unpacked_is_said(depth, packed):
    photo = decode(png(depth, before=chunk(b"iCCP", b"scanner\0\0" + packed)), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, plain(depth).rgb_HWC)
    assert photo.notes[-1] == "ICC profile unreadable, taken as sRGB"


@pytest.mark.parametrize(
    ("kind", "body", "notes"),
    [
        (b"tEXt", b"Comment\0word", ()),
        (b"prVt", b"of a program's own", ()),
        (b"gAMA", LINEAR, ("gAMA with a wrong checksum is left out",)),
        (b"tRNS", bytes(6), ("tRNS with a wrong checksum is left out",)),
        (b"gAMA", LINEAR[:2], ("gAMA with a wrong checksum is left out",)),
    ],
)
def test_a_wrong_checksum_of_what_is_not_needed_costs_that_alone(depth, kind, body, notes):
    photo = decode(png(depth, before=chunk(kind, body, is_damaged=True)), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, plain(depth).rgb_HWC)
    assert photo.alpha_HW is None
    assert photo.notes == notes + plain(depth).notes


def test_a_wrong_checksum_of_what_is_needed_is_damage(depth):
    with pytest.raises(RowError) as refused:
        decode(png(depth, is_damaged=True), ANY_SIZE)
    assert refused.value.code is ErrorCode.CORRUPT_IMAGE


def test_colours_that_are_declared_behind_the_pixels_count_for_nothing(depth):
    icc = b"name\0\0" + zlib.compress(ADOBE)
    for body in (chunk(b"gAMA", LINEAR), chunk(b"iCCP", icc), chunk(b"tRNS", bytes(6))):
        photo = decode(png(depth, after=body), ANY_SIZE)
        np.testing.assert_array_equal(photo.rgb_HWC, plain(depth).rgb_HWC)
        assert photo.alpha_HW is None
        assert photo.notes == plain(depth).notes
    assert decode(png(depth, before=chunk(b"gAMA", LINEAR)), ANY_SIZE).notes != plain(depth).notes


@pytest.mark.parametrize("name", [b"exif", b"APP1"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_an_orientation_in_a_text_turns(depth, name, is_packed):
    exif = Image.Exif()
    exif[274] = 6
    digits = exif.tobytes().hex().encode()
    text = b"\n%s\n%8d\n%s\n" % (name, len(digits) // 2, digits)
    keyword = b"Raw profile type " + name + b"\0"
    packed = chunk(b"zTXt", keyword + b"\0" + zlib.compress(text))
    photo = decode(
        png(depth, before=packed if is_packed else chunk(b"tEXt", keyword + text)), ANY_SIZE
    )
    assert photo.orientation == 6
    assert photo.rgb_HWC.shape == (56, 40, 3)


def test_xmp_in_a_text_called_app1_is_no_exif(depth):
    digits = b"http://ns.adobe.com/xap/1.0/\0<x/>".hex().encode()
    text = b"\nAPP1\n%8d\n%s\n" % (len(digits) // 2, digits)
    body = chunk(b"tEXt", b"Raw profile type APP1\0" + text)
    assert decode(png(depth, before=body), ANY_SIZE).notes == plain(depth).notes


def several_chunks(rows, depth):
    """Its pixels in many IDAT chunks, so that cuts fall between them, too."""
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", 56, 40, depth, TRUECOLOUR, 0, 0, 0)
    parts = [packed[at : at + 85] for at in range(0, len(packed), 85)]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunk(b"IDAT", part) for part in parts)
        + chunk(b"IEND", b"")
    )


def test_a_png_that_lacks_its_end_alone_is_read_and_one_that_lacks_more_is_not(depth):
    rng = np.random.default_rng(5)
    values = rng.integers(0, 256 ** (depth // 8), (40, 56, 3)).astype(f">u{depth // 8}")
    data = several_chunks(values.view(np.uint8).reshape(40, -1), depth)
    whole = decode(data, ANY_SIZE)
    for lost in range(1, 13):
        photo = decode(data[:-lost], ANY_SIZE)
        assert np.array_equal(photo.rgb_HWC, whole.rgb_HWC)
    assert photo.notes[0] == "without an end chunk"
    for lost in (*range(21, 50), *range(50, len(data) - 40, 97)):  # before: checksums of pixels
        with pytest.raises(RowError) as refused:
            decode(data[:-lost], ANY_SIZE)
        assert refused.value.code is ErrorCode.CORRUPT_IMAGE


def test_damaged_pngs_take_nothing_from_the_process_that_reads_them(depth):
    data = several_chunks(np.zeros((40, 56 * 3 * depth // 8), np.uint8), depth)
    before = sys.getrefcount(None)
    for _ in range(500):
        with pytest.raises(RowError):
            decode(data[:-40], ANY_SIZE)
    assert sys.getrefcount(None) > before - 250  # others come and go
