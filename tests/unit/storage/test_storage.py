from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage import Fetched, PhotoReader, ReadPolicy


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("/data/x.jpg", "file"),
        ("x.jpg", "file"),
        ("file:///data/x.jpg", "file"),
        ("FILE:///data/x.jpg", "file"),
        ("s3://bucket/x.jpg", "s3"),
        ("S3://bucket/x.jpg", "s3"),
        ("https://host/x.jpg", "https"),
        ("http://[", "http"),
        ("C:\\x.jpg", "file"),
        ("a b://x", "file"),
        ("://x", "file"),
        ("", "file"),
        ("x.jpg?from=s3://bucket", "file"),
    ],
)
def test_schemes(uri: str, scheme: str) -> None:
    assert storage.scheme_of(uri) == scheme


@given(st.text())
def test_any_text_has_a_scheme(uri: str) -> None:
    assert storage.scheme_of(uri)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/data/x", "/data/x"),
        ("/data/x/", "/data/x"),
        ("file:///data/x", "/data/x"),
        ("file://localhost/data/x", "/data/x"),
        ("file:///data/a%20b%23c", "/data/a b#c"),
        ("/data/a%20b#c", "/data/a%20b#c"),
        ("s3://bucket/x/", "s3://bucket/x"),
        ("file://[/x", "/x"),
    ],
)
def test_absolute(uri: str, path: str) -> None:
    assert storage.absolute(uri) == path


def test_a_relative_path_starts_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("out") == str(tmp_path / "out")


def test_join_and_parent() -> None:
    assert storage.join("s3://b/x/", "/a/", "c.txt") == "s3://b/x/a/c.txt"
    assert storage.join("/data", "x") == "/data/x"
    assert storage.parent("/data/x/y") == "/data/x"
    assert storage.parent("/data/x/") == "/data"
    assert storage.parent("/x") == "/"
    assert storage.parent("s3://bucket/x.parquet") == "s3://bucket"


@pytest.mark.parametrize("uri", ["ftp://host/x", "https://host/x", "gs://bucket/x"])
def test_other_storages_than_supported_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        storage.exists(uri)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    uri = str(tmp_path / "new" / "folders" / "x.bin")
    storage.write(uri, b"one")
    storage.write(uri, b"two")
    assert storage.read(uri) == b"two"
    assert storage.exists(uri)
    assert storage.is_folder(str(tmp_path / "new"))
    assert not storage.is_folder(uri)


