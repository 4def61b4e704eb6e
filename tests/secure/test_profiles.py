"""Profiles of photographs, which suppliers choose: large ones are not looked at, none is kept."""

import struct
import tracemalloc
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.imaging.reading.color.icc import (
    MOST_PROFILE_BYTES,
    is_srgb,
    numbers_of_profile,
    profile_name,
)
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.unit.imaging.reading.profiles import ADOBE_TO_XYZ, SRGB_TO_XYZ, matrix_profile

GREY_HWC = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)


def profile(size, *, name=b"wide by hand", to_xyz=ADOBE_TO_XYZ):
    """A valid one, filled up with zeros behind its tags."""
    longer = matrix_profile(to_xyz, 2.2, name=name).ljust(size, b"\0")
    return struct.pack(">I", len(longer)) + longer[4:]


def webp(icc):
    out = BytesIO()
    Image.fromarray(GREY_HWC).save(out, "WEBP", lossless=True, icc_profile=icc)
    return out.getvalue()


def test_a_profile_over_4_mib_is_left_out_with_a_note():
    photo = decode(webp(profile(MOST_PROFILE_BYTES + 1)), ImageLimits())
    np.testing.assert_array_equal(photo.rgb_HWC, GREY_HWC)
    assert photo.notes == ("ICC profile of 4.0 MiB ignored: more than 4 MiB",)


def test_a_profile_of_4_mib_is_used():
    photo = decode(webp(profile(MOST_PROFILE_BYTES)), ImageLimits())
    assert (photo.rgb_HWC != GREY_HWC).any()
    assert photo.notes == ("ICC profile 'wide by hand' converted to sRGB",)


def test_nothing_else_is_asked_of_a_large_profile():
    large = profile(MOST_PROFILE_BYTES + 1, to_xyz=SRGB_TO_XYZ)
    assert not is_srgb(large)
    assert profile_name(large) is None
    assert numbers_of_profile(large) is None


@pytest.mark.parametrize("to_xyz", [ADOBE_TO_XYZ, SRGB_TO_XYZ])
def test_profiles_are_not_kept(to_xyz):
    """Forty of a mebibyte, all of them different: what stays is what was found out."""
    made = (profile(2**20, name=b"number %d" % number, to_xyz=to_xyz) for number in range(40))
    is_srgb(profile(2**20, to_xyz=to_xyz))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for one in made:
        is_srgb(one)
    del one
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2 * 2**20


def test_profiles_that_differ_in_one_byte_are_two():
    one, other = profile(4000, name=b"one"), profile(4000, name=b"two")
    assert [profile_name(one), profile_name(other), profile_name(one)] == ["one", "two", "one"]
