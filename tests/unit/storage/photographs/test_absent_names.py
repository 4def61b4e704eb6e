"""What a row is told whose picture is not there, by what its cell may have been meant to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.stages.fetch import FetchConfig, FetchMapper
from pipeline.storage import PhotoReader, ReadPolicy
from pipeline.storage.uris import object_behind

BAD, GONE = ErrorCode.BAD_REQUEST, ErrorCode.NOT_FOUND
CELLS = [
    ("C:\\Users\\me\\1.jpg", BAD, "is a path of Windows"),
    ("c:/Users/me/1.jpg", BAD, "is a path of Windows"),
    ("\\\\server\\share\\1.jpg", BAD, "is a path of Windows"),
    ("images\\shoes\\1.jpg", GONE, "nothing at "),
    ("1.jpg,2.jpg", BAD, "2 addresses: write one"),
    ("images/1.jpg | images/2.png | images/3.webp", BAD, "3 addresses: write one"),
    ("1.jpg 2.jpg", BAD, "2 addresses: write one"),
    ("1.jpg, 2.jpg,", BAD, "2 addresses: write one"),
    ("red, white; blue.jpg", GONE, "nothing at "),
    ("no.jpg", GONE, "nothing at "),
    ("x/" * 900 + "1.jpg", GONE, "nothing at "),
]
LETTERS = [
    ("my%20shoe.jpg", "if it was encoded, write 'my shoe.jpg'"),
    ("100%.jpg", "nothing at "),
    ("shoe.jpg?v=1", "'?' and what follows it are part of a name here"),
    ("sh\u200boe.jpg", "it holds U+200B, which is not seen"),
]
LOCAL = [
    ("www.example.com/1.jpg", BAD, "write https://www.example.com/1.jpg"),
    ("cdn.example.co.uk/images/1.jpg?sig=hunter2", BAD, "if cdn.example.co.uk is on the web"),
    ("cdn.example.com:8080/1.jpg", BAD, "write https://cdn.example.com:8080/1.jpg"),
    ("10.0.0.7/1.jpg", BAD, "write https://10.0.0.7/1.jpg"),
    ("~/1.jpg", BAD, "stands for nobody's folder"),
    ("~me/1.jpg", BAD, "stands for nobody's folder"),
    ("season.new/1.jpg", GONE, "nothing at "),
]


def refused(root: str, cell: str) -> RowError:
    reader = PhotoReader(ReadPolicy(), root=root, max_bytes=1000)
    (found,) = reader.read_many([storage.resolve(cell, against=root)])
    assert isinstance(found, RowError)
    assert not found.retryable
    assert len(found.message) < 400
    assert "hunter2" not in found.message
    return found


@pytest.mark.parametrize(("cell", "code", "said"), [*CELLS, *LOCAL])
def test_a_file_that_is_not_there(tmp_path: Path, cell: str, code: ErrorCode, said: str) -> None:
    found = refused(str(tmp_path), cell)
    assert found.code is code
    assert said in found.message


@pytest.mark.parametrize(
    "name", ["C:\\Users\\1.jpg", "~/1.jpg", "www.example.com/1.jpg", "1,2.jpg"]
)
def test_a_file_that_is_called_so_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"shoe")
    reader = PhotoReader(ReadPolicy(), root=str(tmp_path), max_bytes=1000)
    (found,) = reader.read_many([storage.resolve(name, against=str(tmp_path))])
    assert not isinstance(found, RowError)
    assert found.data == b"shoe"


@pytest.mark.parametrize("folder", ["www.example.com", "~"])
def test_a_folder_that_is_called_so_lacks_a_file(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    assert refused(str(tmp_path), f"{folder}/1.jpg").code is GONE


def test_an_object_that_is_not_there(bucket: str) -> None:
    for cell, code, said in CELLS[:-1]:
        found = refused(f"{bucket}/shop", cell)
        assert (found.code, said in found.message) == (code, True)
    # A folder of a store may be called after a host, and nobody looks whether there is one.
    found = refused(f"{bucket}/shop", "www.example.com/1.jpg?sig=hunter2")
    assert found.code is GONE
    assert "write https://www.example.com/1.jpg" in found.message


@pytest.mark.parametrize(("cell", "said"), LETTERS)
def test_what_counts_as_a_letter_of_a_name(
    tmp_path: Path, bucket: str, cell: str, said: str
) -> None:
    for root in (str(tmp_path), bucket):
        found = refused(root, cell)
        assert found.code is GONE
        assert said in found.message


@pytest.mark.parametrize(("there", "cell"), [("x/a.JPG", "x/a.jpg"), ("x/a.png", "x/a.PNG")])
def test_an_ending_in_other_letters_is_told_and_not_taken(
    tmp_path: Path, there: str, cell: str
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / there).write_bytes(b"shoe")
    found = refused(str(tmp_path), cell)
    assert found.code is GONE
    assert f"there is {there[2:]!r}" in found.message


def test_a_local_path_of_a_manifest_that_is_elsewhere(tmp_path: Path) -> None:
    found = refused("s3://bucket/shop", f"{tmp_path}/1.jpg")
    assert found.code is ErrorCode.URI_NOT_ALLOWED
    assert "no folder of this machine: write s3://bucket/key" in found.message


def test_a_slash_too_many(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "shoe.jpg").write_bytes(b"shoe")
    found = refused(str(tmp_path), "/w/shoe.jpg")
    assert found.code is ErrorCode.URI_NOT_ALLOWED
    assert "write it without the slash before it" in found.message
    assert "put the pictures below it" in refused(str(tmp_path), "/w/no.jpg").message


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        (
            "https://shop.s3.eu-west-1.amazonaws.com/a%20b.jpg?X-Amz-Signature=x",
            "s3://shop/a b.jpg",
        ),
        ("https://shop.s3.amazonaws.com/a.jpg", "s3://shop/a.jpg"),
        ("https://my.shop.s3-us-west-2.amazonaws.com/a.jpg", "s3://my.shop/a.jpg"),
        ("https://shop.s3.dualstack.us-east-1.amazonaws.com/a/b.jpg", "s3://shop/a/b.jpg"),
        ("https://shop.s3.cn-north-1.amazonaws.com.cn/a.jpg", "s3://shop/a.jpg"),
        ("http://s3.amazonaws.com/shop/a.jpg", "s3://shop/a.jpg"),
        ("https://s3.eu-central-1.amazonaws.com/shop/a.jpg", "s3://shop/a.jpg"),
        ("https://s3.amazonaws.com/shop", None),
        ("https://shop.s3.amazonaws.com.example.com/a.jpg", None),
        ("https://example.com/s3.amazonaws.com/a.jpg", None),
    ],
)
def test_a_url_of_amazons_store_is_told_by_its_name_there(url: str, uri: str | None) -> None:
    assert object_behind(url) == uri
    for schemes, said in ((("s3", "file"), "fetch.allowed_schemes"), (("https", "http"), "hosts")):
        reader = PhotoReader(ReadPolicy(allowed_schemes=schemes), root=None, max_bytes=1000)
        (found,) = reader.read_many([url])
        assert isinstance(found, RowError)
        assert found.code is ErrorCode.URI_NOT_ALLOWED
        assert said in found.message
        assert uri is None or f"or write {uri}, which it is" in found.message
        assert "X-Amz" not in found.message


def test_the_column_of_a_mask_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    mapper = FetchMapper(FetchConfig(), root=str(tmp_path))
    row = {"image_uri": f"{tmp_path}/a.jpg", "image_input": None, "reference_uris": []}
    (outside, foreign) = mapper.map_batch(
        [{**row, "mask_uri": "/etc/m.png"}, {**row, "mask_uri": "https://example.com/m.png"}]
    )
    assert isinstance(outside, RowError)
    assert isinstance(foreign, RowError)
    assert outside.message.startswith("the mask: mask_uri '/etc/m.png' lies outside")
    assert "of mask_uri is not in fetch.allowed_schemes" in foreign.message
