"""Objects whose ETags are 32 hexadecimal digits and no MD5: those encrypted with keys of a KMS."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.manifest.reader import open_manifest
from pipeline.models.weights import MANIFEST, Checkpoint, locate
from pipeline.stages.local_weights import bring_weights
from pipeline.storage import Fetched, Lease, PhotoReader, ReadPolicy
from pipeline.storage.s3 import mirroring, objects
from tests.small_s3 import Manners, SmallS3

KMS = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:111122223333:key/k",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
}
ENCRYPTED: dict[str, Mapping[str, str]] = {
    "SSE-KMS": {name: KMS[name] for name in [*KMS][:2]},
    "SSE-KMS with a bucket key": KMS,
    "DSSE-KMS": {**KMS, "x-amz-server-side-encryption": "aws:kms:dsse"},
    "SSE-C": {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
}
SMALL, LARGE = b"small", bytes(range(256)) * 4
SUMS = "".join(
    f"{hashlib.sha256(data).hexdigest()}  {name}.safetensors\n"
    for name, data in (("small", SMALL), ("large", LARGE))
).encode()


Use = Callable[[Manners], Counter[tuple[str, str]]]


def no_md5(md5: str) -> str:
    """An ETag that looks like one."""
    return f'"{hashlib.md5(md5.encode(), usedforsecurity=False).hexdigest()}"'


@pytest.fixture
def use(store: SmallS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Do everything once; the requests that it took, by method and object."""
    numbers = itertools.count()

    def do(manners: Manners) -> Counter[tuple[str, str]]:
        monkeypatch.setenv(mirroring.CACHE_VARIABLE, str(tmp_path / f"cache-{next(numbers)}"))
        store.forget()
        store.manners = manners
        storage.write("s3://shop/w/small.safetensors", SMALL)
        storage.write(f"s3://shop/w/{MANIFEST}", SUMS)
        storage.write("s3://shop/w/large.safetensors", LARGE)  # in parts
        assert storage.create("s3://shop/made", b"first")
        assert not storage.create("s3://shop/made", b"second")
        sink = BytesIO()
        pq.write_table(pa.table({"id": ["a"], "image_uri": ["w/large.safetensors"]}), sink)
        storage.write("s3://shop/manifest.parquet", sink.getvalue())
        assert storage.read("s3://shop/w/large.safetensors") == LARGE
        assert open_manifest("s3://shop/manifest.parquet").count() == 1
        pinned = Checkpoint(uri="s3://shop/w", manifest_sha256=hashlib.sha256(SUMS).hexdigest())
        copy = locate(bring_weights(pinned))
        assert (copy / "large.safetensors").read_bytes() == LARGE
        (read,) = PhotoReader(ReadPolicy(), root="s3://shop", max_bytes=9999).read_many(
            ["s3://shop/w/large.safetensors"]
        )
        assert isinstance(read, Fetched)
        assert read.data == LARGE
        with Lease.acquire("s3://shop/out/run_id=1", owner="one", ttl_s=60.0) as lease:
            lease.check()
            with pytest.raises(ValueError, match="one"):
                Lease.acquire("s3://shop/out/run_id=1", owner="two", ttl_s=60.0)
        assert not store.uploads
        return Counter((method, address) for method, address, _ in store.seen)

    return do


@pytest.fixture(autouse=True)
def _in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "SINGLE_PUT_BYTES", 1000)
    monkeypatch.setattr(objects, "PART_BYTES", 300)
    monkeypatch.setattr(mirroring, "_SPAN_BYTES", 300)


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_all_is_as_with_md5s_and_nothing_is_asked_for_twice(
    use: Use, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain = use(Manners())
    assert use(Manners(etag=no_md5, says=ENCRYPTED[kind])) == plain
    assert "MD5" not in caplog.text


def test_where_no_header_says_so_objects_are_read_twice_and_taken(
    use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    plain = use(Manners())
    more = use(Manners(etag=no_md5)) - plain
    assert {method for method, _ in more} == {"GET"}
    assert ("GET", "shop/w/large.safetensors") in more
    assert "has the MD5" in caplog.text


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_a_replaced_object_has_another_version(store: SmallS3, kind: str) -> None:
    store.manners = Manners(etag=no_md5, says=ENCRYPTED[kind])
    uri, versions = "s3://shop/in/1.jpg", []
    for data in (b"one", b"two", b"one"):
        storage.write(uri, data)
        versions.append(storage.versions([uri])[uri])
    assert versions[0] != versions[1]
    assert versions[0] == versions[2]  # as this server makes them
