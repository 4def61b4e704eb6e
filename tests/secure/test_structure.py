"""Files that ask for more work than a photograph: refused by what they announce, never decoded."""

import struct
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.structure_limits import check_structure
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.iso_boxes import box

LIMITS = ImageLimits(min_side_px=1)
GREY_HWC = np.full((64, 64, 3), 120, np.uint8)


def refused(data, **limits):
    with pytest.raises(RowError) as caught:
        decode(data, ImageLimits(min_side_px=1, **limits))
    assert "\n" not in caught.value.message
    return caught.value


def jpeg(num_scans):
    """A whole JPEG, and behind its pixels headers of further scans with nothing in them."""
    out = BytesIO()
    Image.fromarray(GREY_HWC).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\1\0\1\x3f\0"
    return data[:-2] + num_scans * scan + data[-2:]


def test_a_jpeg_of_absurdly_many_scans_is_refused_before_it_is_decoded():
    error = refused(jpeg(101))
    assert error.code is ErrorCode.CORRUPT_IMAGE
    assert error.message == "JPEG: more than 100 scans over its pixels"


def test_rubbish_between_segments_hides_no_scan():
    error = refused(jpeg(101).replace(b"\xff\xda", b"rubbish\xff\xff\xda"))
    assert "more than 100 scans" in error.message


def test_what_looks_like_scans_behind_the_end_of_a_jpeg_is_somebody_elses_data():
    """As a film that a telephone puts there: two bytes in 65,536 are those of a scan by chance."""
    plain = decode(jpeg(0), LIMITS)
    with_film = decode(jpeg(0) + 300 * b"\xff\xda film ", LIMITS)
    np.testing.assert_array_equal(with_film.rgb_HWC, plain.rgb_HWC)


def test_what_looks_like_scans_in_metadata_is_none():
    data = jpeg(0)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 1200) + 300 * b"\xff\xda--"
    np.testing.assert_array_equal(
        decode(data[:2] + comment + data[2:], LIMITS).rgb_HWC, decode(data, LIMITS).rgb_HWC
    )


def png(*chunks):
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        parts += [struct.pack(">I", len(body)), kind, body]
        parts += [struct.pack(">I", zlib.crc32(kind + body))]
    return b"".join(parts)


