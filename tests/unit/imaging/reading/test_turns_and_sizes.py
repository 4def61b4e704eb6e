"""How pictures lie and how large they are meant to be, in the less usual places that say it."""

import struct
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.imaging.containers.exif import dots_per_inch
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.unit.imaging.reading.profiles import ADOBE

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
SMALL = np.full((10, 14, 3), 7, np.uint8)


def saved(file_format, **options):
    out = BytesIO()
    Image.fromarray(PICTURE).save(out, file_format, **options)
    return out.getvalue()


def test_avif_is_turned_by_its_boxes_and_says_so():
    exif = Image.Exif()
    exif[274] = 8
    photo = decode(saved("AVIF", exif=exif), ANY_SIZE)  # Pillow writes irot for it
    assert photo.rgb_HWC.shape == (56, 40, 3)
    assert photo.notes == ("irot and imir applied, as of EXIF orientation 8",)


def exif_with(kind, value, *, order="<"):
    entry = struct.pack(order + "HHI", 274, kind, 1) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return b"Exif\0\0" + head + struct.pack(order + "H", 1) + entry + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("kind", "code"), [(1, "B"), (3, "H"), (4, "I")])
def test_an_orientation_of_any_integer_type_is_obeyed(kind, code, file_format, order):
    block = exif_with(kind, struct.pack(order + code, 6), order=order)
    photo = decode(saved(file_format, exif=block), ANY_SIZE)
    assert photo.orientation == 6
    assert photo.rgb_HWC.shape == (56, 40, 3)


def pages(*entries, dtype=np.uint8):
    out = BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for pixels, options in entries:
            deep = pixels.astype(dtype) * (257 if dtype == np.uint16 else 1)
            writer.write(deep, photometric="rgb", metadata=None, **options)
    return out.getvalue()


def turned_by(orientation, kind=3):
    return {"extratags": [(274, kind, 1, orientation, True)]}


both_depths = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


@both_depths
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_an_orientation_of_any_integer_type_in_tiff(kind, dtype):
    photo = decode(pages((PICTURE, turned_by(6, kind)), dtype=dtype), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, np.rot90(PICTURE, -1))
    assert photo.orientation == 6


@both_depths
@pytest.mark.parametrize("is_inside", [False, True])
def test_an_orientation_on_the_preview_alone_is_the_photographs(is_inside, dtype):
    inside = {"subifds": 1} if is_inside else {}
    preview = (SMALL, {"subfiletype": 1} | inside | turned_by(6))
    photo = decode(pages(preview, (PICTURE, {}), dtype=dtype), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, np.rot90(PICTURE, -1))
    assert "EXIF orientation 6 applied" in photo.notes


@both_depths
def test_the_photographs_own_orientation_counts_before_its_previews(dtype):
    preview = (SMALL, {"subfiletype": 1} | turned_by(6))
    photo = decode(pages(preview, (PICTURE, turned_by(3)), dtype=dtype), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, PICTURE[::-1, ::-1])


@both_depths
def test_an_orientation_on_a_preview_that_lies_otherwise_is_its_own(dtype):
    preview = (SMALL.swapaxes(0, 1), {"subfiletype": 1} | turned_by(6))
    photo = decode(pages(preview, (PICTURE, {}), dtype=dtype), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, PICTURE)


@both_depths
def test_a_profile_is_of_the_page_that_has_it(dtype):
    preview = {"subfiletype": 1}
    of_preview = pages((SMALL, preview | {"iccprofile": ADOBE}), (PICTURE, {}), dtype=dtype)
    np.testing.assert_array_equal(decode(of_preview, ANY_SIZE).rgb_HWC, PICTURE)
    of_page = decode(
        pages((SMALL, preview), (PICTURE, {"iccprofile": ADOBE}), dtype=dtype), ANY_SIZE
    )
    assert "ICC profile 'wide by hand' converted to sRGB" in of_page.notes
    assert not np.array_equal(of_page.rgb_HWC, PICTURE)


@pytest.mark.parametrize(
    ("value", "unit", "dpi"),
    [
        (1 / 65536, 2, None),
        (0.99, 2, None),
        (1, 2, 1),
        (100_000, 2, 100_000),
        (100_001, 2, None),
        (0.5, 3, 1.27),
        (float("nan"), 2, None),
        (float("inf"), 2, None),
        (300, 1, None),
    ],
)
def test_what_makes_sense_as_a_resolution(value, unit, dpi):
    found = dots_per_inch(value, value, unit=unit)
    assert found == (None if dpi is None else (dpi, dpi))
    assert dots_per_inch(300, value, unit=unit) is None or dpi is not None


def test_a_resolution_that_only_photoshops_block_has():
    body = struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)
    block = b"8BIM" + struct.pack(">HHI", 1005, 0, len(body)) + body
    segment = b"Photoshop 3.0\0" + block
    app13 = b"\xff\xed" + struct.pack(">H", 2 + len(segment)) + segment
    plain = saved("JPEG")
    data = plain[:2] + app13 + plain[2:]
    assert decode(data, ANY_SIZE).resolution_dpi == (300, 150)
    told = saved("JPEG", dpi=(72, 72))
    assert decode(told[:20] + app13 + told[20:], ANY_SIZE).resolution_dpi == (72, 72)
