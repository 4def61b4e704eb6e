"""TIFF as scanners, cameras and editors write it, against the arrays that were written."""

import itertools
from io import BytesIO

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.tiff_pages import opened_tiff, photograph_in
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 56
DEEP = "more than 8 bits a channel, reduced to 8"


def ramps(num_channels, dtype=np.uint16, white=65535):
    """Smooth and different in each channel, from black to white, without symmetry."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = [x, y, (x + 2 * y) / 3, 1 - x * y][:num_channels]
    return np.rint(np.stack(planes, -1) * white).astype(dtype)


def tiff(pixels, *, planar=False, **options):
    """A file by tifffile: HWC in, and planes apart if so asked."""
    if pixels.ndim == 3 and planar:
        pixels = np.moveaxis(pixels, -1, 0)
        options["planarconfig"] = "separate"
    elif pixels.ndim == 3 and pixels.shape[-1] > 1:
        options["planarconfig"] = "contig"
    out = BytesIO()
    tifffile.imwrite(out, pixels, metadata=None, **options)
    return out.getvalue()


def refusal(data):
    with pytest.raises(RowError) as refused:
        decode(data, ANY_SIZE)
    return refused.value


def outcome(data):
    try:
        return decode(data, ANY_SIZE)
    except RowError as error:
        return error


def in_8_bits(values, white=65535):
    return np.floor(np.asarray(values, np.float64) * 255 / white + 0.5).astype(np.uint8)


KINDS = {
    "grey": (1, "minisblack", []),
    "grey+alpha": (2, "minisblack", ["unassalpha"]),
    "grey+selection": (2, "minisblack", ["unspecified"]),
    "rgb": (3, "rgb", []),
    "rgba": (4, "rgb", ["unassalpha"]),
    "rgb+selection": (4, "rgb", ["unspecified"]),
}
LAYOUTS = {
    "strip": {},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "planar": {"planar": True},
    "planar strips": {"planar": True, "rowsperstrip": 7},
}
PACKINGS = [
    {},
    {"compression": "lzw"},
    {"compression": "lzw", "predictor": 2},
    {"compression": "zlib"},
    {"compression": "packbits"},
    {"compression": "zstd"},
]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_depth_layout_packing_and_byte_order(kind, layout, bits, byteorder):
    num_channels, photometric, extras = KINDS[kind]
    white = 2**bits - 1
    pixels = ramps(num_channels, f"u{bits // 8}", white)
    for packing, bigtiff in itertools.product(PACKINGS, (False, True)):
        stored = pixels[..., 0] if num_channels == 1 else pixels
        data = tiff(
            stored,
            photometric=photometric,
            extrasamples=extras or None,
            byteorder=byteorder,
            bigtiff=bigtiff,
            **LAYOUTS[layout] if num_channels > 1 or "planar" not in layout else {},
            **packing,
        )
        photo = decode(data, ANY_SIZE)
        num_colours = 1 if photometric == "minisblack" else 3
        wanted_HWC = np.broadcast_to(
            in_8_bits(pixels[..., :num_colours], white), (HEIGHT, WIDTH, 3)
        )
        np.testing.assert_array_equal(photo.rgb_HWC, wanted_HWC)
        assert photo.notes == ((DEEP,) if bits > 8 else ())
        extra_HW = pixels[..., -1].astype(np.float32) / np.float32(white)
        alpha_HW = extra_HW if "alpha" in kind or kind == "rgba" else None
        selection_HW = extra_HW if "selection" in kind else None
        for found_HW, known_HW in ((photo.alpha_HW, alpha_HW), (photo.selection_HW, selection_HW)):
            assert (found_HW is None) == (known_HW is None), (packing, bigtiff)
            if known_HW is not None:
                np.testing.assert_allclose(found_HW, known_HW, atol=1e-6)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_premultiplied_colours_are_divided_at_the_depth_they_have(bits, planar):
    white = 2**bits - 1
    straight = ramps(4, f"u{bits // 8}", white)
    alpha_HW = straight[..., 3].astype(np.uint64)
    stored = straight.copy()
    stored[..., :3] = (straight[..., :3] * alpha_HW[..., None] + white // 2) // white
    data = tiff(stored, photometric="rgb", extrasamples=["assocalpha"], planar=planar)
    photo = decode(data, ANY_SIZE)
    assert photo.was_premultiplied
    np.testing.assert_allclose(photo.alpha_HW, straight[..., 3] / white, atol=1e-6)
    solid_HW = alpha_HW > white // 4
    error = np.abs(photo.rgb_HWC.astype(int) - in_8_bits(straight[..., :3], white))
    assert error[solid_HW].max() <= (2 if bits == 8 else 1)
    assert error[solid_HW].mean() <= (0.5 if bits == 8 else 0.01)
    assert (photo.rgb_HWC[alpha_HW == 0] == 0).all()


def test_straight_alpha_is_not_called_premultiplied():
    photo = decode(tiff(ramps(4), photometric="rgb", extrasamples=["unassalpha"]), ANY_SIZE)
    assert not photo.was_premultiplied


@pytest.mark.parametrize(
    ("extras", "alpha_at", "selection_at"),
    [
        (["unassalpha", "unspecified"], 0, 1),
        (["unspecified", "unassalpha"], 1, 0),
        (["unspecified", "unspecified"], None, 0),
    ],
)
@pytest.mark.parametrize("planar", [False, True])
def test_several_channels_beside_the_colours(extras, alpha_at, selection_at, planar):
    pixels = np.concatenate([ramps(3), ramps(4)[..., 2:]], -1)
    photo = decode(tiff(pixels, photometric="rgb", extrasamples=extras, planar=planar), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(pixels[..., :3]))
    known_HWC = pixels[..., 3:] / np.float32(65535)
    if alpha_at is None:
        assert photo.alpha_HW is None
    else:
        np.testing.assert_allclose(photo.alpha_HW, known_HWC[..., alpha_at], atol=1e-6)
    np.testing.assert_allclose(photo.selection_HW, known_HWC[..., selection_at], atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
def test_cmyk_with_alpha_shows_the_colours_of_cmyk_without(bits, planar):
    white = 2**bits - 1
    inks = ramps(4, f"u{bits // 8}", white)
    plain = decode(tiff(inks, photometric="separated", planar=planar), ANY_SIZE)
    with_alpha = np.concatenate([inks, inks[::-1, :, :1]], -1)
    photo = decode(
        tiff(with_alpha, photometric="separated", extrasamples=["unassalpha"], planar=planar),
        ANY_SIZE,
    )
    np.testing.assert_array_equal(photo.rgb_HWC, plain.rgb_HWC)
    np.testing.assert_allclose(photo.alpha_HW, inks[::-1, :, 0] / white, atol=1e-6)
    assert "converted from CMYK" in photo.notes
    eight = decode(tiff(in_8_bits(inks, white), photometric="separated"), ANY_SIZE)
    assert np.abs(eight.rgb_HWC.astype(int) - plain.rgb_HWC).mean() <= 1


def test_ink_is_ink_and_paper_is_paper():
    for dtype, full in ((np.uint8, 255), (np.uint16, 65535)):
        inks = np.zeros((HEIGHT, WIDTH, 4), dtype)
        inks[:20, :, 3] = full
        rgb_HWC = decode(tiff(inks, photometric="separated"), ANY_SIZE).rgb_HWC
        assert rgb_HWC[:20].max() < 60
        assert rgb_HWC[20:].min() == 255


def known_lab():
    """L*, a*, b* of 54.1, 20 and -30, and the sRGB that it is, computed apart from any library."""
    lightness, a, b = 54.117647, 20.0, -30.0
    fy = (lightness + 16) / 116
    fx, fz = fy + a / 500, fy - b / 200
    white = np.array([0.9642, 1.0, 0.8249])  # D50
    xyz = white * np.array([f**3 if f > 6 / 29 else (f - 4 / 29) * 108 / 841 for f in (fx, fy, fz)])
    to_linear = np.array(  # D50 to sRGB, Bradford
        [
            [3.1338561, -1.6168667, -0.4906146],
            [-0.9787684, 1.9161415, 0.0334540],
            [0.0719453, -0.2289914, 1.4052427],
        ]
    )
    linear = to_linear @ xyz
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (lightness, a, b), encoded * 255


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_in_each_of_its_encodings(bits, photometric, planar, alpha):
    (lightness, a, b), wanted = known_lab()
    if bits == 8:
        shift = 128 if photometric == "icclab" else 0
        stored = [lightness * 2.55, a + shift, b + shift]
    elif photometric == "cielab":
        stored = [lightness * 655.35, a * 256, b * 256]
    else:
        stored = [lightness * 652.8, (a + 128) * 256, (b + 128) * 256]
    whole = np.rint(stored).astype(np.int64) % 2**bits
    pixels = np.broadcast_to(whole, (HEIGHT, WIDTH, 3)).astype(f"u{bits // 8}")
    options = {}
    if alpha:
        pixels = np.concatenate([pixels, ramps(1, pixels.dtype, 2**bits - 1)], -1)
        options["extrasamples"] = ["unassalpha"]
    photo = decode(tiff(pixels, photometric=photometric, planar=planar, **options), ANY_SIZE)
    assert np.abs(photo.rgb_HWC - wanted).max() <= 2
    assert "converted from LAB" in photo.notes
    assert (photo.alpha_HW is not None) == alpha


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("planar", [False, True])
def test_floats_are_linear_light_with_one_as_white(dtype, num_channels, planar):
    linear = ramps(num_channels, np.float64, 65535) / 65535
    stored = linear.astype(dtype)
    options = {"photometric": "rgb" if num_channels == 3 else "minisblack"}
    data = tiff(stored if num_channels == 3 else stored[..., 0], planar=planar, **options)
    photo = decode(data, ANY_SIZE)
    known = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(photo.rgb_HWC - known * 255).max() <= (0.51 if dtype != np.float16 else 0.7)
    assert "float samples taken as linear light, 1.0 as white" in photo.notes


def test_floats_with_alpha_are_divided_and_glints_clipped():
    pixels = np.full((HEIGHT, WIDTH, 4), 0.5, np.float32)
    pixels[0, :5, :3] = 3.0
    photo = decode(tiff(pixels, photometric="rgb", extrasamples=["assocalpha"]), ANY_SIZE)
    assert (photo.rgb_HWC == 255).all()
    np.testing.assert_allclose(photo.alpha_HW, 0.5, atol=1e-4)
    assert any("clipped" in note for note in photo.notes)


@pytest.mark.parametrize(
    "pixels",
    [
        ramps(3, np.float32, 255),
        ramps(3, np.float32, 1) * np.nan,
        np.zeros((HEIGHT, WIDTH, 3), np.float32),
        ramps(3, np.int16, 32767),
        ramps(3, np.int8, 127),
        ramps(1, np.int32, 65535)[..., 0],
        ramps(3, np.complex64, 1),
    ],
    ids=["0 to 255", "no numbers", "black", "int16", "int8", "int32", "complex"],
)
def test_numbers_without_a_white_are_refused_and_the_fix_is_said(pixels):
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    error = refusal(tiff(pixels, photometric=photometric))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "save it" in error.message.lower()


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 10, 12, 14])
def test_depths_in_between(bits):
    values = ramps(1, np.uint8 if bits <= 8 else np.uint16, 2**bits - 1)[..., 0]
    data = tiff(values, photometric="minisblack", bitspersample=bits)
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 1], in_8_bits(values, 2**bits - 1))


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
@pytest.mark.parametrize("num_channels", [3, 4])
@pytest.mark.parametrize("planar", [False, True])
def test_colours_of_few_bits(bits, num_channels, planar):
    values = ramps(num_channels, np.uint8, 2**bits - 1)
    data = tiff(
        values,
        photometric="rgb",
        bitspersample=bits,
        planar=planar,
        extrasamples=["unassalpha"] if num_channels == 4 else None,
    )
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(values[..., :3], 2**bits - 1))


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb", "compression": "jpegxl"},
        {"photometric": "rgb", "compression": "lerc"},
        {"photometric": "cielab", "bitspersample": 4},
        {"photometric": "ycbcr"},
    ],
    ids=str,
)
def test_rare_but_valid_files_are_not_called_broken(options):
    bits = options.get("bitspersample", 16)
    values = ramps(3, np.uint8 if bits == 4 else np.uint16, 2**bits - 1)
    error = refusal(tiff(values, **options))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "Save it" in error.message


def test_12_bit_colour():
    values = ramps(3, np.uint16, 4095)
    data = tiff(values, photometric="rgb", bitspersample=12)
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(values, 4095))


def test_32_bit_integers_have_a_white():
    values = ramps(3).astype(np.uint32) * 65537
    photo = decode(tiff(values, photometric="rgb"), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(ramps(3)))


@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("packing", PACKINGS[:2])
def test_white_is_zero(bits, packing):
    values = ramps(1, np.uint8 if bits <= 8 else np.uint16, 2**bits - 1)[..., 0]
    stored = values.astype(bool) if bits == 1 else values
    photo = decode(tiff(stored, photometric="miniswhite", **packing), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 0], 255 - in_8_bits(values, 2**bits - 1))


@pytest.mark.parametrize("kind", ["16 bits", "bytes twice", "bytes alone"])
@pytest.mark.parametrize("index_type", [np.uint8, np.uint16])
def test_palettes_at_the_depth_that_they_have(kind, index_type):
    num = 2 ** (8 * np.dtype(index_type).itemsize)
    steps = np.arange(num, dtype=np.uint64)
    levels_CN = np.stack([steps * 65535 // (num - 1), 65535 - steps * 65535 // (num - 1)] * 2)[:3]
    if kind != "16 bits":
        levels_CN = levels_CN // 257 * (257 if kind == "bytes twice" else 1)
    indices = ramps(1, index_type, num - 1)[..., 0]
    data = tiff(indices, photometric="palette", colormap=levels_CN.astype(np.uint16))
    photo = decode(data, ANY_SIZE)
    wanted = levels_CN.T[indices]
    if kind != "bytes alone":
        wanted = in_8_bits(wanted)
    np.testing.assert_array_equal(photo.rgb_HWC, wanted)


def test_webp_and_jpeg_inside():
    photo_HWC = ramps(3, np.uint8, 255)
    exact = decode(
        tiff(photo_HWC, photometric="rgb", compression="webp", compressionargs={"lossless": True}),
        ANY_SIZE,
    )
    np.testing.assert_array_equal(exact.rgb_HWC, photo_HWC)
    close = decode(
        tiff(photo_HWC, photometric="rgb", compression="jpeg", compressionargs={"level": 95}),
        ANY_SIZE,
    )
    assert np.abs(close.rgb_HWC.astype(int) - photo_HWC).max() <= 12


@pytest.mark.parametrize("num_channels", [4, 5])
def test_inks_other_than_cmyk_are_refused_by_name(num_channels):
    pixels = ramps(4)[..., [0, 1, 2, 3, 0][:num_channels]]
    tags = [(332, 3, 1, 2, False)]  # InkSet: other than CMYK
    error = refusal(tiff(pixels, photometric="separated", extratags=tags))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "inks" in error.message


# Which of several pages


def pages(*entries):
    out = BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for pixels, options in entries:
            writer.write(pixels, photometric="rgb", metadata=None, **options)
    return out.getvalue()


PREVIEW = np.full((HEIGHT // 4, WIDTH // 4, 3), 7, np.uint8)
WHOLE = ramps(3, np.uint8, 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "flag", [{"subfiletype": 1}, {"extratags": [(255, 3, 1, 2, True)]}, {}], ids=str
)
def test_a_preview_that_stands_first_is_not_the_photograph(flag, dtype):
    whole = WHOLE.astype(dtype) * (257 if dtype == np.uint16 else 1)
    photo = decode(pages((PREVIEW, flag), (whole, {})), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, WHOLE)
    assert "page 2 was read, the first page is a preview of 14 x 10 px" in photo.notes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_photograph_inside_of_its_preview(dtype):
    whole = WHOLE.astype(dtype) * (257 if dtype == np.uint16 else 1)
    data = pages(
        (PREVIEW, {"subifds": 2, "subfiletype": 1}), (PREVIEW, {"subfiletype": 1}), (whole, {})
    )
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, WHOLE)
    assert any("is a preview" in note for note in photo.notes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_pyramid_gives_its_largest_page(dtype):
    whole = WHOLE.astype(dtype) * (257 if dtype == np.uint16 else 1)
    data = pages((whole, {"subifds": 1}), (PREVIEW, {"subfiletype": 1}), (PREVIEW, {}))
    photo = decode(data, ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, WHOLE)
    assert "the first of several frames" in photo.notes


def test_a_scan_of_several_sheets_gives_the_first():
    photo = decode(pages((WHOLE, {}), (WHOLE[:, ::-1], {}), (WHOLE[::-1], {})), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, WHOLE)
    assert photo.notes == ("the first of several frames",)
    tall = np.concatenate([WHOLE] * 5)  # of another shape: another picture, not a larger copy
    assert decode(pages((WHOLE, {}), (tall, {})), ANY_SIZE).rgb_HWC.shape == WHOLE.shape


def test_a_file_of_previews_only_is_read_with_a_note():
    photo = decode(pages((WHOLE, {"subfiletype": 1})), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, WHOLE)
    assert photo.notes == ("the file calls its only picture a reduced copy",)


def test_limits_hold_for_the_page_that_is_read():
    large = np.zeros((2100, 2100, 3), np.uint8)
    options = {"compression": "zlib"}
    assert refusal(pages((PREVIEW, {"subfiletype": 1}), (large, options))).code is (
        ErrorCode.TOO_MANY_PIXELS
    )


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([(PREVIEW, {"subfiletype": 1, "extratags": [(50706, 1, 4, b"\1\4\0\0", True)]})], "DNG"),
        ([(WHOLE, {"extratags": [(50706, 1, 4, b"\1\4\0\0", True)]})], "DNG"),
        (
            [
                (PREVIEW, {"subifds": 1, "extratags": [(271, 2, 6, "NIKON CORPORATION", True)]}),
                (WHOLE, {"extratags": [(33422, 1, 4, b"\0\1\1\2", True)]}),
            ],
            "NEF",
        ),
        (
            [
                (PREVIEW, {"extratags": [(271, 2, 5, "SONY", True)]}),
                (WHOLE, {"extratags": [(33422, 1, 4, b"\0\1\1\2", True)]}),
            ],
            "ARW",
        ),
    ],
)
def test_raw_photographs_are_refused_by_name_and_told_what_to_do(entries, name):
    error = refusal(pages(*entries))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert error.message == f"{name} is a raw photograph: export it as JPEG or TIFF"


# What stands beside the pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_orientation_and_resolution(orientation, dtype):
    upright = ramps(4)
    stored = upright
    if orientation >= 5:
        stored = stored.swapaxes(0, 1)
    if orientation in (2, 3, 7, 8):
        stored = stored[:, ::-1]
    if orientation in (3, 4, 6, 7):
        stored = stored[::-1]
    stored = np.ascontiguousarray(stored if dtype == np.uint16 else stored // 257).astype(dtype)
    data = tiff(
        stored,
        photometric="rgb",
        extrasamples=["unassalpha"],
        extratags=[(274, 3, 1, orientation, True)],
        resolution=(300, 150),
        resolutionunit="inch",
    )
    photo = decode(data, ANY_SIZE)
    wanted = in_8_bits(upright) if dtype == np.uint16 else (upright // 257).astype(np.uint8)
    np.testing.assert_array_equal(photo.rgb_HWC, wanted[..., :3])
    np.testing.assert_array_equal(in_8_bits(photo.alpha_HW, 1), wanted[..., 3])
    assert photo.orientation == orientation
    assert (f"EXIF orientation {orientation} applied" in photo.notes) == (orientation > 1)
    assert photo.resolution_dpi == ((150, 300) if orientation >= 5 else (300, 150))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("resolution", "unit", "dpi"),
    [
        ((118, 118), "centimeter", (299.72, 299.72)),
        ((300, 300), "none", None),
        ((0, 0), "inch", None),
    ],
)
def test_units_of_resolution(dtype, resolution, unit, dpi):
    data = tiff(ramps(3, dtype, 200), photometric="rgb", resolution=resolution, resolutionunit=unit)
    found = decode(data, ANY_SIZE).resolution_dpi
    assert (found is None) == (dpi is None)
    if dpi is not None:
        np.testing.assert_allclose(found, dpi, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_orientation_in_xmp_alone_is_none(dtype):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    data = tiff(ramps(3, dtype, 200), photometric="rgb", extratags=[(700, 1, len(xmp), xmp, True)])
    photo = decode(data, ANY_SIZE)
    assert photo.rgb_HWC.shape == (HEIGHT, WIDTH, 3)
    assert photo.orientation == 1


# Damage


def healthy():
    return [
        tiff(ramps(3), photometric="rgb", planar=True),
        tiff(ramps(4), photometric="rgb", extrasamples=["assocalpha"], compression="lzw"),
        tiff(
            ramps(4, np.uint8, 255), photometric="rgb", extrasamples=["unspecified"], tile=(16, 16)
        ),
        tiff(ramps(3, np.float32, 1), photometric="rgb", compression="zlib", bigtiff=True),
        tiff(ramps(1)[..., 0], photometric="minisblack", bitspersample=12),
        tiff(ramps(3), photometric="cielab", compression="zstd", byteorder=">"),
        pages((PREVIEW, {"subifds": 1, "subfiletype": 1}), (WHOLE, {"compression": "lzw"})),
    ]


@pytest.mark.parametrize("which", range(7))
def test_a_cut_file_is_corrupt_wherever_it_is_cut(which):
    data = healthy()[which]
    whole = decode(data, ANY_SIZE)
    for length in range(40, len(data), max(1, len(data) // 97)):
        result = outcome(data[:length])
        if isinstance(result, RowError):
            assert result.code is ErrorCode.CORRUPT_IMAGE, (length, result)
        else:
            np.testing.assert_array_equal(result.rgb_HWC, whole.rgb_HWC)


@settings(max_examples=150, deadline=None)
@given(
    which=st.integers(0, 6),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_gives_a_photograph_or_a_reason(which, changes):
    damaged = bytearray(healthy()[which])
    for where, value in changes:
        damaged[round(where * (len(damaged) - 1))] = value
    result = outcome(bytes(damaged))
    if isinstance(result, RowError):
        assert "0x" not in result.message
    else:
        assert result.rgb_HWC.dtype == np.uint8


def with_count(data, tag, count):
    """A little-endian file whose tag says that it has so many values."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        at = file.pages[0].tags[tag].offset
    return data[: at + 4] + count.to_bytes(4, "little") + data[at + 8 :]


