"""TIFF as few write it, but as the specification has it, put together byte by byte."""

import struct
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)
HEIGHT, WIDTH = 48, 64


def file_of(tags, parts, *, offsets=273, counts=279):
    """A little-endian file of one page: tags are lists of SHORTs, or (type, values, bytes)."""
    body, at = b"", 8
    places = []
    for part in parts:
        places.append(at + len(body))
        body += part + bytes(len(part) % 2)
    entries = {
        code: (3, len(value), struct.pack(f"<{len(value)}H", *value))
        for code, value in tags.items()
        if isinstance(value, list)
    }
    entries |= {code: value for code, value in tags.items() if isinstance(value, tuple)}
    entries[offsets] = (4, len(parts), struct.pack(f"<{len(parts)}I", *places))
    entries[counts] = (4, len(parts), struct.pack(f"<{len(parts)}I", *map(len, parts)))
    directory = struct.pack("<H", len(entries))
    outside, start = b"", 8 + len(body)
    after = start + 2 + 12 * len(entries) + 4
    for code, (kind, count, data) in sorted(entries.items()):
        if len(data) > 4:
            value = struct.pack("<I", after + len(outside))
            outside += data + bytes(len(data) % 2)
        else:
            value = data.ljust(4, b"\0")
        directory += struct.pack("<HHI", code, kind, count) + value
    return struct.pack("<2sHI", b"II", 42, start) + body + directory + bytes(4) + outside


def refusal(data):
    with pytest.raises(RowError) as refused:
        decode(data, ANY_SIZE)
    return refused.value


