"""Every way a photograph can be stored, and the ways we store ours."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import OutputFormat, decode_alpha, encode, encode_alpha

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100)
ORIENTATION = 0x0112


def scene(height=24, width=32):
    """Smooth colours, no symmetry."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + 2 * y) % 200], -1).astype(np.uint8)


def save(image, file_format, **options):
    out = BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def png(samples, *, colour_type, depth):
    """A PNG by hand (PNG 3rd edition, section 11), for the depths that Pillow does not write."""
    height, width = samples.shape[:2]

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(pixels, *, size, bits, photometric, extra_samples=()):
    """A little-endian one-strip TIFF by hand (TIFF 6.0, section 2), for modes nobody writes."""
    width, height = size
    fields = {
        256: width,
        257: height,
        259: 1,
        262: photometric,
        273: 8,
        277: len(bits),
        278: height,
        279: len(pixels),
    }
    lists = {258: bits, 338: extra_samples}
    blob, entries = b"II*\0" + struct.pack("<I", 8 + len(pixels) + 24) + pixels, []
    for tag, values in lists.items():
        packed = struct.pack(f"<{len(values)}H", *values)
        where = struct.pack("<I", len(blob)) if len(packed) > 4 else packed.ljust(4, b"\0")
        blob += packed.ljust(12, b"\0") if len(packed) > 4 else bytes(12)
        if values:
            entries.append((tag, struct.pack("<HHI", tag, 3, len(values)) + where))
    entries += [(tag, struct.pack("<HHII", tag, 4, 1, value)) for tag, value in fields.items()]
    return (
        blob + struct.pack("<H", len(entries)) + b"".join(e for _, e in sorted(entries)) + bytes(4)
    )


def level(value, white=65535):
    return (np.asarray(value, np.float64) * 255 / white + 0.5).astype(np.uint8)


# Formats


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG2000", {}, 0),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 4),
        ("JPEG", {"quality": 100, "subsampling": 0}, 4),
        ("JPEG", {"quality": 100, "subsampling": 0, "progressive": True}, 4),
    ],
)
def test_every_format_gives_the_same_photograph(file_format, options, tolerance):
    photo = decode(
        save(Image.fromarray(scene()), file_format, **options), ImageLimits(min_side_px=1)
    )
    assert photo.format == file_format
    assert photo.notes == ()
    assert photo.alpha_HW is None
    assert photo.rgb_HWC.dtype == np.uint8
    assert np.abs(photo.rgb_HWC.astype(int) - scene()).max() <= tolerance


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
def test_a_moving_picture_gives_its_first_frame(file_format):
    red, blue, white = (Image.new("RGB", (16, 16), name) for name in ("red", "blue", "white"))
    options = {"compression": "raw"} if file_format == "TIFF" else {}
    data = save(red, file_format, save_all=True, append_images=[blue, white], **options)
    photo = decode(data, ANY_SIZE)
    assert np.abs(photo.rgb_HWC[8, 8].astype(int) - [255, 0, 0]).max() <= 3
    assert "the first of several frames" in photo.notes


def test_the_smallest_and_a_long_picture():
    assert decode(save(Image.new("RGB", (1, 1), "red"), "PNG"), ANY_SIZE).rgb_HWC.shape == (1, 1, 3)
    long = decode(save(Image.new("RGB", (41, 820)), "JPEG"), ANY_SIZE)
    assert long.rgb_HWC.shape == (820, 41, 3)


def test_what_is_decoded_cannot_be_changed():
    photo = decode(save(Image.new("RGBA", (4, 4), (9, 9, 9, 9)), "PNG"), ANY_SIZE)
    assert not photo.rgb_HWC.flags.writeable
    assert not photo.alpha_HW.flags.writeable


# Modes


def test_grey_and_one_bit():
    grey_HW = scene()[..., 0]
    photo = decode(save(Image.fromarray(grey_HW), "PNG"), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, grey_HW[..., None].repeat(3, -1))
    bits_HW = grey_HW > 99
    for file_format in ("PNG", "TIFF", "BMP"):
        photo = decode(save(Image.fromarray(bits_HW), file_format), ANY_SIZE)
        np.testing.assert_array_equal(photo.rgb_HWC[..., 1], bits_HW * 255)


