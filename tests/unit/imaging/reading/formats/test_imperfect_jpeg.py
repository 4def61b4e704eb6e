"""JPEGs that end too early, lack their end marker alone, or have damaged metadata."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 41, 57
NOTE = "without an end marker, but with all of its pixels"
KINDS = {
    "baseline": {},
    "optimised": {"optimize": True},
    "full colour": {"subsampling": 0, "quality": 95},
    "restarts": {"restart_marker_blocks": 3},
    "progressive": {"progressive": True},
}


def ramps():
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    return Image.fromarray(np.rint(np.stack([x, y, (x + 2 * y) / 3], -1) * 255).astype(np.uint8))


def noise():
    rng = np.random.default_rng(7)
    return Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))


PICTURES = {
    "ramps": ramps,
    "noise": noise,
    "one colour": lambda: Image.new("RGB", (WIDTH, HEIGHT), (200, 10, 90)),
    "white": lambda: Image.new("RGB", (WIDTH, HEIGHT), "white"),
}


def jpeg(picture, **options):
    out = BytesIO()
    picture.save(out, "JPEG", **options)
    return out.getvalue()


every_kind = pytest.mark.parametrize("kind", KINDS)
every_mode = pytest.mark.parametrize("mode", ["RGB", "L"])
every_picture = pytest.mark.parametrize("picture", PICTURES)


@every_kind
@every_mode
@every_picture
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read(kind, mode, picture):
    data = jpeg(PICTURES[picture]().convert(mode), **KINDS[kind])
    whole = decode(data, ANY_SIZE)
    for lost in (1, 2):  # a part of the marker, or all of it
        photo = decode(data[:-lost], ANY_SIZE)
        assert np.array_equal(photo.rgb_HWC, whole.rgb_HWC)
        assert set(photo.notes) <= {NOTE}  # now and then libjpeg has all it needs, and says nothing


@every_kind
@every_mode
@every_picture
def test_a_jpeg_that_lacks_anything_else_is_corrupt_wherever_it_is_cut(kind, mode, picture):
    data = jpeg(PICTURES[picture]().convert(mode), **KINDS[kind])
    for lost in (*range(3, 60), *range(60, len(data), 41)):
        with pytest.raises(RowError) as caught:
            decode(data[:-lost], ANY_SIZE)
        assert caught.value.code in (ErrorCode.CORRUPT_IMAGE, ErrorCode.UNSUPPORTED_FORMAT)


def test_a_progressive_jpeg_cut_between_its_scans_is_corrupt():
    data = jpeg(ramps(), progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 5
    for at in starts[1:]:
        with pytest.raises(RowError, match="its end marker is missing, and pixels before it"):
            decode(data[:at], ANY_SIZE)


def test_a_scan_for_each_component_has_to_be_there():
    data = in_three_scans(jpeg(ramps().convert("L")))
    assert decode(data, ANY_SIZE).notes == ()
    assert decode(data[:-2], ANY_SIZE).notes == (NOTE,)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(RowError, match="end marker is missing"):
        decode(data[:last], ANY_SIZE)


def in_three_scans(grey):
    """A grey JPEG as one of three equal components, one scan after the other."""
    frame = grey.index(b"\xff\xc0")
    tables = grey.index(b"\xff\xc4")
    scan = grey.index(b"\xff\xda")
    size = grey[frame + 4 : frame + 9]
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    head = b"\xff\xc0" + (8 + 9).to_bytes(2, "big") + size + b"\3" + components
    pixels = grey[scan + 10 : -2]
    scans = b"".join(
        b"\xff\xda\0\x08\1" + bytes([number, 0, 0, 63, 0]) + pixels for number in (1, 2, 3)
    )
    return grey[:frame] + head + grey[tables:scan] + scans + grey[-2:]


def test_metadata_does_not_count_as_pixels_nor_hide_that_some_are_missing():
    profile_like = b"\xff\xd9" * 40
    data = jpeg(ramps(), comment=profile_like)
    assert decode(data[:-2], ANY_SIZE).notes == (NOTE,)
    with pytest.raises(RowError, match="end marker is missing"):
        decode(data[:-3], ANY_SIZE)


def test_inks_without_an_end_marker_are_refused_with_what_to_do():
    data = jpeg(ramps().convert("CMYK"))
    with pytest.raises(RowError, match="or it cannot be told that none are") as caught:
        decode(data[:-2], ANY_SIZE)
    assert caught.value.code is ErrorCode.CORRUPT_IMAGE


@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (12, True), (16, True), (8, True)])
def test_a_deep_or_lossless_jpeg_is_corrupt_wherever_it_is_cut(bits, lossless):
    samples = np.asarray(ramps()).astype(np.uint16) << max(bits - 8, 0)
    samples = samples.astype(np.uint8 if bits == 8 else np.uint16)
    data = imagecodecs.jpeg8_encode(samples, level=95, bitspersample=bits, lossless=lossless)
    decode(data, ANY_SIZE)
    for lost in (1, 2, 3, 10, 100, len(data) // 2):
        with pytest.raises(RowError) as caught:
            decode(data[:-lost], ANY_SIZE)
        assert caught.value.code is ErrorCode.CORRUPT_IMAGE


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (0xE0, b"JFIF\0"),
        (0xEE, b"Adobe"),
        (0xEE, b"Adobe\0d\0\0"),
        (0xE2, b"ICC_PROFILE\0\1"),
        (0xED, b"Photoshop 3.0\x008BIM\x03\xed"),
        (0xE2, b"MPF\0II"),
    ],
)
@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_metadata_that_is_too_short_costs_no_picture(marker, body):
    exif = Image.Exif()
    exif[274] = 6
    data = jpeg(ramps(), exif=exif)
    whole = decode(data, ANY_SIZE)
    segment = bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
    for at in (2, data.index(b"\xff\xdb")):
        photo = decode(data[:at] + segment + data[at:], ANY_SIZE)
        assert np.array_equal(photo.rgb_HWC, whole.rgb_HWC)
        assert photo.orientation == 6
        with pytest.raises(RowError):
            decode((data[:at] + segment + data[at:])[:-40], ANY_SIZE)


def test_lossless_rgb_is_read_though_jfif_stands_before_it():
    samples = np.asarray(ramps())
    data = imagecodecs.jpeg8_encode(samples, lossless=True)
    start = data.index(b"\xff\xee")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    jfif = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    named = data[:start] + jfif + data[end:]
    frame = named.index(b"\xff\xc3")
    scan = named.index(b"\xff\xda")
    numbered = bytearray(named)
    for i, number in enumerate((1, 2, 3)):  # in place of R, G and B
        numbered[frame + 10 + 3 * i] = number
        numbered[scan + 5 + 2 * i] = number
    assert np.array_equal(decode(bytes(numbered), ANY_SIZE).rgb_HWC, samples)
    ycc = bytearray(data)
    ycc[start + 4 + 11] = 1
    with pytest.raises(RowError, match="Save it as RGB") as refused:
        decode(bytes(ycc), ANY_SIZE)
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT


def photograph(bottom=None):
    """With grain; of one colour below the middle, if one is given."""
    rng = np.random.default_rng(2)
    values = np.asarray(ramps().resize((320, 240))).astype(float) + rng.normal(0, 6, (240, 320, 3))
    if bottom is not None:
        values[120:] = bottom
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("shown_px", [None, 40])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"restart_marker_rows": 2}])
def test_a_cut_jpeg_that_was_closed_with_an_end_marker_is_corrupt(mode, options, shown_px):
    data = jpeg(photograph().convert(mode), **options)
    start = data.index(b"\xff\xda")
    for share in (0.1, 0.3, 0.5, 0.7):
        end = start + round((len(data) - start) * share)
        with pytest.raises(RowError, match="closed with an end marker"):
            decode(data[:end].rstrip(b"\xff") + b"\xff\xd9", ANY_SIZE, shown_px=shown_px)


@pytest.mark.parametrize("bottom", [(255, 255, 255), (0, 0, 0), (120, 60, 30)])
@pytest.mark.parametrize("options", [*KINDS.values(), {"restart_marker_rows": 1}])
def test_a_photograph_that_ends_in_one_colour_is_whole(bottom, options):
    for mode in ("RGB", "L"):
        data = jpeg(photograph(bottom).convert(mode), **options)
        assert decode(data, ANY_SIZE).notes == ()
