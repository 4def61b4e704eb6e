"""Colours that files declare by numbers, against matrices and curves written out by hand."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.imaging.libraries.samples import Cicp, ColorMeaning, Samples
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.color.to_srgb import to_srgb8
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.unit.imaging.reading.profiles import ADOBE, encoded

DEEP = "more than 8 bits a channel, reduced to 8"

# Linear to linear sRGB, from the literature and not from chromaticities: Display P3 as CSS Color 4
# has it (section 18), BT.2020 as ITU-R BT.2087 does (inverse of its M2), Adobe RGB as CSS Color 4.
P3 = np.array(
    [
        [1.2249401762805598, -0.22494017628055996, 0],
        [-0.042056954709688163, 1.0420569547096881, 0],
        [-0.019637554590334432, -0.078636045550631889, 1.0982736001409663],
    ]
)
BT2020 = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ]
)
ADOBE_RGB = np.array(
    [
        [1.3983557439607783, -0.39835574396077830, 0],
        [0, 1, 0],
        [0, -0.042936828858009264, 1.0429368288580092],
    ]
)
SRGB_XY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3_XY = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def srgb_light(unit):
    """IEC 61966-2-1, read backwards."""
    return np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)


def converted(values_HWC, space="rgb", *, exif_adobe_rgb=True, **meaning):
    samples = Samples(values_HWC=values_HWC, space=space, meaning=ColorMeaning(**meaning))
    return to_srgb8(samples, exif_adobe_rgb=exif_adobe_rgb)


def numbers(primaries, transfer, **more):
    return Cicp(
        **{"primaries": primaries, "transfer": transfer, "matrix": 0, "is_full_range": True} | more
    )


def colours(dtype, channels=3):
    full = np.iinfo(dtype).max
    noise_HWC = np.random.default_rng(0).integers(0, full, (128, 128, channels), endpoint=True)
    grey_HWC = np.repeat(np.linspace(0, full, 1 << 14).round(), channels).reshape(128, 128, -1)
    return np.concatenate([noise_HWC, grey_HWC]).astype(dtype)


def error(rgb_HWC, light_HWC, matrix=None):
    """In levels, of what was rounded once."""
    if matrix is not None:
        light_HWC = light_HWC @ matrix.T
    return np.abs(rgb_HWC - encoded(light_HWC)).max()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("primaries", "matrix", "name"),
    [(12, P3, "Display P3 (CICP 12/13)"), (9, BT2020, "BT.2020 (CICP 9/13)")],
)
def test_wide_primaries_by_number(dtype, primaries, matrix, name):
    values_HWC = colours(dtype)
    rgb_HWC, notes = converted(values_HWC, cicp=numbers(primaries, 13))
    light_HWC = srgb_light(values_HWC / np.iinfo(dtype).max)
    # Where light is next to none a sixth decimal of a matrix is a tenth of a level.
    assert error(rgb_HWC, light_HWC, matrix) <= 0.7
    assert notes[-1] == f"{name} converted to sRGB"
    assert notes[:-1] == ((DEEP,) if dtype == np.uint16 else ())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("transfer", "light"),
    [(4, lambda v: v**2.2), (5, lambda v: v**2.8), (8, lambda v: v)],
)
def test_curves_by_number(dtype, transfer, light):
    values_HWC = colours(dtype)
    rgb_HWC, notes = converted(values_HWC, cicp=numbers(1, transfer))
    assert error(rgb_HWC, light(values_HWC / np.iinfo(dtype).max)) <= 0.6
    assert notes[-1] == f"BT.709 (CICP 1/{transfer}) converted to sRGB"


@pytest.mark.parametrize("transfer", [1, 2, 6, 13, 14, 15])
@pytest.mark.parametrize("primaries", [1, 2])
def test_numbers_that_stills_are_shown_by_as_srgb_change_nothing(primaries, transfer):
    values_HWC = colours(np.uint8)
    rgb_HWC, notes = converted(values_HWC, cicp=numbers(primaries, transfer))
    assert np.shares_memory(rgb_HWC, values_HWC)
    assert notes == ()


@pytest.mark.parametrize("primaries", [4, 5, 6, 7, 8, 9, 10, 11, 12, 22])
def test_white_stays_white_and_grey_grey_in_all_primaries(primaries):
    grey_HWC = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    rgb_HWC, _ = converted(grey_HWC, cicp=numbers(primaries, 13))
    np.testing.assert_array_equal(rgb_HWC, grey_HWC)
    one_channel_HWC, notes = converted(grey_HWC[..., :1], "grey", cicp=numbers(primaries, 13))
    np.testing.assert_array_equal(one_channel_HWC, grey_HWC)
    assert notes == ()


@pytest.mark.parametrize(("primaries", "transfer"), [(3, 13), (0, 1), (1, 3), (99, 99), (12, 255)])
def test_numbers_that_mean_nothing_are_set_aside_and_said_so(primaries, transfer):
    values_HWC = colours(np.uint8)
    rgb_HWC, notes = converted(values_HWC, cicp=numbers(primaries, transfer))
    np.testing.assert_array_equal(rgb_HWC, values_HWC)
    assert notes == (f"colours by unknown numbers {primaries}/{transfer}, taken as sRGB",)


def test_the_narrow_range_of_a_png_is_widened():
    values_HWC = np.full((1, 3, 3), 16, np.uint8)
    values_HWC[0, 1:] = [[126], [235]]
    cicp = numbers(1, 13, is_full_range=False, is_png=True)
    rgb_HWC, _ = converted(values_HWC, cicp=cicp)
    assert rgb_HWC[0, :, 0].tolist() == [0, round((126 - 16) / 219 * 255), 255]


def test_the_narrow_range_of_an_avif_is_its_decoders_to_widen():
    values_HWC = colours(np.uint8)
    rgb_HWC, notes = converted(values_HWC, cicp=numbers(1, 13, is_full_range=False))
    np.testing.assert_array_equal(rgb_HWC, values_HWC)
    assert notes == ()


def test_what_counts_before_what():
    values_HWC = colours(np.uint8)
    p3 = numbers(12, 13)
    by_icc = (converted(values_HWC, icc=ADOBE))[1]
    by_p3 = (converted(values_HWC, cicp=p3))[1]
    by_gamma = (converted(values_HWC, gamma=1.0))[1]
    by_exif = (converted(values_HWC, is_adobe_rgb=True))[1]
    assert len({by_icc, by_p3, by_gamma, by_exif}) == 4

    everything = {"gamma": 1.0, "chromaticities": P3_XY, "is_adobe_rgb": True}
    png = numbers(12, 13, is_png=True)
    unspecified = numbers(2, 2, is_png=True)
    for wanted, meaning in [
        (by_icc, everything | {"icc": ADOBE, "cicp": p3, "is_srgb": True}),
        (by_p3, everything | {"icc": ADOBE, "cicp": png, "is_srgb": True}),
        (by_icc, everything | {"icc": ADOBE, "cicp": unspecified, "is_srgb": True}),
        (by_p3, everything | {"cicp": p3, "is_srgb": True}),
        ((), everything | {"is_srgb": True}),
        ((), everything | {"cicp": numbers(1, 13)}),
        ((), everything | {"icc": srgb_profile()}),
        (by_gamma, {"gamma": 1.0, "is_adobe_rgb": True}),
        (by_gamma, {"gamma": 1.0, "cicp": unspecified, "is_adobe_rgb": True}),
    ]:
        assert converted(values_HWC, **meaning)[1] == wanted
    notes = converted(values_HWC, icc=b"damaged", gamma=1.0)[1]
    assert notes == ("ICC profile unreadable, taken as sRGB", *by_gamma)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("gamma", [1.0, 0.55556, 0.625, 0.35])
@pytest.mark.parametrize(("space", "channels"), [("rgb", 3), ("grey", 1)])
def test_png_gamma(dtype, gamma, space, channels):
    values_HWC = colours(dtype, channels)
    rgb_HWC, notes = converted(values_HWC, space, gamma=gamma)
    assert error(rgb_HWC, (values_HWC / np.iinfo(dtype).max) ** (1 / gamma)) <= 0.6
    assert notes[-1] == "colours by gAMA converted to sRGB"


def test_png_chromaticities_with_and_without_a_gamma():
    values_HWC = colours(np.uint16)
    unit_HWC = values_HWC / 65535
    rgb_HWC, notes = converted(values_HWC, gamma=0.5, chromaticities=P3_XY)
    assert error(rgb_HWC, unit_HWC**2, P3) <= 0.7
    assert notes == (DEEP, "colours by gAMA and cHRM converted to sRGB")
    rgb_HWC, notes = converted(values_HWC, chromaticities=P3_XY)
    assert error(rgb_HWC, srgb_light(unit_HWC), P3) <= 0.7
    assert notes == (DEEP, "colours by cHRM converted to sRGB")


@pytest.mark.parametrize("gamma", [0.45455, 0.45454, 0.4545, 0.45, 0.45457])
@pytest.mark.parametrize("rounding", [None, 0, 1e-5, -1e-5, 4e-4])
def test_what_png_writes_for_srgb_changes_nothing(gamma, rounding):
    xy = None if rounding is None else tuple(value + rounding for value in SRGB_XY)
    values_HWC = colours(np.uint8)
    rgb_HWC, notes = converted(values_HWC, gamma=gamma, chromaticities=xy)
    np.testing.assert_array_equal(rgb_HWC, values_HWC)
    assert notes == ()


def test_the_gamma_of_srgb_with_other_primaries_is_a_gamma():
    values_HWC = colours(np.uint16)
    xy = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
    rgb_HWC, _ = converted(values_HWC, gamma=0.45455, chromaticities=xy)
    assert error(rgb_HWC, (values_HWC / 65535) ** (1 / 0.45455), ADOBE_RGB) <= 0.7


@pytest.mark.parametrize(
    ("meaning", "note"),
    [
        ({"gamma": 0.0}, "gAMA of 0 is none, taken as sRGB"),
        ({"gamma": 1e-5}, "gAMA of 1e-05 is none, taken as sRGB"),
        ({"gamma": 21474.8}, "gAMA of 21474.8 is none, taken as sRGB"),
        ({"chromaticities": (0.0,) * 8}, "cHRM with chromaticities of no colour, taken as sRGB"),
        (
            {"chromaticities": (0.3127, 0.3290, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5)},
            "cHRM with primaries on one line, taken as sRGB",
        ),
        (
            {"chromaticities": (0.9, 0.05, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)},
            "cHRM with a white that is not between its primaries, taken as sRGB",
        ),
    ],
)
def test_what_no_colours_can_have_is_set_aside_and_said_so(meaning, note):
    values_HWC = colours(np.uint8)
    rgb_HWC, notes = converted(values_HWC, **meaning)
    np.testing.assert_array_equal(rgb_HWC, values_HWC)
    assert notes == (note,)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_adobe_rgb_told_by_exif_alone(dtype):
    values_HWC = colours(dtype)
    rgb_HWC, notes = converted(values_HWC, is_adobe_rgb=True)
    light_HWC = (values_HWC / np.iinfo(dtype).max) ** (563 / 256)
    assert error(rgb_HWC, light_HWC, ADOBE_RGB) <= 0.7
    assert notes[-1] == "Adobe RGB, as EXIF alone says, converted to sRGB"


def test_who_knows_better_says_so():
    values_HWC = colours(np.uint8)
    rgb_HWC, notes = converted(values_HWC, is_adobe_rgb=True, exif_adobe_rgb=False)
    assert np.shares_memory(rgb_HWC, values_HWC)
    assert notes == ()


def test_adobe_rgb_of_a_photograph_comes_back():
    """A round trip: an sRGB photograph, stored as Adobe RGB, as the issue measures it."""
    y, x = np.mgrid[:120, :160] / (120, 160)[0]
    photo_HWC = np.stack([x % 1, y, 0.5 + 0.4 * np.sin(7 * x + 3 * y)], axis=-1)
    stored_HWC = np.clip(srgb_light(photo_HWC) @ np.linalg.inv(ADOBE_RGB).T, 0, 1) ** (256 / 563)
    rgb_HWC, _ = converted(np.rint(stored_HWC * 255).astype(np.uint8), is_adobe_rgb=True)
    delta_HW = deltaE_ciede2000(rgb2lab(photo_HWC), rgb2lab(rgb_HWC))
    assert delta_HW.mean() < 0.3
    ignored_HWC, _ = converted(np.rint(stored_HWC * 255).astype(np.uint8))
    assert deltaE_ciede2000(rgb2lab(photo_HWC), rgb2lab(ignored_HWC)).mean() > 2


def test_linear_light_of_named_primaries():
    light_HWC = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
    for meaning, name in [
        ({"cicp": numbers(12, 8)}, "Display P3 (CICP 12/8)"),
        ({"chromaticities": P3_XY}, "the primaries of cHRM"),
    ]:
        rgb_HWC, notes = converted(light_HWC, **meaning)
        assert error(rgb_HWC, light_HWC, P3) <= 0.6
        assert notes == (DEEP, f"linear light of {name} converted to sRGB")
    rgb_HWC, notes = converted(light_HWC, icc=ADOBE)
    assert error(rgb_HWC, light_HWC, ADOBE_RGB) <= 1
    assert notes == (DEEP, "linear light of ICC profile 'wide by hand' converted to sRGB")
    rgb_HWC, notes = converted(light_HWC, icc=srgb_profile())
    assert error(rgb_HWC, light_HWC) <= 0.6
    assert notes == (DEEP,)


def png(values_HWC, **chunks):
    """A PNG of 8 or 16 bits, with chunks of its own before the pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    height, width, channels = values_HWC.shape
    depth = 8 * values_HWC.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, {1: 0, 3: 2}[channels], 0, 0, 0)
    rows = values_HWC.astype(values_HWC.dtype.newbyteorder(">")).reshape(height, -1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [chunk(b"IHDR", header), *(chunk(k.encode(), v) for k, v in chunks.items())]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IDAT", packed), chunk(b"IEND", b"")])


def hundred_thousandths(*values):
    return struct.pack(f">{len(values)}I", *(round(value * 100_000) for value in values))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_chunks_count_when_a_file_is_read(dtype):
    values_HWC = colours(dtype)
    unit_HWC = values_HWC / np.iinfo(dtype).max
    gamma, p3 = hundred_thousandths(1.0), hundred_thousandths(*P3_XY)
    for chunks, light_HWC, matrix, note in [
        ({"gAMA": gamma}, unit_HWC, None, "colours by gAMA"),
        ({"gAMA": gamma, "cHRM": p3}, unit_HWC, P3, "colours by gAMA and cHRM"),
        ({"cICP": bytes((12, 13, 0, 1))}, srgb_light(unit_HWC), P3, "Display P3 (CICP 12/13)"),
        ({"cICP": bytes((12, 13, 0, 1)), "sRGB": b"\0"}, srgb_light(unit_HWC), P3, "Display P3"),
    ]:
        photo = decode(png(values_HWC, **chunks), ImageLimits())
        assert error(photo.rgb_HWC, light_HWC, matrix) <= 0.7
        assert photo.notes[-1].startswith(note)
    photo = decode(png(values_HWC, gAMA=gamma, sRGB=b"\0"), ImageLimits())
    np.testing.assert_array_equal(
        photo.rgb_HWC, to_srgb8(Samples(values_HWC=values_HWC, space="rgb"))[0]
    )
    photo = decode(png(values_HWC, gAMA=hundred_thousandths(0)), ImageLimits())
    assert photo.notes[-1] == "gAMA of 0 is none, taken as sRGB"


def jpeg(color_space, index=None, **more):
    exif = Image.Exif()
    exif[0x8769] = {0xA001: color_space} | ({0xA005: {1: index}} if index else {})
    out = BytesIO()
    Image.new("RGB", (64, 48), (0, 200, 40)).save(out, "JPEG", quality=95, exif=exif, **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("color_space", "index", "is_adobe"),
    [
        (65535, "R03", True),
        (2, None, True),
        (65535, "R98", False),
        (65535, None, False),
        (1, "R98", False),
    ],
)
def test_exif_tells_adobe_rgb(color_space, index, is_adobe):
    note = "Adobe RGB, as EXIF alone says, converted to sRGB"
    photo = decode(jpeg(color_space, index), ImageLimits())
    assert (note in photo.notes) == is_adobe
    plain = decode(jpeg(1), ImageLimits())
    assert np.array_equal(photo.rgb_HWC, plain.rgb_HWC) != is_adobe
    told_otherwise = decode(jpeg(color_space, index), ImageLimits(exif_adobe_rgb=False))
    np.testing.assert_array_equal(told_otherwise.rgb_HWC, plain.rgb_HWC)
    with_profile = decode(jpeg(color_space, index, icc_profile=srgb_profile()), ImageLimits())
    np.testing.assert_array_equal(with_profile.rgb_HWC, plain.rgb_HWC)
