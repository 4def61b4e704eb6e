from __future__ import annotations

import pytest

from pipeline import storage
from pipeline.storage.uris import bucket_and_key, without_secrets


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


def test_relative_uris_start_at_the_manifest_and_others_do_not() -> None:
    assert storage.resolve("a.jpg", against="s3://b/c") == "s3://b/c/a.jpg"
    assert storage.resolve("s3://x/a b.jpg", against="s3://b/c") == "s3://x/a b.jpg"
    assert storage.resolve("/a.jpg", against="s3://b/c") == "/a.jpg"
    assert storage.resolve("file:///a%20b.jpg", against="/c") == "/a b.jpg"


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