@pytest.mark.parametrize("tag", [256, 257, 277, 259, 262, 278, 284])
@pytest.mark.parametrize("count", [0, 2, 100, 2**31])
def test_a_number_that_is_said_to_be_many_costs_nothing_but_its_row(tag, count):
    result = outcome(with_count(tiff(ramps(3), photometric="rgb"), tag, count))
    assert isinstance(result, RowError)
    assert result.code in (ErrorCode.CORRUPT_IMAGE, ErrorCode.UNSUPPORTED_FORMAT)


def test_many_channels_are_refused():
    error = refusal(
        tiff(np.zeros((40, 40, 60), np.uint8), photometric="minisblack", planarconfig="contig")
    )
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "60 channels" in error.message


def test_many_pages_are_not_all_walked_over():
    small = Image.new("RGB", (40, 40))
    out = BytesIO()
    small.save(out, "TIFF", save_all=True, append_images=[small] * 300)
    with opened_tiff(out.getvalue()) as file:
        assert len(photograph_in(file).pages) == 256
    assert "the first of several frames" in decode(out.getvalue(), ANY_SIZE).notes


def test_a_tile_that_holds_a_larger_picture_is_damage():
    inside = BytesIO()
    Image.new("RGB", (900, 900)).save(inside, "WEBP", lossless=True)
    out = BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(
            iter([inside.getvalue()]),
            shape=(16, 16, 3),
            dtype=np.uint8,
            photometric="rgb",
            compression="webp",
            metadata=None,
        )
    error = refusal(out.getvalue())
    assert error.code is ErrorCode.CORRUPT_IMAGE
    assert "900 x 900 px" in error.message
