"""HDR against the formulas of its recommendations, written out here once more."""

import colorsys

import numpy as np
import pytest

from pipeline.imaging.libraries.samples import Cicp, ColorMeaning, Samples
from pipeline.imaging.reading.color.cicp import hlg_scene, pq_encoded, pq_nits
from pipeline.imaging.reading.color.hdr import eetf
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.color.to_srgb import to_srgb8
from tests.unit.imaging.reading.profiles import ADOBE_TO_XYZ, encoded, gamma, profile, xyz

# Linear sRGB to BT.2020 (ITU-R BT.2087-0, 4.1) and what R, G and B of it add to luminance.
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
LUMA = np.array([0.2627, 0.6780, 0.0593])


def pq(nits):
    """SMPTE ST 2084: its constants as its text has them."""
    power = (np.asarray(nits) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(scene):
    """BT.2100-2, table 5: the OETF."""
    scene = np.asarray(scene, float)
    log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)


def stored(nits_HWC, transfer):
    """A picture in linear sRGB, cd/m2, as 16-bit BT.2020 samples; HLG as a camera would."""
    wide_HWC = np.maximum(nits_HWC @ TO_BT2020.T, 0)
    if transfer == 16:
        levels_HWC = pq(wide_HWC)
    else:  # display light to scene light: the OOTF backwards
        luminance_HW1 = np.maximum(wide_HWC @ LUMA, 1e-9)[..., None] / 1000
        levels_HWC = hlg(wide_HWC / 1000 * luminance_HW1 ** (1 / 1.2 - 1))
    return np.rint(np.clip(levels_HWC, 0, 1) * 65535).astype(np.uint16)


def shown(nits_HWC, transfer, **meaning):
    cicp = Cicp(primaries=9, transfer=transfer, matrix=0, is_full_range=True)
    samples = Samples(
        values_HWC=stored(nits_HWC, transfer),
        space="rgb",
        meaning=ColorMeaning(cicp=cicp, **meaning),
    )
    return to_srgb8(samples)


