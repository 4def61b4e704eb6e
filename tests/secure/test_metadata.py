"""Metadata in very many parts: read in the time that the file is long, and in bounded memory."""

import struct
import time
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image

from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.rights.carriers import carriers_of

RGB_HWC = np.full((40, 60, 3), 90, np.uint8)
PICTURE = BytesIO()
Image.fromarray(RGB_HWC).save(PICTURE, "PNG")
PNG = PICTURE.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks):
    """Text before the pixels."""
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def jpeg_with(*segments):
    out = BytesIO()
    Image.fromarray(RGB_HWC).save(out, "JPEG")
    return out.getvalue()[:2] + b"".join(segments) + out.getvalue()[2:]


def exif(author):
    block = Image.Exif()
    block[ExifTags.Base.Artist] = author
    return block.tobytes()


def test_texts_that_nobody_asks_for_are_not_unfolded():
    """Sixty texts of 4 MiB each, under names of their own: 240 kB, which took 240 MiB."""
    packed = zlib.compress(bytes(4 * 2**20))
    texts = [chunk(b"zTXt", b"word %d\0\0" % number + packed) for number in range(60)]
    author = chunk(b"tEXt", b"Author\0A. Nonymous")
    data = png_with(*texts, author)
    tracemalloc.start()
    found = carriers_of(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert dict(found.texts) == {"author": "A. Nonymous"}
    assert most < 16 * 2**20


def test_a_text_that_is_there_again_is_not_unfolded_again():
    packed = zlib.compress(bytes(4 * 2**20))
    again = [chunk(b"zTXt", name + b"\0\0" + packed) for name in (b"Author", b"AUTHOR")] * 200
    data = png_with(chunk(b"tEXt", b"author\0first"), *again)
    start = time.perf_counter()
    assert dict(carriers_of(data).texts) == {"author": "first"}
    assert time.perf_counter() - start < 1


def test_texts_that_hold_no_exif_after_all_are_not_tried_for_ever():
    """Each unfolds to 8 MiB of digits that turn out to be no EXIF."""
    digits = b"\nAPP1\n 4194304\n" + b"20" * (3 * 2**20)
    text = chunk(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(digits))
    data = png_with(*[text] * 300)
    start = time.perf_counter()
    photo = decode(data, ImageLimits())
    assert time.perf_counter() - start < 3
    np.testing.assert_array_equal(photo.rgb_HWC, RGB_HWC)


def test_exif_in_fifty_thousand_segments_is_read_in_linear_time():
    """Two megabytes; each part was added to a copy of all before it."""
    parts = [segment(0xE1, exif("A. Nonymous")), *[segment(0xE1, b"Exif\0\0" + b"x" * 40)] * 50_000]
    start = time.perf_counter()
    found = carriers_of(jpeg_with(*parts))
    assert time.perf_counter() - start < 2
    assert found.exif[ExifTags.Base.Artist] == "A. Nonymous"


def test_parts_of_xmp_that_belong_to_no_packet_are_not_all_looked_up():
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 60_000)
    strange = [
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0%032d" % number + bytes(8))
        for number in range(30_000)
    ]
    start = time.perf_counter()
    assert carriers_of(jpeg_with(xmp, *strange)).extended_xmp == b""
    assert time.perf_counter() - start < 2
