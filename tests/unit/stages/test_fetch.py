from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.stages.fetch import FetchConfig, FetchMapper


@pytest.fixture
def mapper(tmp_path: Path) -> FetchMapper:
    for name in ("a.jpg", "b.jpg", "b.png", "empty.png"):
        (tmp_path / name).write_bytes(b"" if name == "empty.png" else name.encode())
    return FetchMapper(FetchConfig(), root=str(tmp_path))


def row(
    tmp_path: Path, image: str | bytes, mask: str | None, references: Sequence[str] = ()
) -> dict[str, object]:
    inline = isinstance(image, bytes)
    return {
        "image_uri": None if inline else f"{tmp_path}/{image}",
        "image_input": image if inline else None,
        "mask_uri": None if mask is None else f"{tmp_path}/{mask}",
        "reference_uris": [f"{tmp_path}/{name}" for name in references],
    }


def test_each_row_gets_its_own_photograph_and_its_own_mask(mapper, tmp_path):
    rows = [
        row(tmp_path, "a.jpg", None),
        row(tmp_path, b"inline", "b.png"),
        row(tmp_path, "b.jpg", None),
        row(tmp_path, "a.jpg", "b.png"),
    ]
    fetched = [(out["image_bytes"], out["mask_bytes"]) for out in mapper.map_batch(rows)]
    assert fetched == [
        (b"a.jpg", None),
        (b"inline", b"b.png"),
        (b"b.jpg", None),
        (b"a.jpg", b"b.png"),
    ]


@pytest.mark.parametrize(("mask", "code"), [("gone.png", "not_found"), ("empty.png", "empty_file")])
def test_a_mask_that_cannot_be_read_is_its_rows_error_and_no_other_rows(
    mapper, tmp_path, mask, code
):
    rows = [row(tmp_path, "a.jpg", mask), row(tmp_path, "b.jpg", None)]
    refused, fine = mapper.map_batch(rows)
    assert isinstance(refused, RowError)
    assert refused.code == ErrorCode(code)
    assert "mask" in refused.message
    assert fine["image_bytes"] == b"b.jpg"


def test_a_mask_obeys_the_rules_of_photographs(mapper, tmp_path):
    (refused,) = mapper.map_batch([row(tmp_path, "a.jpg", "../secret.png")])
    assert refused.code == ErrorCode.URI_NOT_ALLOWED


def test_each_row_gets_its_own_references(mapper, tmp_path):
    rows = [
        row(tmp_path, "a.jpg", "b.png", ["b.jpg", "a.jpg"]),
        row(tmp_path, "b.jpg", None),
        row(tmp_path, "a.jpg", None, ["b.png"]),
        row(tmp_path, "a.jpg", None, ["gone.png"]),
    ]
    *fetched, refused = mapper.map_batch(rows)
    assert [out["reference_bytes"] for out in fetched] == [[b"b.jpg", b"a.jpg"], [], [b"b.png"]]
    assert refused.code == ErrorCode.NOT_FOUND
    assert "reference" in refused.message
