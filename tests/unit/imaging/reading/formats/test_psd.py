"""PSD and PSB of every mode, written by struct (Adobe's specification of 2019)."""

import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.decoder_choice import look
from pipeline.imaging.reading.limits import ImageLimits
from tests.photoshop import resource

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 55
BITMAP, GREY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9
DEEP = "more than 8 bits a channel, reduced to 8"


def ramps(num_channels, bits=8):
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = [x, y, (x + 2 * y) / 3, 1 - x * y, y * x, 1 - y][:num_channels]
    return np.rint(np.stack(planes, -1) * (2**bits - 1)).astype(f"u{bits // 8}")


def layer():
    """An empty one: no area, no channels, mode normal."""
    return bytes(16) + struct.pack(">H", 0) + b"8BIMnorm" + bytes((255, 0, 0, 0)) + bytes(4)


def layer_section(*, is_big, count=0, key=b"", merged=b""):
    """Layers where 8 bits have them, or in a block of their own, as 16 bits do."""
    room = ">Q" if is_big else ">I"
    if not count and not merged:
        return struct.pack(room, 0)
    info = struct.pack(">h", count) + layer() * abs(count)
    info += bytes(-len(info) % 4)
    blocks = b""
    if key:
        size = struct.pack(room, len(info))
        blocks += b"8BIM" + key + size + info
        info = b""
    if merged:
        blocks += b"8BIM" + merged + struct.pack(room, 0)
    body = struct.pack(room, len(info)) + info + struct.pack(">I", 0) + blocks
    return struct.pack(room, len(body)) + body


def psd(
    samples_HWC, mode, *, bits=8, rle=False, is_big=False, resources=b"", palette=b"", **layers
):
    height, width, num_channels = samples_HWC.shape
    head = b"8BPS" + struct.pack(
        ">H6xHIIHH", 2 if is_big else 1, num_channels, height, width, bits, mode
    )
    rows = []
    for plane_HW in np.moveaxis(samples_HWC, -1, 0):
        for row in plane_HW:
            if bits == 1:
                rows.append(np.packbits(row.astype(bool)).tobytes())
            else:
                rows.append(row.astype(f">{row.dtype.kind}{bits // 8}").tobytes())
    if rle:
        packed = [imagecodecs.packbits_encode(row) for row in rows]
        sizes = b"".join(struct.pack(">I" if is_big else ">H", len(row)) for row in packed)
        pixels = b"\0\1" + sizes + b"".join(packed)
    else:
        pixels = b"\0\0" + b"".join(rows)
    return (
        head
        + struct.pack(">I", len(palette))
        + palette
        + struct.pack(">I", len(resources))
        + resources
        + layer_section(is_big=is_big, **layers)
        + pixels
    )


def in_8_bits(values, bits):
    return np.floor(np.asarray(values, np.float64) * 255 / (2**bits - 1) + 0.5).astype(np.uint8)


def refusal(data):
    with pytest.raises(RowError) as refused:
        decode(data, ANY_SIZE)
    return refused.value


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("mode", [GREY, RGB, DUOTONE])
def test_grey_and_rgb(mode, bits, rle, is_big):
    samples = ramps(3 if mode == RGB else 1, bits)
    photo = decode(psd(samples, mode, bits=bits, rle=rle, is_big=is_big), ANY_SIZE)
    wanted = np.broadcast_to(in_8_bits(samples, bits), (HEIGHT, WIDTH, 3))
    np.testing.assert_array_equal(photo.rgb_HWC, wanted)
    assert photo.alpha_HW is None
    assert photo.selection_HW is None
    assert photo.format == "PSD"
    assert photo.notes == ((DEEP,) if bits == 16 else ())


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_is_stored_as_what_paper_reflects(bits, rle):
    full = 2**bits - 1
    reflected = np.full((HEIGHT, WIDTH, 4), full, f"u{bits // 8}")
    reflected[:20, :, 3] = 0
    photo = decode(psd(reflected, CMYK, bits=bits, rle=rle), ANY_SIZE)
    assert photo.rgb_HWC[:20].max() < 60
    assert photo.rgb_HWC[20:].min() >= 254
    assert "converted from CMYK" in photo.notes