def test_lab_and_ycbcr():
    lab = decode(save(Image.new("LAB", (8, 8), (138, 128, 128)), "TIFF"), ANY_SIZE)
    # L* = 138 / 255 * 100 = 54.1: Y = 0.2210, encoded 0.5078.
    assert np.abs(lab.rgb_HWC.astype(int) - 129).max() <= 1
    assert "converted from LAB" in lab.notes
    red = Image.new("RGB", (16, 16), (200, 40, 30)).convert("YCbCr")
    ycbcr = decode(save(red, "TIFF"), ANY_SIZE)
    assert np.abs(ycbcr.rgb_HWC.astype(int) - [200, 40, 30]).max() <= 2


def cmyk_jpeg(inks):
    return save(Image.new("CMYK", (16, 16), inks), "JPEG", quality=100)


def without_adobe_marker(data):
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def ycck_jpeg(inks):
    """What Photoshop writes: inks as YCbCr, K inverted, transform 2 in the Adobe marker."""
    y, cb, cr = Image.new("RGB", (1, 1), inks[:3]).convert("YCbCr").getpixel((0, 0))
    data = bytearray(cmyk_jpeg((255 - y, 255 - cb, 255 - cr, inks[3])))  # Pillow inverts on writing
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


@pytest.mark.parametrize(
    "inks", [(0, 0, 0, 0), (200, 30, 60, 20), (0, 255, 255, 0), (0, 0, 0, 255)]
)
@pytest.mark.parametrize(
    "store", [cmyk_jpeg, ycck_jpeg, lambda inks: without_adobe_marker(cmyk_jpeg(inks))]
)
def test_cmyk_jpegs_are_not_negatives(inks, store):
    photo = decode(store(inks), ANY_SIZE)
    printed = decode(save(Image.new("CMYK", (16, 16), inks), "TIFF"), ANY_SIZE)
    assert np.abs(photo.rgb_HWC.astype(int) - printed.rgb_HWC).max() <= 8
    assert photo.notes == (
        "converted from CMYK",
        "CMYK without a usable profile, taken for offset print (SWOP)",
    )


# Depth

RAMP = np.arange(0, 65536, 7)[: 96 * 96].reshape(96, 96)
RAMP_RGB = np.stack([RAMP, RAMP[::-1], RAMP.T], -1)
DEEP = "more than 8 bits a channel, reduced to 8"


@pytest.mark.parametrize(
    "data",
    [
        png(RAMP, colour_type=0, depth=16),
        tiff(RAMP.astype("<u2").tobytes(), size=(96, 96), bits=(16,), photometric=1),
    ],
    ids=["png", "tiff"],
)
def test_16_bit_grey_is_rounded(data):
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 0], level(RAMP))
    assert photo.notes == (DEEP,)


def test_16_bit_grey_tiff_with_white_as_zero():
    data = tiff(RAMP.astype("<u2").tobytes(), size=(96, 96), bits=(16,), photometric=0)
    np.testing.assert_array_equal(decode(data, ANY_SIZE).rgb_HWC[..., 2], 255 - level(RAMP))


def test_12_bit_grey_tiff():
    values = np.arange(4096).reshape(64, 64)
    pairs = values.reshape(-1, 2)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1]], 1
    )
    data = tiff(packed.astype(np.uint8).tobytes(), size=(64, 64), bits=(12,), photometric=1)
    np.testing.assert_array_equal(decode(data, ANY_SIZE).rgb_HWC[..., 0], level(values, white=4095))


@pytest.mark.parametrize(
    "data",
    [
        png(RAMP_RGB, colour_type=2, depth=16),
        tiff(RAMP_RGB.astype("<u2").tobytes(), size=(96, 96), bits=(16,) * 3, photometric=2),
    ],
    ids=["png", "tiff"],
)
def test_16_bit_colour_is_within_a_level_and_not_biased(data):
    photo = decode(data, ANY_SIZE)
    error = photo.rgb_HWC - RAMP_RGB / 257
    assert np.abs(error).max() < 1
    assert abs(error.mean()) < 0.01
    assert photo.notes == (DEEP,)


