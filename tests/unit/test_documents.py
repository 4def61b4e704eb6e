from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.runs.documents import read_document


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe\0", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "not as a run writes it"),
        (b"5", "not as a run writes it"),
        (b"null", "not as a run writes it"),
        (b"{}", r"results: field required"),
        (b'{"results": "all"}', r"results: input should be a valid list"),
        (b'{"results": [{}]}', r"results.0: input should be a valid string"),
    ],
)
def test_a_document_that_is_none_is_named_in_one_line(
    tmp_path: Path, data: bytes, said: str
) -> None:
    (tmp_path / "_SUCCESS").write_bytes(data)
    with pytest.raises(ValueError, match=said) as caught:
        read_document(str(tmp_path), "_SUCCESS")
    assert str(tmp_path / "_SUCCESS") in str(caught.value)
    assert "bring the file back" in str(caught.value)


@pytest.mark.parametrize("name", ["run.json", "results.json", "report.json", "_SUCCESS"])
def test_where_there_is_no_run_there_is_no_document(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert read_document(str(tmp_path), name) is None
    assert read_document(str(tmp_path / "gone"), name) is None
    assert read_document(str(tmp_path / "file"), name) is None


def test_what_more_a_document_holds_is_kept(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").write_text('{"results": ["a"], "more": 1}')
    assert read_document(str(tmp_path), "_SUCCESS") == {"results": ["a"], "more": 1}
