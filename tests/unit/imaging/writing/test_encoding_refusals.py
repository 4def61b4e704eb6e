"""What is turned away, and that nothing but a photograph or a reason ever comes out."""

import resource
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits

# Pillow warns about damaged tags and goes on; what comes of it is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

ANY_SIZE = ImageLimits(min_side_px=1, max_aspect=100, max_megapixels=4)


def save(image, file_format, **options):
    out = BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def code_of(data, limits=ANY_SIZE):
    with pytest.raises(RowError) as refused:
        decode(data, limits)
    return refused.value.code


def outcome(data):
    try:
        return decode(data, ANY_SIZE)
    except RowError as error:
        return error


def png_header(width, height):
    good = save(Image.new("RGB", (1, 1)), "PNG")
    body = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + good[24:29]
    return good[:12] + body + zlib.crc32(body).to_bytes(4, "big") + good[33:]


def jpeg_header(width, height):
    data = bytearray(save(Image.new("RGB", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def gif_header(width, height):
    data = bytearray(save(Image.new("P", (8, 8)), "GIF"))
    data[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return bytes(data)


def webp_header(width, height):
    # An alpha makes it an extended file, which has a canvas size of its own.
    data = bytearray(save(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP"))
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def bmp_header(width, height):
    data = bytearray(save(Image.new("RGB", (8, 8)), "BMP"))
    data[18:26] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return bytes(data)


BOMBS = {
    "png": png_header(30_000, 30_000),
    "jpeg": jpeg_header(60_000, 60_000),
    "gif": gif_header(65_535, 65_535),
    "webp": webp_header(30_000, 30_000),
    "bmp": bmp_header(30_000, 30_000),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_header_bomb_is_refused_before_anything_is_allocated(kind):
    code_of(BOMBS[kind])  # the first call imports Pillow's plugins
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    assert code_of(BOMBS[kind], ImageLimits()) is ErrorCode.TOO_MANY_PIXELS
    assert time.process_time() - start < 0.2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 50 * 1024


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_our_limit_holds_below_the_one_of_pillow():
    assert code_of(png_header(2001, 2000)) is ErrorCode.TOO_MANY_PIXELS
    assert code_of(png_header(10_000, 10_000)) is ErrorCode.TOO_MANY_PIXELS
    assert code_of(png_header(2000, 2000)) is ErrorCode.CORRUPT_IMAGE  # let in, and found empty


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_a_process_that_turns_warnings_into_errors():
    assert code_of(png_header(10_000, 10_000)) is ErrorCode.TOO_MANY_PIXELS


def test_threads_do_not_disturb_each_other_nor_pillow():
    noise = np.random.default_rng(0).integers(0, 256, (60, 70, 3)).astype(np.uint8)
    good = [save(Image.fromarray(noise), name) for name in ("PNG", "JPEG", "WEBP", "TIFF", "GIF")]
    files = [*good, *BOMBS.values(), b"text", good[0][:500]] * 8

    def seen(data):
        result = outcome(data)
        return str(result) if isinstance(result, RowError) else result.rgb_HWC.tobytes()

    alone = [seen(data) for data in files]
    state = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(seen, files)) == alone
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == state


def test_bytes_that_are_no_photograph():
    assert code_of(b"") is ErrorCode.EMPTY_FILE
    assert code_of(b"a" * 101, ImageLimits(max_bytes=100)) is ErrorCode.TOO_MANY_BYTES
    not_pictures = {
        "text": b"id,uri\n1,s3://x/y.jpg\n",
        "zeros": bytes(1000),
        "one byte": b"\xff",
        "html": b"<!doctype html><title>403</title>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf": b"%PDF-1.7\n",
        "eps": save(Image.new("RGB", (40, 40)), "EPS"),
        "ico": save(Image.new("RGB", (40, 40)), "ICO"),
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    }
    for name, data in not_pictures.items():
        assert code_of(data) is ErrorCode.UNSUPPORTED_FORMAT, name


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"IIRO\x08\0\0\0", "ORF"),
        (b"MMOR\0\0\0\x08", "ORF"),
        (b"IIU\0\x18\0\0\0", "RW2"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
        (b"FOVb\0\0\2\0", "X3F"),
        (b"\0MRM\0\0", "MRW"),
        (b"II\x1a\0\0\0HEAPCCDR", "CRW"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "CR3"),
        (b"II*\0\x08\0\0\0IIII", "IIQ"),
    ],
)
def test_raw_photographs_are_refused_by_name_and_told_what_to_do(start, name):
    with pytest.raises(RowError) as refused:
        decode(start + bytes(100), ANY_SIZE)
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT
    assert refused.value.message == f"{name} is a raw photograph: export it as JPEG or TIFF"


def test_jpeg_xl_is_refused_by_name():
    for start in (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"):
        with pytest.raises(RowError, match="it is JPEG XL"):
            decode(start + bytes(100), ANY_SIZE)


def test_a_missing_decoder_is_said(monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: name != "webp")
    with pytest.raises(RowError, match="cannot read WEBP"):
        decode(save(Image.new("RGB", (40, 40)), "WEBP"), ANY_SIZE)


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((31, 32), ErrorCode.TOO_SMALL),
        ((1, 1), ErrorCode.TOO_SMALL),
        ((40, 481), ErrorCode.EXTREME_ASPECT),
        ((800, 40), ErrorCode.EXTREME_ASPECT),
    ],
)
def test_sizes_outside_the_limits(size, code):
    assert code_of(save(Image.new("RGB", size), "PNG"), ImageLimits()) is code


@pytest.mark.parametrize("size", [(32, 32), (40, 480), (480, 40)])
def test_sizes_at_the_limits(size):
    photo = decode(save(Image.new("RGB", size), "PNG"), ImageLimits())
    assert photo.rgb_HWC.shape == (size[1], size[0], 3)


def test_size_is_judged_before_the_pixels_are():
    cut = save(Image.new("RGB", (31, 31)), "PNG")[:50]
    assert code_of(cut, ImageLimits()) is ErrorCode.TOO_SMALL


def test_limits_are_checked_when_they_are_written():
    for wrong in ({"max_bytes": 0}, {"max_megapixels": 500}, {"max_aspect": 0.5}, {"max_side": 3}):
        with pytest.raises(ValueError, match="validation error"):
            ImageLimits(**wrong)


@cache
def healthy_files():
    """One small file per format and way of storing it."""
    y, x = np.mgrid[:40, :48]
    colour = Image.fromarray(np.stack([x * 5, y * 6, x * y % 256], -1).astype(np.uint8))
    cut_out = colour.copy()
    cut_out.putalpha(Image.fromarray((x * 5).astype(np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6
    moving = {"save_all": True, "append_images": [colour.rotate(90)]}
    return {
        "jpeg": save(colour, "JPEG", exif=exif),
        "progressive": save(colour, "JPEG", progressive=True),
        "cmyk": save(colour.convert("CMYK"), "JPEG"),
        "mpo": save(colour, "MPO", exif=exif, **moving),
        "png": save(cut_out, "PNG", exif=exif),
        "palette": save(colour.quantize(17), "PNG", transparency=3),
        "deep": save(Image.fromarray((x * 1000).astype(np.uint16)), "PNG"),
        "apng": save(colour, "PNG", **moving),
        "webp": save(cut_out, "WEBP", exif=exif),
        "lossless": save(cut_out, "WEBP", lossless=True),
        "moving webp": save(cut_out, "WEBP", **moving),
        "gif": save(colour.quantize(30), "GIF", **moving),
        "bmp": save(colour, "BMP"),
        "tiff": save(cut_out, "TIFF", exif=exif),
        "lzw": save(cut_out, "TIFF", compression="tiff_lzw"),
        "jpeg in tiff": save(colour, "TIFF", compression="jpeg"),
        "fax": save(colour.convert("1"), "TIFF", compression="group4"),
        "lab": save(colour.convert("LAB"), "TIFF"),
        "avif": save(cut_out, "AVIF", exif=exif),
        "jpeg 2000": save(cut_out, "JPEG2000"),
        "codestream": save(colour, "JPEG2000", no_jp2=True),
    }


KINDS = sorted(healthy_files())


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_file_is_corrupt_wherever_it_is_cut(kind):
    data = healthy_files()[kind]
    whole = decode(data, ANY_SIZE)
    for length in range(1, len(data), max(1, len(data) // 60)):
        result = outcome(data[:length])
        if isinstance(result, RowError):
            unrecognised = length <= 32 and result.code is ErrorCode.UNSUPPORTED_FORMAT
            assert result.code is ErrorCode.CORRUPT_IMAGE or unrecognised
        else:  # only what no pixel needs was lost: later frames, checksums, end marks
            np.testing.assert_array_equal(result.rgb_HWC, whole.rgb_HWC)


@settings(max_examples=600, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    in_header=st.booleans(),
    cut=st.floats(0, 1),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_gives_a_photograph_or_a_reason(kind, changes, in_header, cut):
    damaged = bytearray(healthy_files()[kind])
    reach = min(len(damaged), 200) if in_header else len(damaged)
    for where, value in changes:
        damaged[round(where * (reach - 1))] = value
    if cut < 0.2:
        damaged = damaged[: round(cut * 5 * len(damaged))]
    result = outcome(bytes(damaged))
    if isinstance(result, RowError):
        assert "0x" not in result.message  # no addresses: the same row says the same
    else:
        assert result.rgb_HWC.dtype == np.uint8
        assert result.alpha_HW is None or result.alpha_HW.shape == result.rgb_HWC.shape[:2]