@pytest.mark.parametrize("bits", [8, 16])
def test_lab(bits):
    # L* 54.1, a* 20, b* -30 of D50: as in the tests of TIFF
    stored = [138, 148, 98] if bits == 8 else [138 * 257, 148 * 256, 98 * 256]
    samples = np.broadcast_to(stored, (HEIGHT, WIDTH, 3)).astype(f"u{bits // 8}")
    photo = decode(psd(samples, LAB, bits=bits), ANY_SIZE)
    assert np.abs(photo.rgb_HWC - np.array([143.8, 118.4, 181.7])).max() <= 1.5


def test_bitmap_and_indexed():
    ink_HW = ramps(1)[..., 0] > 99
    photo = decode(psd(ink_HW[..., None], BITMAP, bits=1), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 1], np.where(ink_HW, 0, 255))
    colours = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)]).astype(np.uint8)
    photo = decode(psd(ramps(1), INDEXED, palette=colours.tobytes()), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, colours.T[ramps(1)[..., 0]])


def test_32_bits_are_linear_light():
    linear = (ramps(3, 16) / 65535).astype(np.float32)
    photo = decode(psd(linear, RGB, bits=32), ANY_SIZE)
    known = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(photo.rgb_HWC - known * 255).max() <= 0.51


@pytest.mark.parametrize("rle", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("num_saved", [1, 2])
def test_a_saved_channel_is_a_selection_and_no_alpha(num_saved, bits, rle):
    samples = ramps(3 + num_saved, bits)
    photo = decode(psd(samples, RGB, bits=bits, rle=rle), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(samples[..., :3], bits))
    assert photo.alpha_HW is None
    np.testing.assert_allclose(photo.selection_HW, samples[..., 3] / (2**bits - 1), atol=1e-6)


LAYERED = [
    (8, {"count": -1}),
    (16, {"count": -2, "key": b"Lr16"}),
    (16, {"count": 2, "key": b"Lr16", "merged": b"Mt16"}),
    (8, {"count": 1, "merged": b"Mtrn"}),
]


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize(("bits", "layers"), LAYERED)
def test_alpha_of_the_flat_picture_and_the_white_behind_it(bits, layers, is_big):
    full = 2**bits - 1
    straight = ramps(5, bits)
    alpha_HW = straight[..., 3] / full
    over_white = straight[..., :3] * alpha_HW[..., None] + full * (1 - alpha_HW[..., None])
    samples = straight.copy()
    samples[..., :3] = np.rint(over_white)
    photo = decode(psd(samples, RGB, bits=bits, is_big=is_big, **layers), ANY_SIZE)
    np.testing.assert_allclose(photo.alpha_HW, alpha_HW, atol=1e-6)
    np.testing.assert_allclose(photo.selection_HW, straight[..., 4] / full, atol=1e-6)
    shown_HW = alpha_HW > 0.3
    error = np.abs(photo.rgb_HWC.astype(int) - in_8_bits(straight[..., :3], bits))[shown_HW]
    assert error.max() <= (2 if bits == 8 else 1)
    assert "the flat picture of its layers" in photo.notes


@pytest.mark.parametrize("bits", [8, 16])
def test_colours_that_no_white_shines_through_are_straight_already(bits):
    samples = ramps(4, bits)  # as ImageMagick writes them
    samples[..., :3] //= 4
    photo = decode(psd(samples, RGB, bits=bits, count=-1), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(samples[..., :3], bits))


def test_layers_without_transparency():
    photo = decode(psd(ramps(4), RGB, count=3), ANY_SIZE)
    assert photo.alpha_HW is None
    assert photo.selection_HW is not None


def version_info(*, has_flat_picture):
    body = struct.pack(">IB", 1, has_flat_picture) + bytes(8)
    return resource(1057, body)


def test_without_a_flat_picture_it_is_refused_and_the_fix_is_said():
    error = refusal(psd(ramps(3), RGB, count=2, resources=version_info(has_flat_picture=False)))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "Maximize Compatibility" in error.message
    fine = psd(ramps(3), RGB, count=2, resources=version_info(has_flat_picture=True))
    np.testing.assert_array_equal(decode(fine, ANY_SIZE).rgb_HWC, ramps(3))


def test_an_ink_of_its_own_is_no_selection():
    kinds = struct.pack(">I", 1)
    for kind in (2, 1):
        kinds += struct.pack(">HHHHHHB", 0, 65535, 0, 0, 0, 50, kind)
    photo = decode(psd(ramps(5), RGB, resources=resource(1077, kinds)), ANY_SIZE)
    np.testing.assert_allclose(photo.selection_HW, ramps(5)[..., 4] / 255, atol=1e-6)


def test_profile_and_resolution():
    dots = struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)
    blocks = resource(1039, srgb_profile()) + resource(1005, dots)
    data = psd(ramps(3), RGB, resources=blocks)
    assert look(data, "PSD").meaning.icc == srgb_profile()
    assert decode(data, ANY_SIZE).resolution_dpi == (300, 150)
    assert decode(psd(ramps(3), RGB), ANY_SIZE).resolution_dpi is None


