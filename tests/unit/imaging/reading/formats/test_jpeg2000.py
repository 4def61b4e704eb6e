"""JPEG 2000: codestreams by OpenJPEG, in boxes written here (ISO/IEC 15444-1, annex I)."""

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

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 40, 56
SRGB, GREY, SYCC, CMYK = 16, 17, 18, 12
COLOUR, OPACITY, PREMULTIPLIED, UNSPECIFIED = 0, 1, 2, 65535
DEEP = ("more than 8 bits a channel, reduced to 8",)


def ramps(num_channels, bits):
    """Smooth and different in each channel, white and black included."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    planes = np.stack([x, y, (x + 2 * y) / 3, 1 - x * y][:num_channels], -1)
    return np.rint(planes * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def codestream(samples, bits):
    samples = samples[..., 0] if samples.shape[-1] == 1 else samples
    return imagecodecs.jpeg2k_encode(
        samples, level=0, codecformat="j2k", reversible=True, mct=False, bitspersample=bits
    )


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def jp2(samples, bits, *, colour=SRGB, icc=None, cdef=(), more=b""):
    """A JP2 of these samples; `cdef` lists channel, type and what it belongs to."""
    height, width, num_channels = samples.shape
    ihdr = box(b"ihdr", struct.pack(">IIHBBBB", height, width, num_channels, bits - 1, 7, 0, 0))
    colr = b"\1\0\0" + struct.pack(">I", colour) if icc is None else b"\2\0\0" + icc
    channels = struct.pack(">H", len(cdef)) + b"".join(struct.pack(">HHH", *one) for one in cdef)
    header = ihdr + box(b"colr", colr) + (box(b"cdef", channels) if cdef else b"") + more
    return (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", codestream(samples, bits))
    )


def in_8_bits(values, white):
    return np.floor(np.asarray(values, np.float64) * 255 / white + 0.5).astype(np.uint8)


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("num_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("is_bare", [False, True])
def test_every_depth_with_and_without_alpha(bits, num_channels, is_bare):
    samples, white = ramps(num_channels, bits), 2**bits - 1
    colour = GREY if num_channels < 3 else SRGB
    data = codestream(samples, bits) if is_bare else jp2(samples, bits, colour=colour)
    photo = decode(data, ANY_SIZE)
    num_colours = 1 if num_channels < 3 else 3
    wanted = np.broadcast_to(in_8_bits(samples[..., :num_colours], white), (HEIGHT, WIDTH, 3))
    np.testing.assert_array_equal(photo.rgb_HWC, wanted)
    if num_channels in (2, 4):
        np.testing.assert_allclose(photo.alpha_HW, samples[..., -1] / white, atol=2e-5)
    else:
        assert photo.alpha_HW is None
    assert photo.notes == (DEEP if bits > 8 else ())
    assert not photo.was_premultiplied


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", [(3, 0, 1, 2), (2, 1, 0, 3), (1, 3, 2, 0)])
def test_channels_come_in_the_order_that_cdef_gives_them(bits, order):
    """`order`: which of red, green, blue and alpha is in each channel."""
    samples = ramps(4, bits)
    cdef = [
        (at, OPACITY if what == 3 else COLOUR, 0 if what == 3 else what + 1)
        for at, what in enumerate(order)
    ]
    photo = decode(jp2(samples[..., order], bits, cdef=cdef), ANY_SIZE)
    white = 2**bits - 1
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(samples[..., :3], white))
    np.testing.assert_allclose(photo.alpha_HW, samples[..., 3] / white, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("num_colours", [1, 3])
def test_premultiplied_colours_are_divided(bits, num_colours):
    white = 2**bits - 1
    colours = ramps(num_colours, bits).astype(np.uint64)
    alpha_HW = ramps(1, bits)[::-1, ::-1, 0].astype(np.uint64)
    stored = (colours * alpha_HW[..., None] + white // 2) // white
    samples = np.dstack([stored, alpha_HW]).astype(np.uint8 if bits == 8 else np.uint16)
    cdef = [(i, COLOUR, i + 1) for i in range(num_colours)] + [(num_colours, PREMULTIPLIED, 0)]
    colour = GREY if num_colours == 1 else SRGB
    photo = decode(jp2(samples, bits, colour=colour, cdef=cdef), ANY_SIZE)
    assert photo.was_premultiplied
    error = np.abs(photo.rgb_HWC.astype(int) - in_8_bits(colours, white))[alpha_HW > white // 4]
    assert error.max() <= (2 if bits == 8 else 1)
    assert error.mean() <= (0.6 if bits == 8 else 0.05)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_channel_of_no_said_use_is_a_selection(bits):
    samples = np.concatenate([ramps(4, bits), ramps(1, bits)[::-1]], -1)
    cdef = [
        (0, COLOUR, 1),
        (1, COLOUR, 2),
        (2, COLOUR, 3),
        (3, OPACITY, 0),
        (4, UNSPECIFIED, 65535),
    ]
    photo = decode(jp2(samples, bits, cdef=cdef), ANY_SIZE)
    white = 2**bits - 1
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(samples[..., :3], white))
    np.testing.assert_allclose(photo.alpha_HW, samples[..., 3] / white, atol=1e-6)
    np.testing.assert_allclose(photo.selection_HW, samples[..., 4] / white, atol=1e-6)


@pytest.mark.parametrize("depth", [8, 12, 16])
def test_palettes(depth):
    entries = np.stack([np.arange(200) * 5, 999 - np.arange(200) * 3, np.full(200, 77)], -1)
    entries = entries * (2**depth - 1) // 999
    kind = ">u1" if depth == 8 else ">u2"
    pclr = struct.pack(">HB", 200, 3) + bytes([depth - 1] * 3) + entries.astype(kind).tobytes()
    cmap = b"".join(struct.pack(">HBB", 0, 1, column) for column in (2, 1, 0))
    indices = (ramps(1, 8) % 200).astype(np.uint8)
    data = jp2(indices, 8, more=box(b"pclr", pclr) + box(b"cmap", cmap))
    photo = decode(data, ANY_SIZE)
    wanted = in_8_bits(entries[indices[..., 0]][..., ::-1], 2**depth - 1)
    np.testing.assert_array_equal(photo.rgb_HWC, wanted)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_sycc(bits):
    rgb = ramps(3, 16) / 65535
    y = rgb @ [0.299, 0.587, 0.114]
    ycc = np.stack([y, (rgb[..., 2] - y) / 1.772 + 0.5, (rgb[..., 0] - y) / 1.402 + 0.5], -1)
    white = 2**bits - 1
    scale = np.array([white, white, white])
    shift = np.array([0, 0.5 * (2**bits - white), 0.5 * (2**bits - white)])
    stored = np.clip(np.rint(ycc * scale + shift), 0, white)
    samples = stored.astype(np.uint8 if bits == 8 else np.uint16)
    photo = decode(jp2(samples, bits, colour=SYCC), ANY_SIZE)
    assert np.abs(photo.rgb_HWC - rgb * 255).max() <= (2 if bits == 8 else 0.7)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_and_a_profile(bits):
    inks = np.zeros((HEIGHT, WIDTH, 4), np.uint8 if bits == 8 else np.uint16)
    inks[:20, :, 3] = 2**bits - 1
    photo = decode(jp2(inks, bits, colour=CMYK), ANY_SIZE)
    assert photo.rgb_HWC[:20].max() < 60
    assert photo.rgb_HWC[20:].min() == 255
    assert "converted from CMYK" in photo.notes
    header = look(jp2(ramps(3, bits), bits, icc=srgb_profile()), "JPEG2000")
    assert header.meaning.icc == srgb_profile()
    assert header.space == "rgb"


@pytest.mark.parametrize("bits", [8, 16])
def test_signed_samples_are_shifted(bits):
    samples = ramps(3, bits)
    signed = (samples.astype(np.int32) - 2 ** (bits - 1)).astype(np.int8 if bits == 8 else np.int16)
    photo = decode(codestream(signed, bits), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, in_8_bits(samples, 2**bits - 1))


def test_resolution_and_a_name_for_colours_that_we_do_not_know():
    resc = box(b"resc", struct.pack(">HHHHbb", 5906, 1, 11811, 10, 0, 1))
    photo = decode(jp2(ramps(3, 8), 8, more=box(b"res ", resc)), ANY_SIZE)
    np.testing.assert_allclose(photo.resolution_dpi, (300, 150), rtol=1e-3)
    assert decode(jp2(ramps(3, 8), 8), ANY_SIZE).resolution_dpi is None
    with pytest.raises(RowError) as refused:
        decode(jp2(ramps(3, 8), 8, colour=14), ANY_SIZE)  # CIELab
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "Save it as RGB" in refused.value.message


def test_a_picture_that_does_not_begin_at_its_grids_origin():
    data = bytearray(codestream(ramps(3, 8), 8))
    size = list(struct.unpack(">8I", data[8:40]))
    for field in (0, 1, 2, 3, 6, 7):  # the picture, and the tiles with it; not the tiles' own size
        size[field] += 4096  # a multiple of what any code block covers
    data[8:40] = struct.pack(">8I", *size)
    np.testing.assert_array_equal(decode(bytes(data), ANY_SIZE).rgb_HWC, ramps(3, 8))


@pytest.mark.parametrize("bits", [8, 16])
def test_limits_are_held_against_the_codestream(bits):
    data = bytearray(codestream(ramps(3, bits), bits))
    data[8:16] = struct.pack(">II", 30_000, 30_000)
    with pytest.raises(RowError) as refused:
        decode(bytes(data), ANY_SIZE)
    assert refused.value.code is ErrorCode.TOO_MANY_PIXELS


@settings(max_examples=150, deadline=None)
@given(
    bits=st.sampled_from([8, 12, 16]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
    kept=st.floats(0.05, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_gives_a_photograph_or_a_reason(bits, changes, kept):
    cdef = [(0, COLOUR, 1), (1, COLOUR, 2), (2, COLOUR, 3), (3, PREMULTIPLIED, 0)]
    damaged = bytearray(jp2(ramps(4, bits), bits, cdef=cdef))
    header = damaged.index(b"jp2c")  # damage to the boxes: what we read ourselves
    for where, value in changes:
        damaged[round(where * header)] = value
    try:
        photo = decode(bytes(damaged[: round(kept * len(damaged))]), ANY_SIZE)
    except RowError:
        return
    assert photo.rgb_HWC.dtype == np.uint8