def test_a_write_that_fails_leaves_nothing_and_the_old_file_whole(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    (taken / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        storage.write(str(taken), b"a folder cannot be replaced by a file")
    with pytest.raises(TypeError):
        storage.write(str(tmp_path / "x"), None)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_listing_hides_what_is_unfinished(tmp_path: Path) -> None:
    for name in ("b.parquet", "deep/a.parquet", "c.txt"):
        storage.write(str(tmp_path / name), b"x")
    (tmp_path / f"{storage.TEMPORARY_PREFIX}abc.parquet").write_bytes(b"half")
    listed = [str(tmp_path / name) for name in ("b.parquet", "c.txt", "deep/a.parquet")]
    assert storage.list_files(str(tmp_path)) == listed
    assert storage.list_files(str(tmp_path), suffix=".parquet") == [listed[0], listed[2]]


def test_what_is_not_there_lists_as_nothing(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    assert storage.list_files(absent) == []
    assert storage.list_folders(absent) == []
    assert not storage.exists(absent)
    with pytest.raises(FileNotFoundError):
        storage.read(absent)


def test_folders_are_listed_one_deep(tmp_path: Path) -> None:
    for name in ("b/deep/x", "a/x"):
        storage.write(str(tmp_path / name), b"")
    storage.write(str(tmp_path / "file"), b"")
    assert storage.list_folders(str(tmp_path)) == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_patterns_match_files_only(tmp_path: Path) -> None:
    for name in ("a1.csv", "a2.csv", "b.csv", "a3/x.csv"):
        storage.write(str(tmp_path / name), b"")
    assert storage.glob_files(str(tmp_path / "a*")) == [
        str(tmp_path / "a1.csv"),
        str(tmp_path / "a2.csv"),
    ]


def test_removing_what_is_gone_is_fine(tmp_path: Path) -> None:
    uri = str(tmp_path / "x")
    storage.write(uri, b"x")
    storage.remove(uri)
    storage.remove(uri)
    assert not storage.exists(uri)


# --- photographs ------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shop = tmp_path / "shop"
    (shop / "images").mkdir(parents=True)
    (shop / "shoe.jpg").write_bytes(b"a shoe")
    (shop / "images" / "hat.jpg").write_bytes(b"a hat")
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    (tmp_path / "shop-next-door").mkdir()
    (tmp_path / "shop-next-door" / "x.jpg").write_bytes(b"theirs")
    return shop


def reader(root: Path | None, *, max_bytes: int = 1000, **policy: object) -> PhotoReader:
    at = None if root is None else str(root)
    return PhotoReader(ReadPolicy(**policy), root=at, max_bytes=max_bytes)  # type: ignore[arg-type]


def code(answer: Fetched | RowError) -> ErrorCode:
    assert isinstance(answer, RowError)
    assert answer.message
    assert not answer.retryable
    return answer.code


def test_photographs_come_in_the_order_asked_for_with_refusals_among_them(root: Path) -> None:
    uris = [str(root / "images" / "hat.jpg"), str(root / "no.jpg"), f"file://{root}/shoe.jpg"] * 20
    answers = reader(root, concurrency=8).read_many(uris)
    assert [a.code if isinstance(a, RowError) else a.data for a in answers] == [
        b"a hat",
        ErrorCode.NOT_FOUND,
        b"a shoe",
    ] * 20


def test_no_photographs_are_none(root: Path) -> None:
    assert reader(root).read_many([]) == []


@pytest.mark.parametrize(
    "uri",
    [
        "{root}/../secret.jpg",
        "{root}/images/../../secret.jpg",
        "{root}/../shop-next-door/x.jpg",
        "file://{root}/%2e%2e/secret.jpg",
        "/etc/passwd",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "{root}/..",
        "{root}",
        "~/.ssh/id_rsa",
    ],
)
def test_nothing_outside_the_manifests_folder_is_read(root: Path, uri: str) -> None:
    (answer,) = reader(root).read_many([uri.format(root=root)])
    assert code(answer) == ErrorCode.URI_NOT_ALLOWED


def test_a_link_out_of_the_folder_is_not_followed(root: Path) -> None:
    (root / "link.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "door").symlink_to(root.parent)
    for name in ("link.jpg", "door/secret.jpg"):
        (answer,) = reader(root).read_many([str(root / name)])
        assert code(answer) == ErrorCode.URI_NOT_ALLOWED


def test_a_link_within_the_folder_is_followed(root: Path) -> None:
    (root / "link.jpg").symlink_to(root / "shoe.jpg")
    (root.parent / "alias").symlink_to(root)
    assert reader(root).read_many([str(root / "link.jpg")]) == [Fetched(b"a shoe", retries=0)]
    assert reader(root.parent / "alias").read_many([str(root / "shoe.jpg")]) == [
        Fetched(b"a shoe", retries=0)
    ]


def test_without_a_local_folder_no_local_file_is_read(root: Path) -> None:
    (answer,) = reader(None).read_many([str(root / "shoe.jpg")])
    assert code(answer) == ErrorCode.URI_NOT_ALLOWED


@pytest.mark.parametrize("uri", ["https://host/x.jpg", "http://169.254.169.254/", "data://x"])
def test_schemes_that_are_not_allowed_are_refused_by_name(root: Path, uri: str) -> None:
    (answer,) = reader(root).read_many([uri])
    assert code(answer) == ErrorCode.URI_NOT_ALLOWED
    assert repr(storage.scheme_of(uri)) in str(answer)


def test_local_files_may_be_forbidden(root: Path) -> None:
    (answer,) = reader(root, allowed_schemes=("s3",)).read_many([str(root / "shoe.jpg")])
    assert code(answer) == ErrorCode.URI_NOT_ALLOWED


@pytest.mark.parametrize("name", ["absent.jpg", "images", "images/hat.jpg/x", "x" * 300])
def test_what_is_no_file_is_not_found(root: Path, name: str) -> None:
    (answer,) = reader(root).read_many([str(root / name)])
    assert code(answer) == ErrorCode.NOT_FOUND


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    (answer,) = reader(root).read_many([str(root / "pipe.jpg")])
    assert code(answer) == ErrorCode.NOT_FOUND


def test_a_link_in_a_circle_is_not_found(root: Path) -> None:
    (root / "loop.jpg").symlink_to(root / "loop.jpg")
    (answer,) = reader(root).read_many([str(root / "loop.jpg")])
    assert code(answer) == ErrorCode.NOT_FOUND


@pytest.mark.parametrize("uri", ["{root}/a\0b.jpg", "file://{root}/a%00b.jpg", "\0"])
def test_a_nul_character_is_a_bad_request(root: Path, uri: str) -> None:
    (answer,) = reader(root).read_many([uri.format(root=root)])
    assert code(answer) == ErrorCode.BAD_REQUEST


def test_a_file_of_exactly_the_most_bytes_is_read_and_one_more_refused(root: Path) -> None:
    path = str(root / "shoe.jpg")
    assert reader(root, max_bytes=6).read_many([path]) == [Fetched(b"a shoe", retries=0)]
    (answer,) = reader(root, max_bytes=5).read_many([path])
    assert code(answer) == ErrorCode.TOO_MANY_BYTES


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_we_may_not_read_is_access_denied(root: Path) -> None:
    (root / "shoe.jpg").chmod(0)
    (answer,) = reader(root).read_many([str(root / "shoe.jpg")])
    assert isinstance(answer, TransientError)
    assert answer.code == ErrorCode.ACCESS_DENIED


@pytest.mark.parametrize(
    ("fault", "expected", "retryable"),
    [
        (errno.EACCES, ErrorCode.ACCESS_DENIED, True),
        (errno.EIO, ErrorCode.STORAGE, True),
        (errno.ESTALE, ErrorCode.STORAGE, True),
        (errno.EMFILE, ErrorCode.STORAGE, True),
        (errno.ENAMETOOLONG, ErrorCode.NOT_FOUND, False),
        (errno.ENOTDIR, ErrorCode.NOT_FOUND, False),
        (errno.ELOOP, ErrorCode.NOT_FOUND, False),
    ],
)
def test_a_disk_that_fails_is_for_the_next_run_and_a_name_that_is_none_is_not(
    root: Path, monkeypatch: pytest.MonkeyPatch, fault: int, expected: ErrorCode, *, retryable: bool
) -> None:
    def failing(*_: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(Path, "open", failing)
    (answer,) = reader(root).read_many([str(root / "shoe.jpg")])
    assert isinstance(answer, RowError)
    assert (answer.code, answer.retryable) == (expected, retryable)


def test_an_empty_file_is_read_as_such(root: Path) -> None:
    (root / "empty.jpg").touch()
    assert reader(root).read_many([str(root / "empty.jpg")]) == [Fetched(b"", retries=0)]


@given(name=st.text(max_size=40))
def test_no_name_can_break_the_reader_or_lead_outside(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "nothing-in-it"
    folder.mkdir(exist_ok=True)
    (answer,) = reader(folder, concurrency=1).read_many([storage.join(str(folder), name)])
    assert isinstance(answer, RowError)
