"""JPEG, WebP and GIF: depth, orientation, canvas, and pictures beside the picture."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.decode import decode, decode_levels
from pipeline.imaging.reading.decoder_choice import chosen, look
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 56
XMP = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'


def ramps(num_channels=3, white=255, dtype=np.uint8):
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = [x, y, (x + 2 * y) / 3, 1 - x * y][:num_channels]
    return np.rint(np.stack(planes, -1) * white).astype(dtype)


def saved(image, file_format, **options):
    out = BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


# JPEG


@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (12, True), (16, True), (8, True)])
def test_jpeg_of_more_than_8_bits_or_without_loss(bits, lossless):
    white = 2**bits - 1
    samples = ramps(white=white, dtype=np.uint8 if bits == 8 else np.uint16)
    data = imagecodecs.jpeg8_encode(samples, level=99, bitspersample=bits, lossless=lossless)
    photo = decode(data, ANY_SIZE)
    wanted = np.floor(samples * (255 / white) + 0.5)
    assert np.abs(photo.rgb_HWC - wanted).max() <= (0 if lossless else 4)
    assert photo.format == "JPEG"
    assert photo.notes == (("more than 8 bits a channel, reduced to 8",) if bits > 8 else ())


def test_orientation_and_profile_of_a_deep_jpeg():
    exif = Image.Exif()
    exif[274] = 6
    app1 = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    app2 = b"ICC_PROFILE\0\1\1" + srgb_profile()
    data = imagecodecs.jpeg8_encode(ramps(white=4095, dtype=np.uint16), level=99, bitspersample=12)
    segments = b"".join(
        b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2, "big") + body
        for marker, body in ((0xE1, app1), (0xE2, app2))
    )
    data = data[:2] + segments + data[2:]
    photo = decode(data, ANY_SIZE)
    assert photo.rgb_HWC.shape == (WIDTH, HEIGHT, 3)
    assert photo.orientation == 6
    assert look(data, "JPEG").meaning.icc == srgb_profile()


def test_limits_hold_for_a_deep_jpeg():
    data = bytearray(
        imagecodecs.jpeg8_encode(ramps(white=4095, dtype=np.uint16), level=90, bitspersample=12)
    )
    at = data.index(b"\xff\xc1") + 5
    data[at : at + 4] = (60_000).to_bytes(2, "big") * 2
    with pytest.raises(RowError) as refused:
        decode(bytes(data), ANY_SIZE)
    assert refused.value.code is ErrorCode.TOO_MANY_PIXELS


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_an_orientation_in_xmp_alone_is_none(file_format):
    photo = decode(saved(Image.fromarray(ramps()), file_format, xmp=XMP), ANY_SIZE)
    assert photo.rgb_HWC.shape == (HEIGHT, WIDTH, 3)
    assert photo.orientation == 1
    assert photo.notes == ()
    exif = Image.Exif()
    exif[274] = 3  # where both are there, EXIF counts
    both = decode(saved(Image.fromarray(ramps()), file_format, xmp=XMP, exif=exif), ANY_SIZE)
    assert both.orientation == 3


@pytest.mark.parametrize("orientation", [1, 6])
def test_resolution_of_a_jpeg(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(ramps())
    photo = decode(saved(image, "JPEG", dpi=(300, 150), exif=exif), ANY_SIZE)
    assert photo.resolution_dpi == ((300, 150) if orientation == 1 else (150, 300))
    assert decode(saved(image, "JPEG"), ANY_SIZE).resolution_dpi is None
    nothing_of_it = Image.Exif()
    nothing_of_it[0x010E] = "a photograph"
    assert decode(saved(image, "JPEG", exif=nothing_of_it), ANY_SIZE).resolution_dpi is None
    in_exif = Image.Exif()
    in_exif[282], in_exif[283], in_exif[296] = 118.11, 118.11, 3
    found = decode(saved(image, "JPEG", exif=in_exif), ANY_SIZE).resolution_dpi
    np.testing.assert_allclose(found, (300, 300), rtol=1e-4)


def test_adobe_rgb_told_by_exif_alone():
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}}
    image = Image.new("RGB", (40, 40), (0, 200, 40))
    plain = decode(saved(image, "JPEG", quality=100, subsampling=0), ANY_SIZE)
    told = decode(saved(image, "JPEG", quality=100, subsampling=0, exif=exif), ANY_SIZE)
    assert np.abs(told.rgb_HWC.astype(int) - plain.rgb_HWC).max() > 0
    assert any("Adobe RGB" in note for note in told.notes)


@pytest.mark.parametrize(
    "name", [b"urn:com:apple:photo:2020:aux:hdrgainmap", b"hdrgm:Version", b"HDRGainMap"]
)
def test_a_gain_map_is_left_out_and_said(name):
    base = Image.fromarray(ramps())
    half = base.resize((WIDTH // 2, HEIGHT // 2)).convert("L")
    data = saved(base, "MPO", save_all=True, append_images=[half], quality=95)
    note = "HDR: its gain map is left out, the base picture is read"
    assert note not in decode(data, ANY_SIZE).notes
    comment = b"\xff\xfe" + (len(name) + 2).to_bytes(2, "big") + name
    second = data.index(b"\xff\xd8", 100)
    photo = decode(data[: second + 2] + comment + data[second + 2 :], ANY_SIZE)
    assert note in photo.notes
    assert photo.rgb_HWC.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(photo.rgb_HWC.astype(int) - ramps()).max() <= 12


# WebP


@pytest.mark.parametrize(
    "options", [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}]
)
@pytest.mark.parametrize("num_channels", [3, 4])
def test_the_size_of_a_webp_is_read_from_its_header(options, num_channels):
    data = saved(Image.fromarray(ramps(num_channels)), "WEBP", **options)
    header = look(data, "WEBP")
    assert (header.width, header.height) == (WIDTH, HEIGHT)
    assert header.alpha == ("straight" if num_channels == 4 else "none")


# GIF


def small_frame(*, transparency):
    """A canvas of which the first frame covers a part: its size is raised by hand."""
    image = Image.fromarray(ramps()[:20, :30]).quantize(32)
    options = {"transparency": 3} if transparency else {}
    data = bytearray(saved(image, "GIF", **options))
    data[6:10] = WIDTH.to_bytes(2, "little") + HEIGHT.to_bytes(2, "little")
    at = data.index(b",\0\0\0\0", 13)
    data[at + 1 : at + 5] = (10).to_bytes(2, "little") + (5).to_bytes(2, "little")
    return bytes(data), np.asarray(image.convert("RGB")), np.asarray(image) != 3


@pytest.mark.parametrize("transparency", [False, True])
def test_a_canvas_is_transparent_around_its_first_frame(transparency):
    data, frame_HWC, is_opaque_HW = small_frame(transparency=transparency)
    photo = decode(data, ANY_SIZE)
    window = slice(5, 25), slice(10, 40)
    inside_HW = np.zeros((HEIGHT, WIDTH), bool)
    inside_HW[window] = is_opaque_HW if transparency else True
    np.testing.assert_array_equal(photo.alpha_HW, inside_HW.astype(np.float32))
    shown = is_opaque_HW if transparency else np.ones_like(is_opaque_HW)
    np.testing.assert_array_equal(photo.rgb_HWC[window][shown], frame_HWC[shown])
    assert chosen(look(data, "GIF")).decoder == "Pillow"


# Masks


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16"])
def test_levels_of_a_mask_are_as_stored(mode):
    levels_HW = ramps(1)[..., 0]
    exif = Image.Exif()
    exif[274] = 6
    if mode == "I;16":
        image, wanted_HW = (
            Image.fromarray(levels_HW.astype(np.uint16) * 251),
            levels_HW * (251 / 65535),
        )
    elif mode == "1":
        image, wanted_HW = Image.fromarray(levels_HW > 99), (levels_HW > 99) * 1.0
    else:
        image, wanted_HW = Image.fromarray(levels_HW), levels_HW / 255
        if mode == "P":
            image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    levels = decode_levels(saved(image, "PNG", exif=exif), ANY_SIZE)
    found_HWC = levels.values_HWC
    assert found_HWC.dtype == np.float32
    assert found_HWC.shape == (WIDTH, HEIGHT, 3 if mode == "P" else 1)
    np.testing.assert_allclose(found_HWC[..., 0], np.rot90(wanted_HW, -1), atol=1e-6)
    assert levels.orientation == 6
    assert levels.alpha_HW is None


@pytest.mark.parametrize("bits", [8, 16])
def test_a_profile_does_not_change_levels(bits):
    """A gamma of 1.8 would make .576 of 128."""
    levels_HW = np.full((40, 40), 128, np.uint8)
    image = Image.fromarray(levels_HW if bits == 8 else levels_HW.astype(np.uint16) * 257)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = decode_levels(saved(image, "PNG"), ANY_SIZE)
    with_profile = decode_levels(saved(image, "PNG", icc_profile=profile), ANY_SIZE)
    np.testing.assert_array_equal(with_profile.values_HWC, plain.values_HWC)
    np.testing.assert_allclose(plain.values_HWC, 128 / 255, atol=1e-6)
    assert with_profile.notes == ()


def test_alpha_of_a_mask_is_kept_apart():
    image = Image.fromarray(np.dstack([ramps(1)[..., 0], ramps(1)[::-1, ::-1, 0]]), "LA")
    levels = decode_levels(saved(image, "PNG"), ANY_SIZE)
    np.testing.assert_allclose(levels.values_HWC[..., 0], ramps(1)[..., 0] / 255, atol=1e-6)
    np.testing.assert_allclose(levels.alpha_HW, ramps(1)[::-1, ::-1, 0] / 255, atol=1e-6)


@pytest.mark.parametrize("lost", [0.2, 0.45, 0.6])
def test_a_gif_whose_later_frames_are_damaged_shows_its_first(lost):
    rng = np.random.default_rng(3)
    frames = [
        Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8), "L") for _ in range(4)
    ]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    whole = decode(data, ANY_SIZE)
    photo = decode(data[: round(len(data) * (1 - lost))], ANY_SIZE)
    assert np.array_equal(photo.rgb_HWC, whole.rgb_HWC)
    assert any("first of" in note for note in photo.notes)


def test_a_gif_that_is_cut_within_its_first_frame_is_corrupt():
    data = saved(Image.fromarray(ramps()[..., 0]), "GIF")
    for lost in (4, 20, len(data) // 3):
        with pytest.raises(RowError) as refused:
            decode(data[:-lost], ANY_SIZE)
        assert refused.value.code is ErrorCode.CORRUPT_IMAGE
