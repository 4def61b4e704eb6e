"""Colour profiles, made by hand so that every expected colour can be computed."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.icc import srgb_profile
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1)

# Colorants adapted to D50, one column each for red, green, blue.
ADOBE_TO_XYZ = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
D50 = np.array([0.9642, 1.0, 0.8249])


def s15f16(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def xyz(*values):
    return b"XYZ \0\0\0\0" + s15f16(*values)


def gamma(exponent):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256)) + bytes(2)


def text(words):
    return b"text\0\0\0\0" + words + b"\0"


def description(words):
    return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + bytes(79)


def profile(space, tags, *, connection=b"XYZ ", device=b"mntr", name=b"made by hand"):
    """An ICC version 2 profile (ICC.1:2001-04, clauses 6.1 and 6.2)."""
    tags = {b"desc": description(name), b"cprt": text(b"none"), b"wtpt": xyz(*D50), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags.items():
        table += signature + struct.pack(">II", start + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    header = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x02400000, device, space, connection
    )
    header += bytes(12) + b"acsp" + bytes(28) + s15f16(*D50)
    return header.ljust(128, b"\0") + table + body


def matrix_profile(to_xyz, exponent, name=b"made by hand"):
    tags = {}
    for channel, column in zip((b"r", b"g", b"b"), to_xyz.T, strict=True):
        tags |= {channel + b"XYZ": xyz(*column), channel + b"TRC": gamma(exponent)}
    return profile(b"RGB ", tags, name=name)


def encoded(linear):
    """IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def stored(image, icc_profile, file_format="TIFF"):
    out = BytesIO()
    image.save(out, file_format, icc_profile=icc_profile)
    return out.getvalue()


ADOBE = matrix_profile(ADOBE_TO_XYZ, 2.19921875, name=b"wide by hand")


@pytest.mark.parametrize("adobe", [(150, 120, 90), (128, 128, 128), (200, 60, 60), (255, 255, 255)])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_a_wide_gamut_colour_keeps_its_look(adobe, file_format):
    photo = decode(stored(Image.new("RGB", (16, 16), adobe), ADOBE, file_format), ANY_SIZE)
    linear = (np.array(adobe) / 255) ** 2.19921875
    expected = encoded(np.linalg.solve(SRGB_TO_XYZ, ADOBE_TO_XYZ @ linear))
    lossy = file_format in ("JPEG", "WEBP")
    assert np.abs(photo.rgb_HWC - expected).max() <= (5 if lossy else 1)
    assert photo.notes == ("ICC profile 'wide by hand' converted to sRGB",)


def test_alpha_passes_a_profile_untouched():
    image = Image.new("RGBA", (16, 16), (150, 120, 90, 77))
    with_alpha = decode(stored(image, ADOBE, "PNG"), ANY_SIZE)
    without = decode(stored(image.convert("RGB"), ADOBE, "PNG"), ANY_SIZE)
    np.testing.assert_array_equal(with_alpha.rgb_HWC, without.rgb_HWC)
    assert (with_alpha.alpha_HW == np.float32(77) / 255).all()


def test_a_palette_is_converted_too():
    image = Image.new("RGB", (16, 16), (150, 120, 90))
    straight = decode(stored(image, ADOBE, "PNG"), ANY_SIZE)
    indexed = decode(stored(image.quantize(4), ADOBE, "PNG"), ANY_SIZE)
    np.testing.assert_array_equal(indexed.rgb_HWC, straight.rgb_HWC)


def test_grey_with_a_grey_profile():
    grey = profile(b"GRAY", {b"kTRC": gamma(1.75)})
    ramp_HW = np.arange(256, dtype=np.uint8).reshape(16, 16)
    photo = decode(stored(Image.fromarray(ramp_HW), grey), ANY_SIZE)
    expected = encoded((ramp_HW / 255) ** 1.75)
    assert np.abs(photo.rgb_HWC - expected[..., None]).max() < 0.6
    assert photo.notes == ("ICC profile 'made by hand' converted to sRGB",)


def test_grey_tagged_with_an_rgb_profile():
    grey = decode(stored(Image.new("L", (16, 16), 100), ADOBE), ANY_SIZE)
    colour = decode(stored(Image.new("RGB", (16, 16), (100, 100, 100)), ADOBE), ANY_SIZE)
    np.testing.assert_array_equal(grey.rgb_HWC, colour.rgb_HWC)
    assert grey.notes == colour.notes


@pytest.mark.parametrize(
    "srgb",
    [srgb_profile(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()],
    ids=["ours", "made_now"],  # a name that held the second would differ between processes
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_srgb_pixels_are_not_touched(srgb, mode):
    noise_HWC = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    image = Image.fromarray(noise_HWC).convert(mode)
    photo = decode(stored(image, srgb, "PNG"), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, np.asarray(image.convert("RGB")))
    assert photo.notes == ()


def cmyk_profile():
    """Inks with a colour of their own each: a 2 x 2 x 2 x 2 table into Lab (lut8, clause 6.5.8)."""
    lab = {"paper": (100, 0, 0), "cyan": (62, -20, -25), "black": (0, 0, 0), "other": (40, 0, 0)}
    table = b""
    for corner in range(16):
        c, m, y, k = (corner >> bit & 1 for bit in (3, 2, 1, 0))
        name = (
            "black" if k else "paper" if not c + m + y else "cyan" if c and not m + y else "other"
        )
        lightness, a, b = lab[name]
        table += bytes((round(lightness * 2.55), a + 128, b + 128))
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + s15f16(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += identity * 4 + table + identity * 3
    return profile(b"CMYK", {b"A2B0": lut, b"A2B1": lut}, connection=b"Lab ", device=b"prtr")


def from_lab(lightness, a, b):
    """CIE 15: Lab of the D50 white to sRGB."""
    f = (lightness + 16) / 116 + np.array([a / 500, 0, -b / 200])
    relative = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return encoded(np.linalg.solve(SRGB_TO_XYZ, relative * D50))


@pytest.mark.parametrize("file_format", ["TIFF", "JPEG"])
def test_cmyk_goes_through_the_profile_it_brought(file_format):
    for inks, lab in [
        ((255, 0, 0, 0), (62, -20, -25)),
        ((0, 0, 0, 0), (100, 0, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ]:
        image = Image.new("CMYK", (16, 16), inks)
        photo = decode(stored(image, cmyk_profile(), file_format), ANY_SIZE)
        assert np.abs(photo.rgb_HWC - from_lab(*lab)).max() <= 2, inks
        assert photo.notes == (
            "converted from CMYK",
            "ICC profile 'made by hand' converted to sRGB",
        )


def test_a_profile_for_other_pixels_is_set_aside_and_said_so():
    photo = decode(stored(Image.new("RGB", (16, 16), (9, 99, 199)), cmyk_profile()), ANY_SIZE)
    assert photo.rgb_HWC[0, 0].tolist() == [9, 99, 199]
    assert photo.notes == ("ICC profile 'made by hand' is not for RGB pixels, ignored",)


@pytest.mark.parametrize(
    "damaged",
    [b"not a profile", ADOBE[:200], ADOBE[:16] + b"R\xc7B " + ADOBE[20:], bytes(600)],
    ids=["text", "cut", "odd space", "zeros"],
)
def test_an_unreadable_profile_is_said_and_the_pixels_are_kept(damaged):
    photo = decode(stored(Image.new("RGB", (16, 16), (9, 99, 199)), damaged), ANY_SIZE)
    assert photo.rgb_HWC[0, 0].tolist() == [9, 99, 199]
    assert photo.notes == ("ICC profile unreadable, taken as sRGB",)