@given(st.integers(0, 255))
def test_8_bit_values_stored_in_16_bits_are_exact(value):
    for channels, colour_type in ((1, 0), (3, 2)):
        samples = np.full((2, 2, channels), value * 257)
        photo = decode(png(samples, colour_type=colour_type, depth=16), ANY_SIZE)
        assert (photo.rgb_HWC == value).all()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_defined_white_are_refused(mode):
    with pytest.raises(RowError) as refused:
        decode(save(Image.new(mode, (40, 40)), "TIFF"), ANY_SIZE)
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT


# Alpha


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_alpha_is_straight_and_keeps_the_hidden_colour(mode, file_format):
    image = Image.fromarray(scene()).convert(mode)
    colour_HWC = np.asarray(image.convert("RGB"))
    coverage_HW = scene()[::-1, :, 0]
    image.putalpha(Image.fromarray(coverage_HW))
    assert (coverage_HW == 0).any()
    photo = decode(save(image, file_format), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, colour_HWC)
    np.testing.assert_array_equal(photo.alpha_HW, coverage_HW.astype(np.float32) / 255)


def test_premultiplied_tiff_becomes_straight():
    half_red = bytes((100, 20, 0, 128)) * 4
    data = tiff(half_red, size=(2, 2), bits=(8,) * 4, photometric=2, extra_samples=(1,))
    photo = decode(data, ANY_SIZE)
    assert np.abs(photo.rgb_HWC - np.array((199.2, 39.8, 0))).max() <= 1
    assert photo.alpha_HW[0, 0] == np.float32(128) / 255
    grey = tiff(bytes((60, 128)) * 4, size=(2, 2), bits=(8,) * 2, photometric=1, extra_samples=(1,))
    assert np.abs(decode(grey, ANY_SIZE).rgb_HWC - 119.5).max() <= 1


def test_16_bit_alpha_png():
    samples = np.dstack([RAMP, RAMP[::-1]])
    photo = decode(png(samples, colour_type=4, depth=16), ANY_SIZE)
    assert np.abs(photo.alpha_HW - RAMP[::-1] / 65535).max() < 1 / 255
    assert photo.notes == (DEEP,)


def test_palette_with_partial_transparency():
    image = Image.new("P", (4, 1))
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0, 7, 7, 7])
    image.putdata([0, 1, 2, 3])
    photo = decode(save(image, "PNG", transparency=bytes((0, 128, 255, 64))), ANY_SIZE)
    assert photo.rgb_HWC[0].tolist() == [[10, 20, 30], [200, 0, 0], [0, 200, 0], [7, 7, 7]]
    np.testing.assert_array_equal(photo.alpha_HW[0], np.float32([0, 128, 255, 64]) / 255)
    see_through = decode(save(image, "GIF", transparency=2), ANY_SIZE)
    assert see_through.alpha_HW[0].tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("image", "transparent"),
    [
        (Image.fromarray(np.uint8([[1, 2], [3, 2]])), 2),
        (Image.fromarray(np.uint16([[100, 300], [556, 300]])), 300),  # 300 and 556 end in one byte
        (Image.fromarray(np.array([[False, True], [False, True]])), 1),
        (Image.fromarray(np.uint8([[[1, 1, 1], [2, 3, 4]], [[3, 3, 3], [2, 3, 4]]])), (2, 3, 4)),
    ],
    ids=["grey", "16-bit grey", "one bit", "colour"],
)
def test_a_colour_declared_transparent(image, transparent):
    photo = decode(save(image, "PNG", transparency=transparent), ANY_SIZE)
    assert photo.alpha_HW.tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_an_alpha_that_is_opaque_everywhere_is_none(file_format):
    data = save(Image.new("RGBA", (16, 16), (1, 2, 3, 255)), file_format)
    assert decode(data, ANY_SIZE).alpha_HW is None


# Orientation: what row 0 and column 0 of the file are, as the EXIF table puts it.