def scene():
    """Smooth colours."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / [[[HEIGHT - 1]], [[WIDTH - 1]]]
    return np.rint(np.stack([x, y, (1 - x) * 0.8 + 0.1], -1) * 255)


# Luma and chroma

REC_601, REC_709 = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)


def rational(values):
    return (5, len(values), b"".join(struct.pack("<II", round(v * 10000), 10000) for v in values))


def luma_and_chroma(rgb_HWC, weights, *, is_video):
    """TIFF 6.0, section 20: full range, or as video has it."""
    red, _, blue = weights
    luma = rgb_HWC @ np.array(weights)
    cb = (rgb_HWC[..., 2] - luma) / (2 - 2 * blue)
    cr = (rgb_HWC[..., 0] - luma) / (2 - 2 * red)
    if is_video:
        luma, cb, cr = 16 + luma * 219 / 255, cb * 224 / 255, cr * 224 / 255
    return np.clip(np.rint(np.stack([luma, cb + 128, cr + 128])), 0, 255).astype(np.uint8)


def packed(data, packing, row):
    if packing == 32773:
        rows = [data[at : at + row] for at in range(0, len(data), row)]
        return b"".join(imagecodecs.packbits_encode(one) for one in rows)
    if packing == 5:
        return imagecodecs.lzw_encode(data)
    return zlib.compress(data) if packing == 8 else data


@pytest.mark.parametrize("packing", [1, 5, 8, 32773])
@pytest.mark.parametrize("weights", [REC_601, REC_709])
@pytest.mark.parametrize("is_video", [False, True])
@pytest.mark.parametrize("sampling", [(1, 1), (2, 1), (2, 2), "planar"])
def test_luma_and_chroma(packing, weights, is_video, sampling):
    """Pillow leaves the weights and the range aside, and cannot read what shares its chroma."""
    planes_CHW = luma_and_chroma(scene(), weights, is_video=is_video)
    across, down = (1, 1) if sampling == "planar" else sampling
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8, 8, 8], 259: [packing], 262: [6], 277: [3],
        278: [HEIGHT], 284: [2 if sampling == "planar" else 1], 529: rational(weights),
        530: [across, down], 531: [1],
        532: rational([16, 235, 128, 240, 128, 240] if is_video else [0, 255, 128, 255, 128, 255]),
    }  # fmt: skip
    if sampling == "planar":
        parts = [plane.tobytes() for plane in planes_CHW]
        row = WIDTH
    else:
        luma = planes_CHW[0].reshape(HEIGHT // down, down, WIDTH // across, across)
        luma = luma.transpose(0, 2, 1, 3).reshape(HEIGHT // down, WIDTH // across, -1)
        chroma = [
            plane.reshape(HEIGHT // down, down, WIDTH // across, across)
            .mean(axis=(1, 3)).round().astype(np.uint8)[..., None]
            for plane in planes_CHW[1:]
        ]  # fmt: skip
        units = np.concatenate([luma, *chroma], axis=-1)
        parts, row = [units.tobytes()], units.shape[1] * units.shape[2]
    data = file_of(tags, [packed(part, packing, row) for part in parts])
    difference = np.abs(decode(data, ANY_SIZE).rgb_HWC - scene())
    is_whole = sampling in ("planar", (1, 1))
    assert difference.mean() < (1.1 if is_whole else 3)  # what rounding in the file costs
    assert difference.max() <= (5 if is_whole else 16)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_luma_and_chroma_are_turned_once(orientation):
    planes_CHW = luma_and_chroma(scene(), REC_601, is_video=False)
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8, 8, 8], 259: [1], 262: [6], 274: [orientation],
        277: [3], 278: [HEIGHT], 284: [1], 530: [1, 1],
    }  # fmt: skip
    data = file_of(tags, [np.ascontiguousarray(np.moveaxis(planes_CHW, 0, -1)).tobytes()])
    rgb_HWC = np.clip(scene(), 0, 255).astype(np.uint8)
    out = BytesIO()
    tifffile.imwrite(
        out, rgb_HWC, photometric="rgb", metadata=None,
        extratags=[(274, 3, 1, orientation, False)],
    )  # fmt: skip
    wanted = decode(out.getvalue(), ANY_SIZE).rgb_HWC
    got = decode(data, ANY_SIZE).rgb_HWC
    assert got.shape == wanted.shape
    assert np.abs(got.astype(int) - wanted).mean() < 1


@pytest.mark.parametrize("packing", [1, 5, 8, 32773])
@pytest.mark.parametrize("step", [1, 2])
def test_luma_and_chroma_that_are_cut_are_damage(packing, step):
    whole = luma_and_chroma(scene(), REC_601, is_video=False).tobytes()
    size = WIDTH * HEIGHT * (1 + 2 / step**2)
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8, 8, 8], 259: [packing], 262: [6], 277: [3],
        278: [HEIGHT], 284: [1], 530: [step, step],
    }  # fmt: skip
    decode(file_of(tags, [packed(whole[: int(size)], packing, WIDTH)]), ANY_SIZE)
    cut = packed(whole[: int(size) // 2], packing, WIDTH)
    assert refusal(file_of(tags, [cut])).code is ErrorCode.CORRUPT_IMAGE


def test_planes_of_chroma_that_are_smaller_are_refused_by_name():
    planes_CHW = luma_and_chroma(scene(), REC_601, is_video=False)
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8, 8, 8], 259: [5], 262: [6], 277: [3], 278: [HEIGHT],
        284: [2], 530: [2, 2],
    }  # fmt: skip
    parts = [planes_CHW[0], planes_CHW[1, ::2, ::2], planes_CHW[2, ::2, ::2]]
    data = file_of(tags, [imagecodecs.lzw_encode(part.tobytes()) for part in parts])
    error = refusal(data)
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "Save it" in error.message


# Palettes

COLOURS = np.array([[250, 10, 20], [30, 240, 60], [70, 80, 230], [5, 200, 190]] * 64, np.uint16)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_colours(bits):
    indices = (np.add.outer(np.arange(HEIGHT), np.arange(WIDTH) * 3) // 5 % 2**bits).astype("u1")
    rows = np.unpackbits(indices[..., None], axis=-1)[..., -bits:].reshape(HEIGHT, -1)
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [bits], 259: [1], 262: [3], 277: [1], 278: [HEIGHT],
        320: (COLOURS[: 2**bits].T * 257).ravel().tolist(),
    }  # fmt: skip
    photo = decode(file_of(tags, [np.packbits(rows, axis=-1).tobytes()]), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, COLOURS[indices])


@pytest.mark.parametrize("bits", [4, 8])
def test_a_palette_with_alpha(bits):
    indices = (np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 2**bits).astype("u1")
    alpha = np.broadcast_to(np.arange(WIDTH) * (2**bits - 1) // (WIDTH - 1), indices.shape)
    pairs = np.stack([indices, alpha.astype("u1")], -1)
    rows = np.unpackbits(pairs[..., None], axis=-1)[..., -bits:].reshape(HEIGHT, -1)
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [bits, bits], 259: [5], 262: [3], 277: [2],
        278: [HEIGHT], 284: [1], 320: (COLOURS[: 2**bits].T * 257).ravel().tolist(), 338: [2],
    }  # fmt: skip
    data = imagecodecs.lzw_encode(np.packbits(rows, axis=-1).tobytes())
    photo = decode(file_of(tags, [data]), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, COLOURS[indices])
    np.testing.assert_allclose(photo.alpha_HW, alpha / (2**bits - 1), atol=1e-6)


# How pixels are laid out


def grey():
    return np.rint(scene()[..., 1]).astype(np.uint8)


def test_tiles_that_are_called_strips():
    """libtiff takes StripOffsets for TileOffsets; Pillow takes such tiles for strips."""
    tiles = [grey()[y : y + 16, x : x + 32].tobytes() for y in (0, 16, 32) for x in (0, 32)]
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8], 259: [1], 262: [1], 277: [1], 278: [16],
        322: [32], 323: [16],
    }  # fmt: skip
    photo = decode(file_of(tags, tiles), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 0], grey())


@pytest.mark.parametrize("code", [339, 32996])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("packing", [1, 5])
@pytest.mark.parametrize("is_planar", [False, True])
def test_numbers_of_an_undefined_kind_are_unsigned(code, bits, packing, is_planar):
    """TIFF 6.0, tag 339: 4 is undefined; the old tag of SGI says it with 0."""
    values = np.rint(scene()).astype("u1") if bits == 8 else np.rint(scene()).astype("<u2") * 257
    parts = [np.ascontiguousarray(plane).tobytes() for plane in np.moveaxis(values, -1, 0)]
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [bits] * 3, 259: [packing], 262: [2], 277: [3],
        278: [HEIGHT],
        284: [2 if is_planar else 1], code: [4 if code == 339 else 0] * 3,
    }  # fmt: skip
    parts = [packed(part, packing, WIDTH) for part in (parts if is_planar else [values.tobytes()])]
    photo = decode(file_of(tags, parts), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC, np.rint(scene()).astype("u1"))


@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_without_loss(bits):
    values = (grey().astype(np.uint16) << bits - 8) + 3
    inside = imagecodecs.ljpeg_encode(values, bitspersample=bits)
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [bits], 259: [7], 262: [1], 277: [1], 278: [HEIGHT],
    }  # fmt: skip
    photo = decode(file_of(tags, [inside]), ANY_SIZE)
    wanted = np.floor(values * 255.0 / (2**bits - 1) + 0.5)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 0], wanted)


def test_old_style_jpeg_in_grey_is_refused_by_name():
    out = BytesIO()
    Image.fromarray(grey()).save(out, "JPEG")
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8], 259: [6], 262: [1], 277: [1], 278: [HEIGHT],
    }  # fmt: skip
    error = refusal(file_of(tags, [out.getvalue()]))
    assert error.code is ErrorCode.UNSUPPORTED_FORMAT
    assert "ojpeg" in error.message
    assert "Save it" in error.message


# Damage beside the pixels


@pytest.mark.parametrize("code", [269, 270, 282, 285, 296, 305, 306, 315])
@pytest.mark.parametrize("fault", ["type", "place"])
def test_damaged_words_cost_nothing(code, fault):
    """They say nothing of the pixels: a date, a name, a resolution."""
    kind, count = (77, 1) if fault == "type" else (2, 400)
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8], 259: [1], 262: [1], 277: [1], 278: [HEIGHT],
        code: (kind, count, struct.pack("<I", 2**31)),
    }  # fmt: skip
    photo = decode(file_of(tags, [grey().tobytes()]), ANY_SIZE)
    np.testing.assert_array_equal(photo.rgb_HWC[..., 0], grey())
    assert photo.resolution_dpi is None


@pytest.mark.parametrize("code", [258, 262, 277, 284, 317, 320, 338, 339])
def test_damage_of_what_decides_pixels_is_still_an_error(code):
    tags = {
        256: [WIDTH], 257: [HEIGHT], 258: [8], 259: [1], 262: [1], 277: [1], 278: [HEIGHT],
        code: (2, 400, struct.pack("<I", 2**31)),
    }  # fmt: skip
    assert refusal(file_of(tags, [grey().tobytes()])).code is ErrorCode.CORRUPT_IMAGE
