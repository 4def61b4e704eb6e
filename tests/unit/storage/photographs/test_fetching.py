from __future__ import annotations

import gzip
import time
from pathlib import Path

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.stages.fetch import FetchConfig, FetchMapper
from pipeline.storage import Fetched, PhotoReader, ReadPolicy
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3.connection import connection
from tests.faults import FaultyProxy
from tests.unit.storage.conftest import Fill, PointAt


def reader(
    root: str, *, max_bytes: int = 2**20, backoff: Backoff = BACKOFF, **policy: object
) -> PhotoReader:
    return PhotoReader(ReadPolicy(**policy), root=root, max_bytes=max_bytes, backoff=backoff)


def code(outcome: Fetched | RowError) -> ErrorCode:
    assert isinstance(outcome, RowError)
    return outcome.code


def test_200_objects_through_a_faulty_store(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt, quick: Backoff
) -> None:
    contents = {f"{n:03d}.jpg": bytes([n]) * (1000 + 700 * n) for n in range(200)}
    fill(contents)
    with FaultyProxy(s3_port, seed=1, slow_down=0.2, reset=0.1, delay=0.02) as proxy:
        point_at(proxy.url)
        outcomes = reader(bucket, backoff=quick).read_many([f"{bucket}/{key}" for key in contents])
    found = [outcome for outcome in outcomes if isinstance(outcome, Fetched)]
    assert [one.data for one in found] == list(contents.values())
    faults = proxy.counts["slow_down"] + proxy.counts["reset"]
    assert proxy.counts["requests"] == 200 + faults
    # aiohttp itself repeats a request whose kept-alive connection turns out to be dead.
    assert 40 < proxy.counts["slow_down"] <= sum(one.retries for one in found) <= faults


def test_why_an_object_cannot_be_had(bucket: str, s3_port: int, point_at: PointAt) -> None:
    name = bucket.removeprefix("s3://")
    storage.write(f"{bucket}/private/a.jpg", b"x")
    storage.write(f"{bucket}/a.jpg", b"x")
    with FaultyProxy(
        s3_port, seed=0, slow_down=0, reset=0, delay=0, denied_prefix=f"{name}/private"
    ) as proxy:
        point_at(proxy.url)
        others = ("s3://no-such-bucket",)
        good, *refused = reader(bucket, allowed_prefixes=others).read_many(
            [
                f"{bucket}/a.jpg",
                f"{bucket}/none.jpg",
                "s3://no-such-bucket/a.jpg",
                f"{bucket}/private/a.jpg",
                "s3://Not A Bucket!/a.jpg",
                bucket,
                "s3://",
                "gs://bucket/a.jpg",
                "https://example.com/a.jpg",
                "/etc/hostname",
            ]
        )
        assert proxy.counts["requests"] == 4  # none of them twice
    assert good == Fetched(b"x", 0)
    assert [code(outcome) for outcome in refused] == [
        ErrorCode.NOT_FOUND,
        ErrorCode.NOT_FOUND,
        ErrorCode.ACCESS_DENIED,
        ErrorCode.BAD_REQUEST,
        ErrorCode.BAD_REQUEST,
        ErrorCode.BAD_REQUEST,
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.URI_NOT_ALLOWED,
    ]
    # What is refused may be allowed tomorrow, and nothing about the row will have changed then.
    assert [code(outcome) for outcome in refused if outcome.retryable] == [ErrorCode.ACCESS_DENIED]


def test_a_store_that_stays_down_is_for_the_next_run(
    bucket: str, s3_port: int, point_at: PointAt
) -> None:
    with FaultyProxy(s3_port, seed=0, slow_down=1.0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        started = time.monotonic()
        (outcome,) = reader(bucket, backoff=Backoff(attempts=4, first_s=0.001)).read_many(
            [f"{bucket}/a"]
        )
        assert time.monotonic() - started < 2
        assert proxy.counts["requests"] == 4
    assert isinstance(outcome, TransientError)
    assert outcome.code is ErrorCode.STORAGE


def test_an_object_too_large_is_refused_before_its_body(
    bucket: str, s3_port: int, point_at: PointAt
) -> None:
    size = 48 * 2**20
    storage.write(f"{bucket}/large", bytes(size))
    storage.write(f"{bucket}/exact", bytes(1000))
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        large, exact = reader(bucket, max_bytes=1000).read_many(
            [f"{bucket}/large", f"{bucket}/exact"]
        )
        assert proxy.counts["bytes_sent"] < size / 2  # what the sockets' buffers took
    assert code(large) is ErrorCode.TOO_MANY_BYTES
    assert f"{size} bytes" in str(large)
    assert exact == Fetched(bytes(1000), 0)


def test_no_more_reads_at_once_than_allowed(bucket: str, s3_port: int, point_at: PointAt) -> None:
    for number in range(4):
        storage.write(f"{bucket}/{number}", b"x")
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=1.0) as proxy:
        point_at(proxy.url)
        uris = [f"{bucket}/{number}" for number in range(4)]
        one_by_one, at_once = reader(bucket, concurrency=1), reader(bucket, concurrency=4)
        one_by_one.read_many(uris[:1])  # connects
        one_by_one.read_many(uris)
        assert proxy.most_at_once == 1
        at_once.read_many(uris)
        assert 1 < proxy.most_at_once <= 4