def test_a_png_of_too_many_chunks_is_refused():
    header = (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    error = refused(png(header, *[(b"prVt", b"")] * 65_536))
    assert (error.code, error.message) == (ErrorCode.CORRUPT_IMAGE, "PNG: more than 65,536 chunks")


def test_a_png_says_once_what_is_left_out_a_thousand_times():
    out = BytesIO()
    Image.fromarray(GREY_HWC).save(out, "PNG")
    data = out.getvalue()
    wrong = struct.pack(">I", 4) + b"gAMA" + bytes(8)
    photo = decode(data[:33] + 1000 * wrong + data[33:], LIMITS)
    assert photo.notes == ("gAMA with a wrong checksum is left out",)


def tiff(**options):
    out = BytesIO()
    tifffile.imwrite(out, GREY_HWC, photometric="rgb", **options)
    return bytearray(out.getvalue())


def with_numbers(data, numbers):
    """The same TIFF with other numbers in some of its tags."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        for code, number in numbers.items():
            tag = file.pages[0].tags[code]
            struct.pack_into("<H" if tag.dtype == 3 else "<I", data, tag.valueoffset, number)
    return bytes(data)


WIDTH, LENGTH, TILE_WIDTH, TILE_LENGTH = 256, 257, 322, 323


def test_tiles_larger_than_any_picture_are_refused_before_room_is_made_for_them():
    error = refused(with_numbers(tiff(tile=(64, 64)), {TILE_WIDTH: 20_000, TILE_LENGTH: 10_000}))
    assert error.code is ErrorCode.TOO_MANY_PIXELS
    assert error.message == ("TIFF: tiles of 20000 x 10000 px, at most 60 megapixels are accepted")


def test_tiles_larger_than_their_small_picture_are_as_usual():
    decode(bytes(tiff(tile=(256, 256))), LIMITS)


def test_a_tiff_of_many_channels_counts_as_several_pictures():
    out = BytesIO()
    samples_HWC = np.zeros((64, 64, 40), np.uint8)
    tifffile.imwrite(out, samples_HWC, photometric="minisblack", planarconfig="contig")
    size = {WIDTH: 7000, LENGTH: 7000}
    error = refused(with_numbers(bytearray(out.getvalue()), size))
    assert error.code is ErrorCode.TOO_MANY_PIXELS
    assert "7000 x 7000 px with 40 samples each" in error.message


def test_pages_that_are_the_same_directory_are_not_read_for_ever():
    """A page with 32 pages inside of it, all of them one, with a long value that all share."""
    pages = 60
    out = BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for _ in range(pages):
            writer.write(GREY_HWC, photometric="rgb", subifds=2, description="word " * 4000)
            for _ in range(2):
                writer.write(GREY_HWC[::2, ::2], photometric="rgb", subfiletype=1)
    honest = bytearray(out.getvalue())
    decode(bytes(honest), LIMITS)
    with tifffile.TiffFile(BytesIO(honest)) as file:
        largest = file.pages[0].tags[270]
        for page in file.pages:
            at = page.tags[270].offset
            struct.pack_into("<II", honest, at + 4, len(honest) - 8, 8)  # nearly all of the file
    error = refused(bytes(honest))
    assert largest.count > 10_000
    assert error.code is ErrorCode.CORRUPT_IMAGE
    assert "the same bytes over and over again" in error.message


def jpeg2000(**options):
    return bytearray(imagecodecs.jpeg2k_encode(GREY_HWC, level=0, **options))


def siz_at(data):
    return data.index(b"\xff\x51") + 4


def with_style(*, layers=1, levels=5, block=(4, 4), precincts=b"", size=64, tile=None):
    """The headers of a JPEG 2000, with a coding style that we choose; no packet follows them."""
    tile = tile or size
    siz = struct.pack(">HIIIIIIIIH", 0, size, size, 0, 0, tile, tile, 0, 0, 3) + b"\7\1\1" * 3
    cod = struct.pack(">BBHBBBBBB", bool(precincts), 0, layers, 1, levels, *block, 0, 0) + precincts
    qcd = bytes([0x40, *[0x40] * (3 * levels + 1)])
    parts = [b"\xff\x4f"]
    for marker, body in ((0x51, siz), (0x52, cod), (0x5C, qcd)):
        parts += [bytes([0xFF, marker]), struct.pack(">H", 2 + len(body)), body]
    tile_part = b"\xff\x90" + struct.pack(">HHIBB", 10, 0, 14, 0, 1) + b"\xff\x93"
    return b"".join([*parts, tile_part, b"\xff\xd9"])


@pytest.mark.parametrize(
    ("style", "what"),
    [
        ({"layers": 65_535, "precincts": b"\x44" * 6, "size": 2000}, "packets of data announced"),
        ({"layers": 60_000, "levels": 32}, "packets of data announced"),
        ({"precincts": b"\x11" * 6, "size": 7000}, "packets of data announced"),
        ({"block": (0, 0), "size": 7000}, "blocks of code announced"),
        ({"size": 7000, "tile": 1}, "49,000,000 tiles"),
    ],
)
def test_a_jpeg_2000_in_too_many_parts_is_refused(style, what):
    error = refused(with_style(**style))
    assert error.code is ErrorCode.CORRUPT_IMAGE
    assert what in error.message


@pytest.mark.parametrize(
    "style",
    [
        {"size": 7700},
        {"size": 7700, "layers": 25, "precincts": b"\x55\x66\x77\x88\x88\x88"},
        {"size": 7700, "layers": 12, "tile": 256},
        {"size": 7700, "block": (2, 2)},
    ],
)
def test_what_archives_and_cameras_write_is_within_the_limits(style):
    check_structure(with_style(**style), "JPEG2000")


def test_a_coding_style_in_a_tile_counts_too():
    data = with_style(size=2000)
    style = b"\xff\x52" + struct.pack(">HBBHBBBBBB", 12, 0, 0, 65_535, 1, 32, 4, 4, 0, 0)
    at = data.index(b"\xff\x93")
    hidden = bytearray(data[:at] + style + data[at:])
    struct.pack_into(">I", hidden, at - 6, 14 + len(style))
    check_structure(data, "JPEG2000")
    with pytest.raises(RowError, match="packets"):
        check_structure(bytes(hidden), "JPEG2000")


def test_a_plain_jpeg_2000_is_read():
    np.testing.assert_array_equal(decode(bytes(jpeg2000()), LIMITS).rgb_HWC, GREY_HWC)


def grid(*, parts, size, nested=False):
    """The boxes of a HEIC whose picture is a grid of parts, all of them one item."""

    def item(number, kind):
        return box(b"infe", b"\2\0\0\0" + struct.pack(">HH", number, 0) + kind + b"\0")

    references = struct.pack(">HH", 1, parts) + parts * struct.pack(">H", 2)
    inner = box(b"dimg", struct.pack(">HHH", 2, 1, 1)) if nested else b""
    ispe = box(b"ispe", bytes(4) + struct.pack(">II", size, size))
    owned = struct.pack(">HBBHBB", 1, 1, 1, 2, 1, 1)
    properties = box(b"ipco", ispe) + box(b"ipma", bytes(4) + struct.pack(">I", 2) + owned)
    meta = [
        box(b"pitm", bytes(4) + struct.pack(">H", 1)),
        box(b"iinf", bytes(4) + struct.pack(">H", 2) + item(1, b"grid") + item(2, b"hvc1")),
        box(b"iref", bytes(4) + box(b"dimg", references) + inner),
        box(b"iprp", properties),
    ]
    return box(b"ftyp", b"heic\0\0\0\0heicmif1") + box(b"meta", bytes(4) + b"".join(meta))


def test_a_grid_that_draws_one_part_a_thousand_times_is_refused():
    error = refused(grid(parts=1000, size=4000))
    assert error.code is ErrorCode.TOO_MANY_PIXELS
    assert error.message == (
        "HEIF: 1,000 parts of 16000.0 megapixels in all, at most 240 megapixels are accepted"
    )


def test_a_grid_that_is_a_part_of_itself_is_refused():
    error = refused(grid(parts=2, size=512, nested=True))
    assert error.code is ErrorCode.CORRUPT_IMAGE
    assert "parts that have no end" in error.message