AS_STORED = {
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: upright[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda upright: upright[::-1].swapaxes(0, 1),  # left, bottom
}


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize(
    ("file_format", "options"),
    [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})],
)
def test_orientation_turns_colour_and_alpha(orientation, file_format, options):
    upright = np.dstack([scene(), scene()[..., 1]])
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](upright)))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    photo = decode(save(stored, file_format, exif=exif, **options), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, scene())
    np.testing.assert_array_equal(np.round(photo.alpha_HW * 255), scene()[..., 1])
    turned = (f"EXIF orientation {orientation} applied",) if orientation > 1 else ()
    assert photo.notes == turned


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("file_format", ["JPEG", "AVIF"])
def test_orientation_of_lossy_files(orientation, file_format):
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](scene())))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    photo = decode(save(stored, file_format, exif=exif, quality=100, subsampling="4:4:4"), ANY_SIZE)
    assert np.abs(photo.rgb_HWC.astype(int) - scene()).max() <= 4


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_damaged_exif_block_does_not_cost_the_picture(file_format):
    data = save(Image.fromarray(scene()), file_format, exif=b"Exif\0\0no header of a TIFF")
    photo = decode(data, ANY_SIZE)
    assert photo.rgb_HWC.shape == (24, 32, 3)
    assert photo.notes == ("EXIF unreadable, taken as upright",)


# Encoding

NOISE = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)


@pytest.mark.parametrize("quality", [1, 50, 94, 100])
@pytest.mark.parametrize("output", OutputFormat)
def test_what_is_written_is_read_back_even_noise(output, quality):
    photo = decode(encode(NOISE, format=output, quality=quality), ImageLimits())
    assert photo.rgb_HWC.shape == NOISE.shape
    assert photo.notes == ()  # tagged with a profile that is recognised as sRGB
    if output is OutputFormat.PNG:
        np.testing.assert_array_equal(photo.rgb_HWC, NOISE)


@pytest.mark.parametrize("output", OutputFormat)
def test_files_are_tagged_srgb_and_equal_from_equal_pixels(output):
    data = encode(scene(), format=output, quality=90)
    assert data == encode(scene().copy(), format=output, quality=90)
    with Image.open(BytesIO(data)) as image:
        assert image.info["icc_profile"] == srgb_profile()
        assert image.get_format_mimetype() == output.media_type
    assert Image.registered_extensions()[output.extension] == image.format


def test_the_profile_does_not_hold_the_time_of_day():
    year, month, day, *time = struct.unpack(">6H", srgb_profile()[24:36])
    assert (year, month, day) < (2020, 1, 1)
    assert time == [0, 0, 0]


@pytest.mark.parametrize("output", [OutputFormat.JPEG, OutputFormat.AVIF])
def test_colour_edges_stay_sharp(output):
    edge_HWC = np.zeros((64, 64, 3), np.uint8)
    edge_HWC[:, 31:] = (230, 20, 20)
    edge_HWC[:, :31] = (20, 20, 230)
    data = encode(edge_HWC, format=output, quality=95)
    error = np.abs(decode(data, ImageLimits()).rgb_HWC.astype(int) - edge_HWC)
    assert error.max() < 12  # 4:2:0 is off by more than 100 here


@pytest.mark.parametrize("quality", [40, 100])
@pytest.mark.parametrize("output", [OutputFormat.PNG, OutputFormat.WEBP, OutputFormat.AVIF])
def test_a_cut_out_carries_its_alpha_whatever_the_quality(output, quality):
    alpha_HW = scene()[..., 0].astype(np.float32) / 255
    photo = decode(encode(scene(), format=output, quality=quality, alpha_HW=alpha_HW), ANY_SIZE)
    np.testing.assert_array_equal(photo.alpha_HW, alpha_HW)


