"""Stores that say 403 of an object that is not there, to who may read it and may not list."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from aiohttp import web

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage import Fetched, PhotoReader, ReadPolicy
from pipeline.storage.photographs.spellings import respelled
from tests.small_s3 import Manners, Refusal, SmallS3

NAMES = {
    "Bücher/Größe ä.jpg": unicodedata.normalize("NFD", "Bücher/Größe ä.jpg"),
    unicodedata.normalize("NFD", "shoes/Ångström.jpg"): "shoes/Ångström.jpg",
    "shoes\\red.jpg": "shoes/red.jpg",
    "shoes/red.jpg ": "shoes/red.jpg",
    "shoes/a&amp;b.jpg": "shoes/a&b.jpg",
    "./shoes/red.jpg": "shoes/red.jpg",
}
"""As a manifest has them, and as they are there."""


@pytest.fixture
def unlisted(store: SmallS3) -> SmallS3:
    """One where nobody may list."""

    def refuses(request: web.Request, address: str) -> Refusal | None:
        is_there = address in store.objects or request.method == "PUT"
        return None if is_there else (403, "AccessDenied")

    store.manners = Manners(refuses=refuses)
    return store


def read(*keys: str) -> list[Fetched | RowError]:
    reader = PhotoReader(ReadPolicy(), root="s3://shop", max_bytes=1000)
    return reader.read_many([f"s3://shop/{key}" for key in keys])


def asked(store: SmallS3) -> Counter[str]:
    return Counter(address.removeprefix("shop/") for _, address, _ in store.seen)


@pytest.mark.parametrize("written", NAMES)
def test_a_picture_is_found_in_another_spelling_though_nobody_may_list(
    unlisted: SmallS3, written: str
) -> None:
    unlisted.put(f"shop/{NAMES[written]}", b"shoe")
    (found,) = read(written)
    assert isinstance(found, Fetched)
    assert found.data == b"shoe"


@pytest.mark.parametrize("written", [*NAMES, "shoes/red.jpg"])
def test_what_is_nowhere_is_access_denied_once_and_both_reasons_are_said(
    unlisted: SmallS3, written: str
) -> None:
    (found,) = read(written)
    assert isinstance(found, RowError)
    assert (found.code, found.retryable) == (ErrorCode.ACCESS_DENIED, True)
    assert "give these credentials access to bucket 'shop' (s3:GetObject" in found.message
    assert "s3:ListBucket, without which a store says the same of a wrong name" in found.message
    assert found.message.startswith(f"s3://shop/{written}: ")
    assert asked(unlisted) == Counter([written, *respelled(written)])


def test_who_may_list_and_not_read_is_refused_after_one_more_request(store: SmallS3) -> None:
    written, other, *_ = ["Bücher/ä.jpg", *respelled("Bücher/ä.jpg")]
    denied: Refusal = (403, "AccessDenied")
    store.manners = Manners(refuses=lambda _, at: denied if at == f"shop/{written}" else None)
    (found,) = read(written)
    assert isinstance(found, RowError)
    assert found.code is ErrorCode.ACCESS_DENIED
    assert asked(store) == Counter([written, other])


@pytest.mark.parametrize(
    "word", ["SignatureDoesNotMatch", "InvalidAccessKeyId", "RequestTimeTooSkewed", "ExpiredToken"]
)
def test_credentials_that_are_wrong_are_no_reason_to_ask_for_another_spelling(
    store: SmallS3, word: str
) -> None:
    store.manners = Manners(refuses=lambda _, __: (403, word))
    (found,) = read("Bücher/ä.jpg")
    assert isinstance(found, RowError)
    assert found.code is ErrorCode.ACCESS_DENIED
    assert asked(store) == Counter(["Bücher/ä.jpg"])


def test_a_store_that_breaks_meanwhile_is_no_refusal(store: SmallS3) -> None:
    written = "Bücher/ä.jpg"

    def refuses(_: web.Request, address: str) -> Refusal:
        return (403, "AccessDenied") if address == f"shop/{written}" else (501, "NotImplemented")

    store.manners = Manners(refuses=refuses)
    (found,) = read(written)
    assert isinstance(found, TransientError)
    assert found.code is ErrorCode.STORAGE


def test_a_manifest_that_is_not_there_is_told_with_both_reasons(unlisted: SmallS3) -> None:
    assert not unlisted.objects
    with pytest.raises(PermissionError, match=r"s3:GetObject; and s3:ListBucket"):
        storage.read("s3://shop/manifest.parquet")