def test_local_files_of_the_manifests_folder_and_no_others(tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    root.mkdir()
    (root / "a.jpg").write_bytes(b"picture")
    (root / "large.jpg").write_bytes(bytes(2000))
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.jpg").symlink_to(tmp_path / "secret.txt")
    local = PhotoReader(ReadPolicy(), root=str(root), max_bytes=1000)
    good, *refused = local.read_many(
        [
            str(root / "a.jpg"),
            str(root / "none.jpg"),
            str(root / "large.jpg"),
            str(root / "link.jpg"),
            str(root / ".." / "secret.txt"),
            f"{root}2/a.jpg",
            str(root / "a\0.jpg"),
            str(root),
        ]
    )
    assert good == Fetched(b"picture", 0)
    assert not any(outcome.retryable for outcome in refused)
    assert [code(outcome) for outcome in refused] == [
        ErrorCode.NOT_FOUND,
        ErrorCode.TOO_MANY_BYTES,
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.BAD_REQUEST,
        ErrorCode.URI_NOT_ALLOWED,
    ]


def test_why_a_local_file_lies_outside(tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    root.mkdir()
    (root / "a.jpg").write_bytes(b"picture")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.jpg").write_bytes(b"picture")
    (root / "b.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    (root / "elsewhere").symlink_to(tmp_path / "elsewhere")
    local = PhotoReader(ReadPolicy(), root=str(root), max_bytes=1000)

    def said(path: str) -> str:
        (error,) = local.read_many([path])
        return str(error)

    for link in ("b.jpg", "elsewhere/b.jpg", "elsewhere/none.jpg"):
        assert "uri_not_allowed" in said(f"{root}/{link}")
        assert "leads out of the manifest's folder" in said(f"{root}/{link}")
        assert "through a link" in said(f"{root}/{link}")
    assert "without the slash before it" in said("/a.jpg")
    assert "put the pictures below it" in said("/none.jpg")
    assert "put the pictures below it" in said("/")
    for folder in (".", "nowhere/..", ""):
        assert "uri_not_allowed" in said(f"{root}/{folder}")
        assert "is no file, but the manifest's folder" in said(f"{root}/{folder}")


def test_the_fetch_stage_says_how_often_storage_was_asked_again(
    s3_url: str, s3_port: int, point_at: PointAt
) -> None:
    # Which requests are hit follows from their paths: a name of its own, and not the next number.
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("often-asked", "us-east-1")
    bucket = "s3://often-asked"
    storage.write(f"{bucket}/a", b"one")
    storage.write(f"{bucket}/empty", b"")
    rows = [
        {"image_uri": f"{bucket}/a", "image_input": None, "mask_uri": None, "reference_uris": []},
        {"image_uri": None, "image_input": b"two", "mask_uri": None, "reference_uris": []},
        {
            "image_uri": f"{bucket}/empty",
            "image_input": None,
            "mask_uri": None,
            "reference_uris": [],
        },
        {
            "image_uri": f"{bucket}/none",
            "image_input": None,
            "mask_uri": None,
            "reference_uris": [],
        },
    ]
    with FaultyProxy(s3_port, seed=2, slow_down=0.5, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        first, second, *refused = FetchMapper(FetchConfig(), root=bucket).map_batch(rows)
        assert proxy.counts["slow_down"] > 0
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["image_bytes"] == b"one"
    assert second["image_bytes"] == b"two"
    assert first["fetch_retries"] >= 0
    assert second["fetch_retries"] == 0
    assert [outcome.code for outcome in refused] == [ErrorCode.EMPTY_FILE, ErrorCode.NOT_FOUND]


def test_objects_that_were_stored_compressed(bucket: str) -> None:
    picture = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
    stored = {
        "a.jpg": ("gzip", gzip.compress(picture)),
        "b.jpg": ("gzip", picture),
        "c.jpg": ("aws-chunked", picture),
        "d.jpg": ("aws-chunked,gzip", gzip.compress(picture)),
    }

    async def put() -> None:
        client = await connection().s3()
        name = bucket.removeprefix("s3://")
        for key, (encoding, body) in stored.items():
            await client.put_object(Bucket=name, Key=key, Body=body, ContentEncoding=encoding)

    connection().run(put())
    uris = [f"{bucket}/{key}" for key in stored]
    assert reader(bucket).read_many(uris) == [Fetched(picture, 0)] * 4
    assert [code(one) for one in reader(bucket, max_bytes=5000).read_many(uris[:1])] == [
        ErrorCode.TOO_MANY_BYTES
    ]
