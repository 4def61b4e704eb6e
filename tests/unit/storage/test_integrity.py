"""Bytes held against what the storage says of them, from a real server through one that lies."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import boto3
import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage import Fetched, PhotoReader, ReadPolicy
from pipeline.storage.integrity import doubt_of, md5_of
from pipeline.storage.retry import BACKOFF, Backoff
from tests import faults
from tests.faults import FaultyProxy, Lie
from tests.unit.storage.conftest import Fill, PointAt

DATA = bytes(range(256)) * 20
OTHER = b"something else"
LIES = (faults.shortened, faults.flipped, faults.page, faults.emptied)


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def said(data: bytes) -> dict[str, dict[str, str]]:
    """Headers that state a checksum of `data`, one by one."""
    md5, sha1 = hashlib.md5(data).digest(), hashlib.sha1(data).digest()
    sha256, sha512 = hashlib.sha256(data).digest(), hashlib.sha512(data).digest()
    return {
        "amazon crc32": {"x-amz-checksum-crc32": b64(zlib.crc32(data).to_bytes(4, "big"))},
        "amazon sha1": {"x-amz-checksum-sha1": b64(sha1)},
        "amazon sha256": {"x-amz-checksum-sha256": b64(sha256)},
        "content-md5": {"content-md5": b64(md5)},
        "in hexadecimal": {"content-md5": md5.hex()},
        "sha-256 in hexadecimal": {"digest": f"SHA-256={sha256.hex()}"},
        "rfc 3230": {"digest": f"SHA-256={b64(sha256)}, MD5={b64(md5)}"},
        "rfc 3230 sha": {"digest": f"SHA={b64(sha1)}"},
        "rfc 9530": {"repr-digest": f"sha-512=:{b64(sha512)}:"},
        "content": {"content-digest": f"sha-256=:{b64(sha256)}:, sha-512=:{b64(sha512)}:"},
        "google": {"x-goog-hash": f"crc32c=n03x6A==, md5={b64(md5)}"},
    }


@pytest.mark.parametrize("kind", said(b""))
def test_every_checksum_is_compared(kind: str) -> None:
    assert doubt_of(DATA, said(DATA)[kind], md5=None) is None
    doubt = doubt_of(DATA, said(OTHER)[kind], md5=None)
    assert doubt is not None
    assert doubt.differs
    assert "the storage says" in doubt.reason


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"etag": '"abc"'},
        {"etag": f'W/"{hashlib.md5(DATA).hexdigest()}"'},
        {"etag": f'"{hashlib.md5(OTHER).hexdigest()}"'},  # on the web an ETag may be anything
        {"x-amz-checksum-crc32c": "n03x6A=="},  # not to be computed here
        {"x-amz-checksum-crc64nvme": "n03x6An03x6="},
        {"x-amz-checksum-sha256": f"{b64(hashlib.sha256(OTHER).digest())}-3"},  # in parts
        {"content-md5": "no base64 at all"},
        {"digest": "nonsense"},
        {"digest": "SHA-256=, MD5="},
        {"content-md5": b64(hashlib.sha256(OTHER).digest())},
        {"content-md5": hashlib.md5(OTHER).hexdigest()[:30]},
    ],
)
def test_what_says_nothing_leaves_a_doubt_that_names_the_bytes(headers: dict[str, str]) -> None:
    doubt = doubt_of(DATA, headers, md5=None)
    assert doubt is not None
    assert not doubt.differs
    assert hashlib.sha256(DATA).hexdigest()[:16] in doubt.reason
    assert doubt == doubt_of(DATA, headers, md5=None)
    assert doubt != doubt_of(OTHER, headers, md5=None)


def test_an_etag_is_the_md5_where_nothing_says_otherwise() -> None:
    etag = {"etag": f'"{hashlib.md5(OTHER).hexdigest()}"'}
    assert md5_of(etag) == hashlib.md5(OTHER).hexdigest()
    assert md5_of({**etag, "x-amz-server-side-encryption": "AES256"}) == md5_of(etag)
    doubt = doubt_of(DATA, etag, md5=md5_of(etag))
    assert doubt is not None
    assert doubt.differs
    for other in (
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption": "aws:kms:dsse"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"x-amz-storage-class": "EXPRESS_ONEZONE"},
    ):
        assert md5_of({**etag, **other}) is None
    assert md5_of({"etag": f'"{hashlib.md5(OTHER).hexdigest()}-2"'}) is None
    assert md5_of({"etag": ""}) is None
    # Whoever's keys it was encrypted with: what agrees is no accident.
    assert doubt_of(OTHER, {**etag, "x-amz-server-side-encryption": "aws:kms"}, md5=None) is None


@contextmanager
def liar(
    s3_port: int, point_at: PointAt, lies: Mapping[str, Lie], unsaid: tuple[str, ...] = ()
) -> Iterator[FaultyProxy]:
    quiet = {"slow_down": 0.0, "reset": 0.0, "delay": 0.0}
    with FaultyProxy(s3_port, seed=0, lies=lies, unsaid=unsaid, **quiet) as proxy:
        point_at(proxy.url)
        yield proxy


def read(*uris: str, backoff: Backoff = BACKOFF) -> list[Fetched | RowError]:
    photographs = PhotoReader(
        ReadPolicy(), root=uris[0].rpartition("/")[0], max_bytes=2**20, backoff=backoff
    )
    return photographs.read_many(uris)


def once(lie: Lie) -> Lie:
    return lambda body, time: lie(body, time) if time == 1 else body


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_told_once_costs_one_request(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt, lie: Lie
) -> None:
    fill({"a": DATA})
    name = bucket.removeprefix("s3://")
    with liar(s3_port, point_at, {name: once(lie)}) as proxy:
        assert read(f"{bucket}/a") == [Fetched(DATA, 1)]
        assert proxy.counts["requests"] == 2
        assert storage.read(f"{bucket}/a") == DATA


@pytest.mark.parametrize("lie", LIES)
def test_bytes_that_differ_from_their_md5_twice_are_in_doubt(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt, lie: Lie
) -> None:
    fill({"a": DATA})
    with liar(s3_port, point_at, {bucket.removeprefix("s3://"): lie}) as proxy:
        (found,) = read(f"{bucket}/a")
        assert proxy.counts["requests"] == 2
    assert isinstance(found, Fetched)
    assert found.data == lie(DATA, 1)
    assert found.doubt is not None
    assert found.doubt.differs
    assert hashlib.md5(DATA).hexdigest() in found.doubt.reason


def test_bytes_that_are_others_each_time_are_for_the_next_run(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt
) -> None:
    fill({"a": DATA})
    with liar(s3_port, point_at, {"": lambda body, time: body[:-time]}):
        (outcome,) = read(f"{bucket}/a")
    assert isinstance(outcome, TransientError)
    assert outcome.code is ErrorCode.STORAGE
    assert "damaged" in outcome.message


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_checksum_of_the_stores_own_must_agree(
    bucket: str, s3_url: str, s3_port: int, point_at: PointAt, quick: Backoff, algorithm: str
) -> None:
    client = boto3.client("s3", endpoint_url=s3_url)
    name = bucket.removeprefix("s3://")
    client.put_object(Bucket=name, Key="a", Body=DATA, ChecksumAlgorithm=algorithm)
    with liar(s3_port, point_at, {name: faults.flipped}, unsaid=("etag",)) as proxy:
        (outcome,) = read(f"{bucket}/a", backoff=quick)
        proxy.lies = {}
        assert read(f"{bucket}/a") == [Fetched(DATA, 0)]
    assert isinstance(outcome, TransientError)
    assert outcome.code is ErrorCode.STORAGE
    assert "checksum" in outcome.message


def test_a_store_that_says_nothing_of_an_object_but_its_bytes(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt
) -> None:
    fill({"a": DATA})
    with liar(s3_port, point_at, {}, unsaid=("etag", "last-modified", "date")):
        (found,) = read(f"{bucket}/a")
        assert storage.read(f"{bucket}/a") == DATA
    assert isinstance(found, Fetched)
    assert found.data == DATA
    assert found.doubt is not None
    assert not found.doubt.differs


@pytest.mark.parametrize("lie", [faults.shortened, faults.emptied, lambda body, _: body * 3])
def test_a_part_that_has_not_the_length_asked_for_is_asked_for_again(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt, lie: Lie
) -> None:
    fill({"a": DATA})
    with liar(s3_port, point_at, {f"{bucket.removeprefix('s3://')}/a": once(lie)}) as proxy:
        filesystem, path = storage.arrow_filesystem(f"{bucket}/a")
        with filesystem.open_input_file(path) as file:
            file.seek(1000)
            assert file.read(2000) == DATA[1000:3000]
        assert proxy.counts["lies"] == 2
