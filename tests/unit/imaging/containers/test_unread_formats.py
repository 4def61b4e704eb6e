"""Files that are no photograph we read: refused by name, for people."""

import pytest
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.unit.imaging.reading.formats.test_jpeg_webp_gif import saved


def picture(file_format):
    return saved(Image.new("RGB", (64, 64), "red"), file_format)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (picture("ICO"), "an icon"),
        (picture("PCX"), "PCX"),
        (picture("TGA") + bytes(8) + b"TRUEVISION-XFILE.\0", "TGA"),
        (picture("PPM"), "Netpbm"),
        (picture("PDF"), "PDF"),
        (picture("EPS"), "PostScript"),
        (picture("DDS"), "DDS"),
        (b"<!DOCTYPE HTML>\n<html><body>404 Not Found</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf  <html>", "an HTML page"),
        (b'<?xml version="1.0"?><!-- drawn --><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b'{"error": "not found"}', "JSON"),
        (b"PK\3\4" + bytes(60), "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS"),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "a film"),
        (b"\0\0\0\x14ftypqt  " + bytes(40), "a film"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a film or sound"),
        (b"\x76\x2f\x31\x01" + bytes(40), "OpenEXR"),
        (b"II\xbc\x01" + bytes(40), "JPEG XR"),
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(data, name):
    with pytest.raises(RowError, match=f"not JPEG, PNG.*: it is .*{name}") as refused:
        decode(data, ImageLimits())
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT


def test_what_nobody_knows_is_told_by_its_first_bytes():
    for data in (b"hello", b"P", b"\n", b"Pq1", bytes(100)):
        with pytest.raises(RowError, match="it starts with b'"):
            decode(data, ImageLimits())
