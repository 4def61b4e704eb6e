from __future__ import annotations

import errno
import io
import pickle
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, TransientError
from pipeline.storage.retry import Backoff
from pipeline.storage.s3 import objects
from pipeline.storage.s3.connection import Settings, connection
from pipeline.storage.s3.objects import Objects
from tests.faults import FaultyProxy
from tests.unit.storage.conftest import SECRET, Fill, PointAt


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder to work in: what a local path can do, an object store can."""
    if request.param == "local":
        return str(tmp_path / "there")
    return f"{request.getfixturevalue('bucket')}/there"


def head(uri: str) -> dict:
    name, _, key = uri.removeprefix("s3://").partition("/")
    return boto3.client("s3").head_object(Bucket=name, Key=key)


def told(act: Callable[[], object], kind: type[Exception]) -> str:
    """What an exception says, its whole traceback checked for secrets."""
    with pytest.raises(kind) as caught:
        act()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_of_several_who_create_an_object_one_prevails(root: str) -> None:
    uri = storage.join(root, "one")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: storage.create(uri, b"%d" % n), range(8)))
    assert made.count(True) == 1
    assert storage.read(uri) == b"%d" % made.index(True)
    assert storage.create(uri, storage.read(uri))
    assert storage.list_files(root) == [uri]


def test_an_object_is_created_though_the_answer_was_lost(
    bucket: str, s3_port: int, point_at: PointAt, quick: Backoff
) -> None:
    with FaultyProxy(s3_port, seed=3, slow_down=0, reset=0.5, delay=0) as proxy:
        point_at(proxy.url)
        store = Objects(connection(), backoff=quick)
        for number in range(12):
            assert store.create(f"{bucket}/{number}", b"mine", content_type=None)
    assert proxy.counts["reset"] > 3


@pytest.mark.parametrize("is_there", [False, True])
def test_a_disk_without_links_has_created_files_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    uri = str(tmp_path / "one")
    if is_there:
        storage.write(uri, b"theirs")
    assert storage.create(uri, b"mine") is not is_there
    assert storage.read(uri) == (b"theirs" if is_there else b"mine")
    assert storage.list_files(str(tmp_path)) == [uri]


def test_what_is_written_is_read_replaced_and_removed(root: str) -> None:
    uri = storage.join(root, "a folder", "b+c%20d.bin")
    assert not storage.exists(uri)
    assert storage.write(uri, b"one") == 0
    assert storage.read(uri) == b"one"
    assert storage.exists(uri)
    storage.write(uri, b"")
    assert storage.read(uri) == b""
    storage.remove(uri)
    storage.remove(uri)
    with pytest.raises(FileNotFoundError):
        storage.read(uri)


def test_folders_and_their_files(root: str) -> None:
    for name in ("b/2.parquet", "b/1.parquet", "b/deep/3.parquet", "c.txt", "b2/4.txt"):
        storage.write(storage.join(root, name), b"x")
    assert storage.is_folder(root)
    assert storage.exists(root)
    assert storage.is_folder(storage.join(root, "b"))
    assert not storage.is_folder(storage.join(root, "c.txt"))
    assert not storage.is_folder(storage.join(root, "c"))
    assert not storage.exists(storage.join(root, "c"))
    assert storage.list_folders(root) == [f"{root}/b", f"{root}/b2"]
    assert storage.list_files(root, suffix=".parquet") == [
        f"{root}/b/{name}.parquet" for name in ("1", "2", "deep/3")
    ]
    assert storage.list_files(storage.join(root, "nowhere")) == []
    assert storage.list_folders(storage.join(root, "nowhere")) == []


def test_sizes_are_those_of_all_finished_files_below(root: str) -> None:
    assert storage.sizes(root) == {}
    written = {"a.txt": b"", "b/c.txt": b"xyz", "b/d/e.bin": b"12"}
    for name, data in written.items():
        storage.write(storage.join(root, name), data)
    wanted = {storage.join(root, name): len(data) for name, data in written.items()}
    assert storage.sizes(root) == wanted
    below = storage.join(root, "b")
    assert storage.sizes(below) == {uri: n for uri, n in wanted.items() if uri.startswith(below)}
    if storage.scheme_of(root) == "file":
        Path(root, f"{storage.TEMPORARY_PREFIX}1").write_bytes(b"half")
        assert storage.sizes(root) == wanted


def test_patterns(root: str) -> None:
    for name in ("a1.parquet", "a2.parquet", "b1.parquet", "deep/a3.parquet", "deep/er/a4.parquet"):
        storage.write(storage.join(root, name), b"x")

    def names(pattern: str) -> list[str]:
        found = storage.glob_files(storage.join(root, pattern))
        return [uri.removeprefix(f"{root}/") for uri in found]

    assert names("a*.parquet") == ["a1.parquet", "a2.parquet"]
    assert names("[ab]1.parquet") == ["a1.parquet", "b1.parquet"]
    assert names("*/a?.parquet") == ["deep/a3.parquet"]
    assert names("**/a*.parquet") == [
        "a1.parquet",
        "a2.parquet",
        "deep/a3.parquet",
        "deep/er/a4.parquet",
    ]
    assert names("z*") == []


def test_more_files_than_one_page_of_a_listing(bucket: str, fill: Fill) -> None:
    keys = [f"n/{number:04d}" for number in range(1005)]
    fill(dict.fromkeys(keys, b""))
    assert storage.list_files(f"{bucket}/n") == [f"{bucket}/{key}" for key in keys]


@pytest.mark.parametrize("name", ["rows.parquet", "deep/rows.parquet"])
def test_arrow_reads_what_was_written_and_travels_pickled(root: str, name: str) -> None:
    table = pa.table({"id": list(range(5000)), "text": [f"row {n}" for n in range(5000)]})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=500)
    uri = storage.join(root, name)
    storage.write(uri, sink.getvalue())
    filesystem, path = pickle.loads(pickle.dumps(storage.arrow_filesystem(uri)))
    assert pq.read_table(path, filesystem=filesystem, columns=["id"]).equals(table.select(["id"]))
    with pq.ParquetFile(path, filesystem=filesystem) as file:
        assert file.read_row_group(3).equals(table.slice(1500, 500))
    _, folder = storage.arrow_filesystem(root)
    assert pads.dataset(folder, filesystem=filesystem).count_rows() == 5000


def test_arrow_reads_no_more_than_it_needs(bucket: str, s3_port: int, point_at: PointAt) -> None:
    picture = pa.array([bytes([n % 251]) * 2**16 for n in range(256)], pa.binary())
    table = pa.table({"id": pa.array(range(256)), "picture": picture})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    uri = f"{bucket}/rows.parquet"
    storage.write(uri, sink.getvalue())
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        filesystem, path = storage.arrow_filesystem(uri)
        assert pq.read_table(path, columns=["id"], filesystem=filesystem)["id"].to_pylist() == list(
            range(256)
        )
        assert proxy.counts["bytes_sent"] < 2**20 < len(sink.getvalue()) / 10


def test_a_missing_file_is_missing_for_arrow_too(bucket: str) -> None:
    filesystem, path = storage.arrow_filesystem(f"{bucket}/none.parquet")
    with pytest.raises(FileNotFoundError):
        pq.read_table(path, filesystem=filesystem)
    with pytest.raises(FileNotFoundError):
        filesystem.open_input_file(path)


def test_the_content_type_is_stored(bucket: str) -> None:
    storage.write(f"{bucket}/a.jpg", b"x", content_type="image/jpeg")
    assert head(f"{bucket}/a.jpg")["ContentType"] == "image/jpeg"


def test_large_objects_go_in_parts(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "SINGLE_PUT_BYTES", 11 * 2**20)
    monkeypatch.setattr(objects, "PART_BYTES", 5 * 2**20)
    data = bytes(range(256)) * (47 * 2**10)  # 11.75 MiB: two parts and a bit
    storage.write(f"{bucket}/large.png", data, content_type="image/png")
    found = head(f"{bucket}/large.png")
    assert found["ETag"].endswith('-3"')
    assert found["ContentType"] == "image/png"
    assert storage.read(f"{bucket}/large.png") == data


def test_an_upload_that_fails_leaves_no_parts(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "SINGLE_PUT_BYTES", 2**20)
    monkeypatch.setattr(objects, "PART_BYTES", 2**20)  # S3 wants 5 MiB, and says so at the end
    assert "EntityTooSmall" in told(lambda: storage.write(f"{bucket}/a", bytes(2**22)), OSError)
    uploads = boto3.client("s3").list_multipart_uploads(Bucket=bucket.removeprefix("s3://"))
    assert "Uploads" not in uploads
    assert not storage.exists(f"{bucket}/a")


def test_a_missing_bucket_is_said_to_be_missing(s3_url: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: storage.read("s3://no-such-bucket/a"),
        lambda: storage.write("s3://no-such-bucket/a", b"x"),
        lambda: storage.list_files("s3://no-such-bucket/a"),
        lambda: storage.list_folders("s3://no-such-bucket"),
        lambda: storage.exists("s3://no-such-bucket/a"),
        lambda: storage.glob_files("s3://no-such-bucket/*.parquet"),
    ]
    for call in calls:
        assert "bucket 'no-such-bucket' does not exist" in told(call, FileNotFoundError)


def test_a_refusal_names_the_bucket_and_the_way_out(
    bucket: str, s3_port: int, point_at: PointAt
) -> None:
    name = bucket.removeprefix("s3://")
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0, denied_prefix=name) as proxy:
        point_at(proxy.url)
        for call in (
            lambda: storage.read(f"{bucket}/a"),
            lambda: storage.write(f"{bucket}/a", b"x"),
            lambda: storage.exists(f"{bucket}/a"),
            lambda: storage.list_files(bucket),
            lambda: storage.remove(f"{bucket}/a"),
        ):
            message = told(call, PermissionError)
            assert repr(name) in message
            assert "AWS_PROFILE" in message
        # Once each; an answer to HEAD does not say why, so that `exists` asks for that.
        assert proxy.counts["denied"] == proxy.counts["requests"] == 6


def test_no_credentials_at_all(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    storage.disconnect()
    message = told(lambda: storage.read(f"{bucket}/a"), PermissionError)
    assert "no credentials" in message
    assert "BACKLOT_S3_ANONYMOUS" in message


def test_a_public_bucket_needs_no_credentials(bucket: str, monkeypatch) -> None:
    storage.write(f"{bucket}/a", b"public")
    name = bucket.removeprefix("s3://")
    boto3.client("s3").put_object_acl(Bucket=name, Key="a", ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("BACKLOT_S3_ANONYMOUS", "1")
    storage.disconnect()
    assert storage.read(f"{bucket}/a") == b"public"


@pytest.mark.parametrize("style", ["path", "auto"])
def test_addressing_style(bucket: str, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    monkeypatch.setenv("BACKLOT_S3_ADDRESSING_STYLE", style)
    storage.disconnect()
    storage.write(f"{bucket}/a", b"x")
    assert storage.read(f"{bucket}/a") == b"x"


@pytest.mark.parametrize("name", ["BACKLOT_S3_ANONYMOUS", "BACKLOT_S3_ADDRESSING_STYLE"])
def test_a_setting_that_cannot_be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "perhaps")
    with pytest.raises(ValueError, match=name):
        Settings.from_environment()


def test_places_that_are_none(s3_url: str) -> None:
    assert "gs" in told(lambda: storage.read("gs://bucket/a"), ValueError)
    assert "no bucket" in told(lambda: storage.read("s3:///a"), ValueError)
    assert "bucket" in told(lambda: storage.read("s3://Not A Bucket!/a"), ValueError)


def test_every_verb_outlives_a_faulty_store(
    bucket: str, s3_port: int, point_at: PointAt, quick: Backoff
) -> None:
    with FaultyProxy(s3_port, seed=5, slow_down=0.2, reset=0.15, delay=0.02) as proxy:
        point_at(proxy.url)
        store = Objects(connection(), backoff=quick)
        # Which requests are hit follows from the bucket's name, and so from which tests ran
        # before: with so many requests the shares hold whatever it is.
        contents = {f"{bucket}/f/{n:03d}": bytes([n]) * 5000 for n in range(100)}
        retries = [store.write(uri, data, content_type=None) for uri, data in contents.items()]
        assert {uri: store.read(uri) for uri in contents} == contents
        assert store.list_files(f"{bucket}/f", suffix="") == list(contents)
        store.remove(f"{bucket}/f/000")
        assert not store.exists(f"{bucket}/f/000")
    assert sum(retries) > 5
    assert proxy.counts["slow_down"] > 5
    assert proxy.counts["reset"] > 3


def test_a_store_that_stays_down_is_told_apart(
    bucket: str, s3_port: int, point_at: PointAt
) -> None:
    backoff = Backoff(attempts=3, first_s=0.001)
    with FaultyProxy(s3_port, seed=0, slow_down=1.0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        store = Objects(connection(), backoff=backoff)
        message = told(lambda: store.read(f"{bucket}/a"), TransientError)
        assert proxy.counts["requests"] == 3
    assert message.startswith(ErrorCode.STORAGE)
    assert "SlowDown (HTTP 503), 3 times" in message
    # Nobody listens there any more.
    message = told(lambda: store.write(f"{bucket}/a", b"x", content_type=None), TransientError)
    assert "no connection to 127.0.0.1" in message


def test_waiting_grows_to_a_bound() -> None:
    backoff = Backoff(first_s=1.0, longest_s=4.0)
    longest = [max(backoff.delay(retry) for _ in range(400)) for retry in range(6)]
    for seen, bound in zip(longest, [1, 2, 4, 4, 4, 4], strict=True):
        assert 0.9 * bound < seen <= bound