def test_encode_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match="JPEG has no alpha"):
        encode(
            scene(), format=OutputFormat.JPEG, quality=90, alpha_HW=np.ones((24, 32), np.float32)
        )
    with pytest.raises(ValueError, match="alpha is"):
        encode(scene(), format=OutputFormat.PNG, quality=90, alpha_HW=np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match="quality"):
        encode(scene(), format=OutputFormat.PNG, quality=0)
    with pytest.raises(ValueError, match="uint8 HWC"):
        encode(scene().astype(np.float32), format=OutputFormat.PNG, quality=90)
    for output, side_px in ((OutputFormat.WEBP, 16384), (OutputFormat.AVIF, 32769)):
        with pytest.raises(RowError) as too_long:
            encode(np.zeros((1, side_px, 3), np.uint8), format=output, quality=90)
        assert too_long.value.code is ErrorCode.TOO_MANY_PIXELS


@pytest.mark.parametrize("output", OutputFormat)
def test_the_longest_side_a_format_is_said_to_hold_it_holds(output):
    side_px = min(output.max_side_px, 65500)
    data = encode(np.zeros((8, side_px, 3), np.uint8), format=output, quality=50)
    with Image.open(BytesIO(data)) as image:
        assert image.size == (side_px, 8)
        image.load()


def test_a_format_that_this_pillow_does_not_write_costs_the_row(monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: name != "avif")
    with pytest.raises(RowError, match="cannot write avif") as caught:
        encode(scene(), format=OutputFormat.AVIF, quality=90)
    assert caught.value.code is ErrorCode.UNSUPPORTED_FORMAT


def test_every_level_of_an_alpha_comes_back_exactly():
    alpha_HW = np.arange(256, dtype=np.float32).reshape(16, 16) / 255
    back_HW = decode_alpha(encode_alpha(alpha_HW))
    assert back_HW.dtype == np.float32
    np.testing.assert_array_equal(back_HW, alpha_HW)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_an_alpha_is_off_by_half_a_level_at_most(height, width, seed):
    alpha_HW = np.random.default_rng(seed).random((height, width), np.float32)
    back_HW = decode_alpha(encode_alpha(alpha_HW))
    assert back_HW.shape == alpha_HW.shape
    assert np.abs(back_HW - alpha_HW).max() <= 0.5 / 255 + 1e-6
    assert encode_alpha(back_HW) == encode_alpha(alpha_HW)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.nan])
def test_an_alpha_outside_its_range_is_the_callers_mistake(wrong):
    alpha_HW = np.ones((4, 4), np.float32)
    alpha_HW[2, 2] = wrong
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        encode_alpha(alpha_HW)


def test_alpha_bytes_that_are_not_an_alpha():
    with pytest.raises(RowError) as damaged:
        decode_alpha(encode_alpha(np.ones((40, 40), np.float32))[:60])
    assert damaged.value.code is ErrorCode.CORRUPT_IMAGE
    with pytest.raises(ValueError, match="8-bit grey"):
        decode_alpha(encode(scene(), format=OutputFormat.PNG, quality=90))


@pytest.mark.parametrize(
    ("shown_px", "side_px"), [(None, 1600), (1000, 1600), (400, 800), (200, 400), (60, 200)]
)
def test_a_jpeg_that_is_shown_small_is_decoded_small(shown_px, side_px):
    photo_HWC = np.asarray(Image.fromarray(scene(96, 128)).resize((1600, 1200)))
    data = save(Image.fromarray(photo_HWC), "JPEG", quality=95)
    decoded = decode(data, ImageLimits(), shown_px=shown_px).rgb_HWC
    assert decoded.shape == (side_px * 3 // 4, side_px, 3)
    known = np.asarray(Image.fromarray(photo_HWC).resize((side_px, side_px * 3 // 4)), int)
    assert np.abs(decoded - known).mean() < 1.5


def test_limits_are_held_against_the_whole_and_not_the_draft():
    data = save(Image.fromarray(scene(1500, 2000)), "JPEG")
    with pytest.raises(RowError) as caught:
        decode(data, ImageLimits(max_megapixels=2), shown_px=100)
    assert caught.value.code == ErrorCode.TOO_MANY_PIXELS


def test_other_formats_are_decoded_whole():
    data = save(Image.fromarray(scene(150, 200)), "PNG")
    assert decode(data, ImageLimits(), shown_px=20).rgb_HWC.shape == (150, 200, 3)
