"""What TIFFs say beside their pixels, whichever library decodes them: 8 bits and 16 alike."""

import struct
from io import BytesIO

import numpy as np
import pytest
import tifffile

from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 56


def ramps(num_channels, dtype):
    """Smooth and different in each channel, from black to white, without symmetry."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = [x, y, (x + 2 * y) / 3, 1 - x * y][:num_channels]
    return np.rint(np.stack(planes, -1) * np.iinfo(dtype).max).astype(dtype)


def tiff(pixels, *, planar=False, **options):
    """A file by tifffile: HWC in, and planes apart if so asked."""
    if planar:
        pixels = np.moveaxis(pixels, -1, 0)
    options["planarconfig"] = "separate" if planar else "contig"
    out = BytesIO()
    tifffile.imwrite(out, pixels, metadata=None, **options)
    return out.getvalue()


STAND_IN = 34664  # for the pointer to EXIF, which tifffile does not write
ADOBE_RGB_NOTE = "Adobe RGB, as EXIF alone says, converted to sRGB"


def with_exif(data, *entries, inner=b"R03\0"):
    """A classic file with an EXIF directory at its end, and one below it if that is named."""
    order = "<" if data[:2] == b"II" else ">"

    def directory(*entries):
        body = struct.pack(order + "H", len(entries))
        for code, kind, count, value in entries:
            room = value if isinstance(value, bytes) else struct.pack(f"{order}{kind}", value)
            number = {"B": 1, "H": 3, "I": 4, "s": 2}[kind]
            body += struct.pack(order + "HHI", code, number, count) + room.ljust(4, b"\0")
        return body + bytes(4)

    data += b"\0" * (len(data) % 2)
    index_at = len(data)
    data += directory((1, "s", len(inner), inner))
    pointed = [
        (code, kind, 1, index_at if value == "below" else value) for code, kind, value in entries
    ]
    exif_at = len(data)
    data += directory(*pointed)
    with tifffile.TiffFile(BytesIO(data)) as file:
        at = file.pages[0].tags[STAND_IN].offset
    entry = struct.pack(order + "HHII", 34665, 4, 1, exif_at)
    return data[:at] + entry + data[at + 12 :]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("entries", "inner", "is_adobe"),
    [
        ([(40961, "H", 65535), (40965, "I", "below")], b"R03\0", True),
        ([(40961, "H", 65535), (40965, "I", "below")], b"R98\0", False),
        ([(40961, "H", 2)], b"", True),
        ([(40961, "H", 65535)], b"", False),
        ([(40961, "H", 1), (40965, "I", "below")], b"R03\0", False),
        ([(40961, "H", 65535), (40965, "I", 2**31)], b"R03\0", False),
        ([(40961, "H", 65535), (40965, "H", 0)], b"R03\0", False),
    ],
)
def test_adobe_rgb_by_exif_whoever_decodes(entries, inner, is_adobe, dtype, planar, byteorder):
    plain = tiff(
        ramps(3, dtype),
        photometric="rgb",
        planar=planar,
        byteorder=byteorder,
        extratags=[(STAND_IN, 4, 1, 8, True)],
    )
    photo = decode(with_exif(plain, *entries, inner=inner), ANY_SIZE)
    assert (ADOBE_RGB_NOTE in photo.notes) == is_adobe
    rgb_HWC = decode(plain, ANY_SIZE).rgb_HWC
    assert np.array_equal(photo.rgb_HWC, rgb_HWC) != is_adobe


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
@pytest.mark.parametrize(
    "extras", [("unassalpha", "unassalpha"), ("unassalpha", "assocalpha"), ("unassalpha",) * 3]
)
def test_of_several_alphas_the_first_counts(extras, photometric, dtype, planar):
    num_colours = 3 if photometric == "rgb" else 1
    picture = ramps(num_colours, dtype)
    alphas = ramps(4, dtype)[..., 4 - len(extras) :]
    data = tiff(
        np.concatenate([picture, alphas], -1),
        photometric=photometric,
        extrasamples=extras,
        planar=planar,
    )
    photo = decode(data, ANY_SIZE)
    white = np.iinfo(dtype).max
    np.testing.assert_allclose(photo.alpha_HW, alphas[..., 0] / white, atol=1e-6)
    wanted_HWC = np.floor(picture.astype(np.float64) * 255 / white + 0.5)
    np.testing.assert_array_equal(photo.rgb_HWC, np.broadcast_to(wanted_HWC, photo.rgb_HWC.shape))
    assert not photo.was_premultiplied
    assert photo.selection_HW is None