def test_what_is_not_read_is_refused_by_name():
    error = refusal(psd(ramps(3), MULTICHANNEL))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "multichannel" in error.message
    data = psd(ramps(3), RGB)
    at = len(data) - 3 * HEIGHT * WIDTH - 2
    assert "ZIP" in refusal(data[:at] + b"\0\2" + data[at + 2 :]).message


def test_a_header_is_held_against_the_limits():
    data = bytearray(psd(ramps(3), RGB))
    data[14:22] = struct.pack(">II", 30_000, 30_000)
    assert refusal(bytes(data)).code is ErrorCode.TOO_MANY_PIXELS


@pytest.mark.parametrize("rle", [False, True])
def test_a_cut_file_is_corrupt_wherever_it_is_cut(rle):
    data = psd(ramps(4), RGB, rle=rle, count=-1)
    for length in range(6, len(data), max(1, len(data) // 150)):
        assert refusal(data[:length]).code is ErrorCode.CORRUPT_IMAGE, length


@pytest.mark.parametrize("is_big", [False, True])
def test_rows_that_unpack_to_more_than_the_row(is_big):
    """So writes GIMP; Photoshop leaves aside what is too much."""
    samples = ramps(3)
    data = psd(samples, RGB, is_big=is_big)
    pixels_at = len(data) - samples.size - 2
    rows = [imagecodecs.packbits_encode(row.tobytes() + row[-1:].tobytes() * 9)
            for plane in np.moveaxis(samples, -1, 0) for row in plane]  # fmt: skip
    sizes = b"".join(struct.pack(">I" if is_big else ">H", len(row)) for row in rows)
    photo = decode(data[:pixels_at] + b"\0\1" + sizes + b"".join(rows), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, samples)


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("rle", [False, True])
def test_selections_that_are_announced_but_not_there(missing, rle):
    """So writes GIMP, which counts channels that it does not store."""
    samples = ramps(1 + missing)
    data = psd(samples, GREY, rle=rle)
    size = sum(
        len(imagecodecs.packbits_encode(row.tobytes())) if rle else row.size
        for plane in np.moveaxis(samples, -1, 0)[1:]
        for row in plane
    )
    photo = decode(data[:-size], ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 0], samples[..., 0])
    assert photo.selection_HW is None
    assert "its saved selections are not in the file" in photo.notes


@settings(max_examples=200, deadline=None)
@given(
    rle=st.booleans(),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    in_header=st.booleans(),
)
def test_damage_gives_a_photograph_or_a_reason(rle, changes, in_header):
    damaged = bytearray(psd(ramps(5), RGB, rle=rle, count=-1))
    for where, value in changes:
        damaged[round(where * (200 if in_header else len(damaged) - 1))] = value
    try:
        photo = decode(bytes(damaged), ANY_SIZE)
    except RowError:
        return
    assert photo.rgb_HWC.dtype == np.uint8
