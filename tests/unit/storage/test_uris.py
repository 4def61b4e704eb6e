from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import storage
from pipeline.storage.uris import address_fault, bucket_and_key, without_secrets


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("a/b", "file"),
        ("/a/b", "file"),
        ("file:///a", "file"),
        ("S3://a/b", "s3"),
        ("http://[", "http"),
        ("C:\\a", "file"),
    ],
)
def test_scheme(uri: str, scheme: str) -> None:
    assert storage.scheme_of(uri) == scheme


def test_keys_are_taken_to_the_letter() -> None:
    assert bucket_and_key("s3://b/a//b?c#d%20e ") == ("b", "a//b?c#d%20e ")
    assert bucket_and_key("s3://b") == ("b", "")


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@a.example.com/b.jpg",
        "https://a.example.com/b.jpg?X-Amz-Signature=hunter2",
        "https://a.example.com/b.jpg#hunter2",
        "https://me@x:hunter2@a.example.com/b.jpg?hunter2/b#hunter2",
    ],
)
def test_secrets_stay_out(url: str) -> None:
    assert without_secrets(url) == "https://a.example.com/b.jpg"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("s3://", "names no bucket"),
        ("S3:///x.jpg", "names no bucket"),
        ("s3://bucket", "names no object"),
        ("s3://bucket/", "names no object"),
        ("s3://b cat/x.jpg", "'b cat' cannot be the name of a bucket"),
        ("s3://bücher/x.jpg", "'bücher' cannot be"),
        ("s3://[::1]/x.jpg", "cannot be"),
        ("s3://user@bucket/x.jpg", "something before an '@'"),
        ("s3://key:a/secret@bucket/x.jpg", "something before an '@'"),
        ("s3://../x.jpg", "'..' cannot be"),
        ("s3://b/" + "é" * 513, "1026 bytes, an object's at most 1024"),
        ("s3://b/a\x01.jpg", r"control character '\x01'"),
        ("s3://b/a\n.jpg", r"control character '\n'"),
        ("https://shop.example/a\x7f.jpg", r"control character '\x7f'"),
        ("s3://b/a\0.jpg", "NUL"),
        ("/catalog/a\0.jpg", "NUL"),
        ("file:///catalog/a%00.jpg", "NUL"),
        ("https://shop.example/\0", "NUL"),
    ],
)
def test_what_can_be_no_address_is_told(uri: str, said: str) -> None:
    fault = address_fault(uri)
    assert fault is not None
    assert said in fault
    assert fault.isprintable()
    assert len(fault) < 400


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/x",
        "s3://Old_Bucket.1-a/a//b?c#d%20e /..",
        "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint:shop/a.jpg",
        "s3://b/" + "é" * 512,
        "/catalog/a\tb\n.jpg",
        "/catalog/a%00.jpg",
        "https://[",
        "ftp://x",
        "",
    ],
)
def test_whether_something_is_there_is_for_the_reader_to_say(uri: str) -> None:
    assert address_fault(uri) is None


@given(st.text())
def test_any_text_is_an_address_or_not(uri: str) -> None:
    for prefix in ("", "s3://", "s3://b/", "file://", "/"):
        fault = address_fault(prefix + uri)
        assert fault is None or fault.isprintable()
