"""Stores that give no ETags, or not in every answer."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.storage import Lease, PhotoReader, ReadPolicy
from pipeline.storage.s3 import objects
from tests.small_s3 import Manners, SmallS3

ANSWERS = ("PUT", "GET", "HEAD", "LIST", "PART")
SOME = [frozenset(some) for n in (0, 1, 4) for some in itertools.combinations(ANSWERS, n)]


@pytest.fixture(params=SOME, ids=lambda some: " ".join(sorted(some)) or "none")
def sparing(request: pytest.FixtureRequest, store: SmallS3) -> SmallS3:
    store.manners = Manners(etags_in=request.param)
    return store


def test_everything_works(
    sparing: SmallS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "SINGLE_PUT_BYTES", 1000)
    monkeypatch.setattr(objects, "PART_BYTES", 300)
    large = bytes(range(256)) * 4
    storage.write("s3://shop/weights/small.bin", b"small")
    storage.write("s3://shop/weights/large.bin", large)
    assert sparing.objects["shop/weights/large.bin"].data == large
    assert sparing.uploads == {}
    assert storage.create("s3://shop/made", b"first")
    assert not storage.create("s3://shop/made", b"second")
    assert storage.create("s3://shop/made", b"first")
    assert storage.exists("s3://shop/made")
    assert storage.read("s3://shop/weights/large.bin") == large
    copy = storage.mirror("s3://shop/weights", cache=tmp_path)
    assert (copy / "large.bin").read_bytes() == large
    assert (copy / "small.bin").read_bytes() == b"small"
    reader = PhotoReader(ReadPolicy(), root="s3://shop", max_bytes=10_000)
    (read,) = reader.read_many(["s3://shop/weights/large.bin"])
    assert read.data == large
    with Lease.acquire("s3://shop/out/run_id=1", owner="one", ttl_s=60.0) as lease:
        lease.check()