def patches(*nits, highlight=None):
    """Grey patches of 8 x 8 px; a highlight takes up a fifth of the picture."""
    nits_HWC = np.repeat(np.repeat(np.array([nits], float), 8, axis=0), 8, axis=1)
    if highlight is not None:
        spot = np.full((8, max(2, nits_HWC.shape[1] // 4)), float(highlight))
        nits_HWC = np.concatenate([nits_HWC, spot], axis=1)
    return np.repeat(nits_HWC[..., None], 3, axis=-1)


def test_curves_at_points_of_their_recommendations():
    # BT.2408-7, table 1: what levels of HDR signals stand for.
    assert pq_encoded(203.0) == pytest.approx(0.58, abs=0.002)
    assert pq_encoded(1000.0) == pytest.approx(0.7518, abs=1e-4)
    assert pq_nits(1.0) == pytest.approx(10_000)
    assert pq_nits(0.0) == 0
    assert hlg_scene(1.0) == pytest.approx(1, abs=1e-6)
    assert hlg_scene(0.5) == pytest.approx(1 / 12)
    assert 1000 * hlg_scene(0.75) ** 1.2 == pytest.approx(203, abs=1)
    nits = np.geomspace(0.01, 10_000, 50)
    np.testing.assert_allclose(pq_nits(pq(nits)), nits, rtol=1e-6)
    np.testing.assert_allclose(hlg_scene(hlg(nits / 10_000)), nits / 10_000, rtol=1e-5)


def test_the_roll_off_at_points_computed_by_hand():
    # Peak 1000: PQ(203) / PQ(1000) = .58069 / .75183 = .77237, and the knee is at .65856. For white
    # t is (.77237 - .65856) / .34144 = .33331, so .74075 * .65856 + .14814 * .34144 + .25926 *
    # .77237 = .73866 of .75183, which is PQ .55535.
    assert eetf(203.0, peak=1000) == pytest.approx(pq_nits(0.55535), rel=1e-3)
    assert eetf(85.0, peak=1000) == pytest.approx(85, rel=1e-6)
    assert eetf(1000.0, peak=1000) == pytest.approx(203, rel=1e-6)
    assert eetf(4000.0, peak=1000) == pytest.approx(203, rel=1e-6)
    nits = np.linspace(0, 203, 100)
    np.testing.assert_allclose(eetf(nits, peak=203), nits)


@pytest.mark.parametrize("peak", [203.0, 204.0, 400.0, 1000.0, 4000.0, 10_000.0])
def test_the_roll_off_rises_everywhere_and_never_brightens(peak):
    nits = np.geomspace(0.01, peak, 2000)
    mapped = eetf(nits, peak=peak)
    assert (np.diff(mapped) >= 0).all()
    assert (mapped <= nits * (1 + 1e-9)).all()
    assert mapped[-1] == pytest.approx(203, rel=1e-6)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_a_picture_without_highlights_keeps_its_colours(transfer, name):
    """White at 203 cd/m2 is white, and all below it is what it would be in sRGB."""
    light_HWC = np.random.default_rng(0).random((48, 64, 3))
    light_HWC[:4, :4] = 1
    rgb_HWC, notes = shown(light_HWC * 203, transfer)
    assert np.abs(rgb_HWC - encoded(light_HWC)).max() <= 1.5
    assert rgb_HWC[0, 0].min() >= 254
    assert notes[0] == "more than 8 bits a channel, reduced to 8"
    assert notes[1] in [f"HDR ({name}, up to {n} cd/m2) tone-mapped to sRGB" for n in (203, 204)]


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("highlight", [400, 700, 1000])
def test_below_highlights_white_is_near_white_and_mid_grey_is_right(transfer, highlight):
    rgb_HWC, notes = shown(patches(203, 203 * 0.18, 0, highlight=highlight), transfer)
    white, mid, black, glint = (int(rgb_HWC[4, x, 1]) for x in (4, 12, 20, -1))
    assert np.ptp(rgb_HWC.astype(int), axis=-1).max() <= 1  # grey stays grey
    assert white >= 228
    assert abs(mid - 118) <= 1  # 18 % in sRGB
    assert black == 0
    assert glint >= 254
    assert f"up to {highlight} cd/m2" in notes[1]


@pytest.mark.parametrize(("transfer", "peak"), [(16, 1000), (18, 600)])
def test_a_gradient_of_every_hue_rises_and_keeps_its_hue(transfer, peak):
    nits = np.geomspace(2, peak, 256)  # HLG has no saturated colours as bright as its white
    rows = []
    for hue in np.arange(0, 1, 1 / 12):
        tint = np.array(colorsys.hsv_to_rgb(hue, 0.6, 1))
        rows.append(nits[:, None] * tint)
    nits_HWC = np.stack(rows)
    rgb_HWC = shown(nits_HWC, transfer)[0].astype(int)
    assert (np.diff(rgb_HWC, axis=1) >= -1).all()
    for row, hue in zip(rgb_HWC, np.arange(0, 1, 1 / 12), strict=True):
        light_NC = (row[rgb_HWC.shape[1] // 2 :] / 255.0) ** 2.2
        for light in light_NC:
            turned = (colorsys.rgb_to_hsv(*light)[0] - hue + 0.5) % 1 - 0.5
            assert abs(turned) < 0.02
        assert np.ptp(light_NC, axis=-1)[-1] > 0.4  # no wash of grey: the tint's own is .6


def test_a_few_glints_do_not_darken_a_picture():
    nits_HWC = np.full((100, 100, 3), 203.0)
    nits_HWC[0, :5] = 9000
    rgb_HWC, _ = shown(nits_HWC, 16)
    assert rgb_HWC[50, 50].min() >= 254


def test_hdr_numbers_count_before_a_profile():
    nits_HWC = patches(203, 36)
    with_profile = shown(nits_HWC, 16, icc=srgb_profile())
    without = shown(nits_HWC, 16)
    np.testing.assert_array_equal(with_profile[0], without[0])
    assert with_profile[1] == without[1]


def test_a_profile_that_says_it_is_of_hdr_is_believed():
    """ICC.1:2022, 9.2.17: an RGB profile for others, and numbers for who knows HDR."""
    pq_profile = rgb_profile(b"cicp" + bytes(4) + bytes((9, 16, 0, 1)))
    values_HWC = stored(patches(203, 36, highlight=1000), 16)
    by_profile = to_srgb8(
        Samples(values_HWC=values_HWC, space="rgb", meaning=ColorMeaning(icc=pq_profile))
    )
    by_numbers = shown(patches(203, 36, highlight=1000), 16)
    np.testing.assert_array_equal(by_profile[0], by_numbers[0])
    assert by_profile[1] == by_numbers[1]


@pytest.mark.parametrize(
    "tag", [b"cicp" + bytes(4) + bytes((12, 13, 0, 1)), b"cicp", b"text" + bytes(12)]
)
def test_a_profile_of_standard_range_counts_by_its_curves(tag):
    values_HWC = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    meanings = [ColorMeaning(icc=rgb_profile(tag)), ColorMeaning(icc=rgb_profile(None))]
    tagged, plain = (
        to_srgb8(Samples(values_HWC=values_HWC, space="rgb", meaning=meaning))
        for meaning in meanings
    )
    np.testing.assert_array_equal(tagged[0], plain[0])
    assert tagged[1] == plain[1]
    assert "ICC profile" in plain[1][1]


def rgb_profile(cicp):
    tags = {}
    for channel, column in zip((b"r", b"g", b"b"), ADOBE_TO_XYZ.T, strict=True):
        tags |= {channel + b"XYZ": xyz(*column), channel + b"TRC": gamma(2)}
    return profile(b"RGB ", tags | ({b"cicp": cicp} if cicp else {}))


def test_grey_hdr_is_tone_mapped_too():
    values_HWC = stored(patches(203, 36), 16)
    cicp = Cicp(primaries=9, transfer=16, matrix=0, is_full_range=True)
    meaning = ColorMeaning(cicp=cicp)
    grey = to_srgb8(Samples(values_HWC=values_HWC[..., :1], space="grey", meaning=meaning))
    colour = to_srgb8(Samples(values_HWC=values_HWC, space="rgb", meaning=meaning))
    np.testing.assert_array_equal(grey[0], colour[0])
    assert grey[1] == colour[1]
