"""AVIFs that libavif refuses for what does not belong to the picture, made by hand."""

import struct
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.iso_boxes import box, found, grown, with_property

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 56


def avif(bits, num_channels=4):
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = np.stack([x, y, (x + 2 * y) / 3, 1 - x * y][:num_channels], -1)
    samples = np.rint(planes * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    return imagecodecs.avif_encode(samples, level=100, bitspersample=bits, speed=8)


def is_refused(data):
    try:
        imagecodecs.avif_decode(data)
    except imagecodecs.AvifError:
        return True
    return False


def in_two_associations(data):
    """Of each item in a box of its own, as some writers have it for colour and alpha."""
    start, end = found(data, b"meta", b"iprp", b"ipma")
    second = start + 8 + 3 + data[start + 10]
    entry = data[second:end]
    path = (b"meta", b"iprp")
    data = grown(data, path, end, box(b"ipma", data[start : start + 4] + b"\0\0\0\1" + entry))
    return data[: start + 7] + b"\1" + data[start + 8 :]


def with_an_overlong_group(data):
    group = box(b"altr", bytes(4) + struct.pack(">III", 77, 1, 1))
    group = struct.pack(">I", len(group) + 40) + group[4:]
    return grown(data, (b"meta",), found(data, b"meta")[1], box(b"grpl", group))


def with_a_gain_map_that_is_none(data):
    """By its brands."""
    brands = data[:28].replace(b"miaf", b"tmap")
    assert b"tmap" in brands
    return brands + data[28:]


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize(
    "changed", [in_two_associations, with_an_overlong_group, with_a_gain_map_that_is_none]
)
def test_a_container_that_is_not_strictly_right_costs_no_picture(bits, changed):
    data = avif(bits)
    whole, photo = decode(data, ANY_SIZE), decode(changed(data), ANY_SIZE)
    assert is_refused(changed(data))
    assert np.abs(photo.rgb_HWC.astype(int) - whole.rgb_HWC).max() <= 1
    np.testing.assert_allclose(photo.alpha_HW, whole.alpha_HW, atol=1.01 / 255)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("kind", "shape"), [(b"irot", (WIDTH, HEIGHT)), (b"clap", (20, 30))])
def test_what_turns_and_crops_does_so_though_it_is_not_marked_as_essential(bits, kind, shape):
    aperture = struct.pack(">IIIIiIiI", 30, 1, 20, 1, -2, 2, 2, 2)
    marked = with_property(avif(bits), kind, b"\1" if kind == b"irot" else aperture)
    at = (
        found(marked, b"meta", b"iprp", b"ipma")[0] + 8 + 3
    )  # where the newest association of the first item is
    number = marked[at]
    assert number & 0x80
    unmarked = marked[:at] + bytes([number & 0x7F]) + marked[at + 1 :]
    assert is_refused(unmarked)
    whole, photo = decode(marked, ANY_SIZE), decode(unmarked, ANY_SIZE)
    assert photo.rgb_HWC.shape[:2] == whole.rgb_HWC.shape[:2] == shape
    assert np.abs(photo.rgb_HWC.astype(int) - whole.rgb_HWC).max() <= 1
    np.testing.assert_allclose(photo.alpha_HW, whole.alpha_HW, atol=1.01 / 255)
    assert photo.orientation == whole.orientation


def test_exif_that_is_none_costs_no_picture():
    exif = Image.Exif()
    exif[271] = "maker"
    out = BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (200, 100, 50)).save(out, "AVIF", exif=exif.tobytes())
    data = out.getvalue()
    byte_order = exif.tobytes()[6:10]
    assert byte_order in data
    damaged = data.replace(byte_order, b"none")
    assert is_refused(damaged)
    whole, photo = decode(data, ANY_SIZE), decode(damaged, ANY_SIZE)
    assert np.abs(photo.rgb_HWC.astype(int) - whole.rgb_HWC).max() <= 1


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("lost", [1, 40, 200])
def test_a_picture_that_is_cut_short_is_still_refused(bits, lost):
    for data in (avif(bits), in_two_associations(avif(bits))):
        with pytest.raises(RowError) as refused:
            decode(data[:-lost], ANY_SIZE)
        assert refused.value.code is ErrorCode.CORRUPT_IMAGE
