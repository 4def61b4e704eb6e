"""Photoshop's blocks are found wherever a file keeps them."""

import struct
from io import BytesIO

import pytest
from PIL import Image

from pipeline.imaging.containers.photoshop_resources import DamagedError, image_resources
from tests.photoshop import jpeg, marked, path, psd, rectangle, resource, tiff

BLOCKS = resource(1005, bytes(16)) + marked(rectangle(0.25, 0.25, 0.75, 0.75))


def found(data, file_format):
    return [(one.id, one.name) for one in image_resources(data, file_format)]


EXPECTED = [(1005, b""), (2000, b"Path 1"), (2999, b"")]


@pytest.mark.parametrize("segment", [60000, 200, 17])
def test_of_a_jpeg_whose_blocks_go_on_from_segment_to_segment(segment):
    assert found(jpeg(BLOCKS, segment=segment), "JPEG") == EXPECTED


def test_of_a_jpeg_beside_exif_and_with_padding_between_segments():
    exif = Image.Exif()
    exif[274] = 6
    data = jpeg(BLOCKS, exif=exif)
    data = data[:2] + b"\xff\xff\xff" + data[2:]
    assert found(data, "JPEG") == EXPECTED


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_of_a_tiff_of_either_byte_order_and_size(order, big):
    assert found(tiff(BLOCKS, order=order, big=big), "TIFF") == EXPECTED


def test_of_the_page_of_a_tiff_that_is_the_photograph():
    preview = {"size": (30, 20)}
    assert found(tiff(BLOCKS, before=preview), "TIFF") == EXPECTED
    assert found(tiff(BLOCKS, size=(30, 20), before={"size": (120, 80)}), "TIFF") == []


def test_a_tag_that_points_beyond_the_file_is_damage():
    data = bytearray(tiff(BLOCKS))
    at = data.index(struct.pack("<HHI", 34377, 1, len(BLOCKS)))
    struct.pack_into("<I", data, at + 8, len(data))
    with pytest.raises(DamagedError, match="beyond the file"):
        image_resources(bytes(data), "TIFF")


@pytest.mark.parametrize("big", [False, True])
def test_of_a_photoshop_document(big):
    assert found(psd(BLOCKS, big=big), "PSD") == EXPECTED


def test_names_of_odd_and_even_length_and_odd_data():
    blocks = resource(2000, path(), b"odd") + resource(2001, b"123", b"even") + resource(1, b"")
    assert found(psd(blocks), "PSD") == [(2000, b"odd"), (2001, b"even"), (1, b"")]


def test_files_without_blocks_or_that_cannot_have_any():
    assert found(jpeg(), "JPEG") == found(tiff(), "TIFF") == found(psd(), "PSD") == []
    assert found(b"\x89PNG", "PNG") == []


@pytest.mark.parametrize("cut", [1, 5, 30, 120])
def test_blocks_that_are_cut_off_are_damage(cut):
    with pytest.raises(DamagedError):
        image_resources(jpeg(BLOCKS[:-cut]), "JPEG")


def test_what_follows_other_signatures_is_damage():
    with pytest.raises(DamagedError, match="signature"):
        image_resources(psd(BLOCKS + b"not a block at all"), "PSD")


def test_the_readers_of_others_find_the_same():
    with Image.open(BytesIO(jpeg(BLOCKS))) as image:
        assert sorted(image.info["photoshop"])[1:] == [2000, 2999]
    for order in "<>":
        with Image.open(BytesIO(tiff(BLOCKS, order=order))) as image:
            assert sorted(image.get_photoshop_blocks()) == [1005, 2000, 2999]
