"""Colour profiles, made by hand so that every expected colour can be computed."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.unit.imaging.reading.profiles import (
    ADOBE,
    ADOBE_TO_XYZ,
    SRGB_TO_XYZ,
    cmyk_profile,
    encoded,
    from_lab,
    gamma,
    matrix_profile,
    profile,
)

ANY_SIZE = ImageLimits(min_side_px=1)


def stored(image, icc_profile, file_format="TIFF"):
    out = BytesIO()
    image.save(out, file_format, icc_profile=icc_profile)
    return out.getvalue()


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


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "primaries",
    [np.zeros((3, 3)), np.diag([0, 0.5, 0]), np.outer([0.4, 0.4, 0.2], [1, 1, 1])],
    ids=["none", "one", "all alike"],
)
def test_a_profile_that_cannot_tell_colours_apart_is_set_aside(primaries, bits):
    """Writers of JPEG 2000 put such ones where they know no colour space."""
    pixels = np.full((40, 40, 3), (9, 99, 199), np.uint8)
    values = pixels if bits == 8 else pixels.astype(np.uint16) * 257
    out = BytesIO()
    tifffile.imwrite(
        out, values, photometric="rgb", iccprofile=matrix_profile(primaries, 1.8), metadata=None
    )
    photo = decode(out.getvalue(), ANY_SIZE)
    assert photo.rgb_HWC[0, 0].tolist() == [9, 99, 199]
    assert any("cannot tell colours apart, ignored" in note for note in photo.notes)
