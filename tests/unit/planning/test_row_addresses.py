from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ErrorCode, RowError
from pipeline.planning.row_addresses import resolve_image_uri


@pytest.mark.parametrize(
    ("uri", "root", "resolved"),
    [
        ("shoe.jpg", "/data/shop", "/data/shop/shoe.jpg"),
        ("images/shoe.jpg", "/data/shop/", "/data/shop/images/shoe.jpg"),
        ("/elsewhere/shoe.jpg", "/data", "/elsewhere/shoe.jpg"),
        ("file:///elsewhere/my%20shoe.jpg", "/data", "/elsewhere/my shoe.jpg"),
        ("my%20shoe #1?.jpg", "/data", "/data/my%20shoe #1?.jpg"),
        ("s3://bucket/shoe.jpg", "/data", "s3://bucket/shoe.jpg"),
        ("https://host/shoe.jpg?x=1", "/data", "https://host/shoe.jpg?x=1"),
        ("shoe.jpg", "s3://bucket/shop", "s3://bucket/shop/shoe.jpg"),
        # A file may be called so; where there is none, it is looked for without the blanks.
        (" shoe.jpg\n", "/data", "/data/ shoe.jpg\n"),
        (" shoe.jpg \n", "s3://bucket", "s3://bucket/ shoe.jpg "),
    ],
)
def test_relative_uris_start_from_the_manifests_folder(uri: str, root: str, resolved: str) -> None:
    assert resolve_image_uri({"image_uri": uri}, root) == resolved


@given(st.text().filter(str.strip))
def test_no_uri_can_break_the_plan(uri: str) -> None:
    with suppress(RowError):
        assert resolve_image_uri({"image_uri": uri}, "/data")


@pytest.mark.parametrize("uri", ["http://[", "https://a\u2100b/x", "s3://b/[/x", "/[/x"])
def test_a_uri_that_parsers_choke_on_is_kept_for_the_reader_to_refuse(uri: str) -> None:
    assert resolve_image_uri({"image_uri": uri}, "/data")


@pytest.mark.parametrize("image", [b"jpeg", {"bytes": b"jpeg", "path": None}])
def test_a_row_that_brings_its_bytes_needs_no_uri(image: Any) -> None:
    assert resolve_image_uri({"image_uri": None, "image": image}, "/data") is None


@pytest.mark.parametrize(
    "image", [None, {"bytes": None, "path": None}, {"bytes": None, "path": " "}]
)
@pytest.mark.parametrize("uri", [None, "", "  "])
def test_a_row_without_a_photograph_is_an_error(uri: str | None, image: Any) -> None:
    with pytest.raises(RowError, match="fill one in") as caught:
        resolve_image_uri({"image_uri": uri, "image": image}, "/data")
    assert caught.value.code == ErrorCode.BAD_REQUEST
