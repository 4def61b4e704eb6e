"""BMP whose pixels are cut by masks, written by struct."""

import struct

import numpy as np
import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.decoder_choice import look
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 55  # odd: rows of 16 bits end in padding


def bmp(pixels_HW, masks, *, bits, header_size, top_down=False, compression=3, profile=b""):
    """Rows from the bottom up, each filled to four bytes; masks in the header or behind it."""
    height, width = pixels_HW.shape
    rows = pixels_HW if top_down else pixels_HW[::-1]
    padding = b"\0" * (-width * bits // 8 % 4)
    raw = b"".join(row.astype(f"<u{bits // 8}").tobytes() + padding for row in rows)
    tall = -height if top_down else height
    info = struct.pack(
        "<IiiHHIIiiII", header_size, width, tall, 1, bits, compression, len(raw), 11811, 5906, 0, 0
    )
    fields = b"".join(struct.pack("<I", mask) for mask in masks)
    if header_size == 40:
        num_masks = 4 if compression == 6 else 3
        info += fields[: 4 * num_masks]
    else:
        info += fields + bytes(header_size - 40 - len(fields))
    if profile:
        info = (
            info[:56]
            + b"DEBM"
            + info[60:112]
            + struct.pack("<II", len(info) + len(raw), len(profile))
            + info[120:]
        )
    start = 14 + len(info)
    whole = start + len(raw) + len(profile)
    return b"BM" + struct.pack("<IHHI", whole, 0, 0, start) + info + raw + profile


def channels(masks):
    """Each channel's own numbers, from 0 to its full scale."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = [x, y, (x + 2 * y) / 3, 1 - x * y]
    return [
        np.rint(p * (2 ** m.bit_count() - 1)).astype(np.uint64)
        for p, m in zip(planes, masks, strict=True)
    ]


def packed(values, masks):
    pixels_HW = np.zeros((HEIGHT, WIDTH), np.uint64)
    for value_HW, mask in zip(values, masks, strict=True):
        if mask:
            pixels_HW |= value_HW << np.uint64((mask & -mask).bit_length() - 1)
    return pixels_HW


def in_8_bits(values, mask):
    white = 2 ** mask.bit_count() - 1
    return np.floor(values.astype(np.float64) * 255 / white + 0.5).astype(np.uint8)


LAYOUTS = {
    "565": (16, (0xF800, 0x07E0, 0x001F, 0)),
    "555": (16, (0x7C00, 0x03E0, 0x001F, 0)),
    "5551": (16, (0x7C00, 0x03E0, 0x001F, 0x8000)),
    "4444": (16, (0x0F00, 0x00F0, 0x000F, 0xF000)),
    "444": (16, (0x0F00, 0x00F0, 0x000F, 0)),
    "8888": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "8888 in another order": (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
    "888": (32, (0xFF, 0xFF00, 0xFF0000, 0)),
    "1010102": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
    "101010": (32, (0x3FF, 0xFFC00, 0x3FF00000, 0)),
    "six, seven and eight": (32, (0xFC, 0x7F00, 0xFF0000, 0)),
}


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("header_size", [40, 52, 56, 108, 124])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_share_of_bits(layout, header_size, top_down):
    bits, masks = LAYOUTS[layout]
    has_alpha = masks[3] and header_size >= 56
    compression = 3
    if masks[3] and header_size == 40:
        has_alpha, compression = True, 6
    values = channels(masks)
    data = bmp(
        packed(values, masks),
        masks[:3] if header_size == 52 else masks,
        bits=bits,
        header_size=header_size,
        top_down=top_down,
        compression=compression,
    )
    photo = decode(data, ANY_SIZE)
    wanted = np.stack([in_8_bits(v, m) for v, m in zip(values[:3], masks[:3], strict=True)], -1)
    np.testing.assert_array_equal(photo.rgb_HWC, wanted)
    if has_alpha:
        white = 2 ** masks[3].bit_count() - 1
        np.testing.assert_allclose(photo.alpha_HW, values[3] / white, atol=1e-5)
    else:
        assert photo.alpha_HW is None
    np.testing.assert_allclose(photo.resolution_dpi, (300, 150), rtol=1e-3)


def test_an_alpha_of_zeros_is_none():
    masks = LAYOUTS["8888"][1]
    values = channels(masks)
    values[3][:] = 0
    photo = decode(bmp(packed(values, masks), masks, bits=32, header_size=108), ANY_SIZE)
    assert photo.alpha_HW is None
    assert photo.notes == ("its alpha is 0 throughout, taken as none",)


def test_an_embedded_profile():
    masks = LAYOUTS["888"][1]
    data = bmp(
        packed(channels(masks), masks), masks, bits=32, header_size=124, profile=srgb_profile()
    )
    assert look(data, "BMP").meaning.icc == srgb_profile()


def refusal(data):
    with pytest.raises(RowError) as refused:
        decode(data, ANY_SIZE)
    return refused.value


def test_what_is_damaged_or_another_file_inside():
    masks = LAYOUTS["565"][1]
    pixels_HW = packed(channels(masks), masks)
    good = bmp(pixels_HW, masks, bits=16, header_size=108)
    assert refusal(good[:-200]).code is ErrorCode.CORRUPT_IMAGE
    for wrong in ((0xF801, 0x07E0, 0x001E, 0), (0, 0x07E0, 0x001F, 0), (0x1F0000, 0x7E0, 0x1F, 0)):
        data = bmp(pixels_HW, wrong, bits=16, header_size=108)
        assert refusal(data).code is ErrorCode.CORRUPT_IMAGE
    inside = refusal(bmp(pixels_HW, masks, bits=16, header_size=108, compression=4))
    assert inside.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "Send that picture itself" in inside.message


@pytest.mark.parametrize(
    ("bits", "header_size", "compression"), [(2, 40, 0), (24, 64, 4), (1, 64, 3)]
)
def test_what_is_not_read_is_refused_and_the_fix_is_said(bits, header_size, compression):
    data = bytearray(bmp(np.zeros((40, 40), np.uint32), (), bits=16, header_size=header_size))
    data[28:34] = struct.pack("<HI", bits, compression)
    error = refusal(bytes(data))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "Save it with 24 bits" in error.message


def test_a_header_is_held_against_the_limits():
    masks = LAYOUTS["565"][1]
    data = bytearray(bmp(packed(channels(masks), masks), masks, bits=16, header_size=108))
    data[18:26] = struct.pack("<ii", 30_000, -30_000)
    assert refusal(bytes(data)).code is ErrorCode.TOO_MANY_PIXELS
