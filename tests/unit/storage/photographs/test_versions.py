from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.storage.photographs import versions
from pipeline.storage.retry import Backoff
from pipeline.storage.s3 import etag_search
from tests.faults import FaultyProxy, _Message, _refusal
from tests.unit.storage.conftest import Fill, PointAt


def test_an_objects_version_changes_with_it(bucket: str) -> None:
    uris = [f"{bucket}/a b/1+é.jpg", f"{bucket}/2.jpg", f"{bucket}/a b/none.jpg"]
    storage.write(uris[0], b"one")
    storage.write(uris[1], b"two")
    before = storage.versions([*uris, "https://example.com/a.jpg", "s3://no-such-bucket/a"])
    assert before.keys() == set(uris[:2])
    storage.write(uris[0], b"three")
    after = storage.versions(uris)
    assert after[uris[0]] != before[uris[0]]
    assert after[uris[1]] == before[uris[1]]


def test_a_local_files_version_changes_with_it(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes(b"one")
    (tmp_path / "c.jpg").write_bytes(b"two")
    uris = [str(tmp_path / "a b.jpg"), f"file://{tmp_path}/a%20b.jpg", str(tmp_path / "c.jpg")]
    gone = [str(tmp_path / "none.jpg"), "/no/such/folder/a.jpg", str(tmp_path), "/a\0/b.jpg"]
    before = storage.versions(uris + gone)
    assert before.keys() == set(uris)
    assert before[uris[0]] == before[uris[1]]
    (tmp_path / "a b.jpg").write_bytes(b"other")
    after = storage.versions(uris)
    assert after[uris[0]] != before[uris[0]]
    assert after[uris[2]] == before[uris[2]]


@pytest.mark.parametrize("leads_to", ["a.jpg/further", "to-itself.jpg", "gone.jpg"])
def test_a_link_that_leads_nowhere_costs_its_own_version(tmp_path: Path, leads_to: str) -> None:
    for name in "abcxyz":
        (tmp_path / f"{name}.jpg").write_bytes(b"one")
    (tmp_path / "to-itself.jpg").symlink_to(leads_to)
    uris = [str(tmp_path / f"{name}.jpg") for name in "abcxyz"]
    looked = storage.versions([*uris, str(tmp_path / "to-itself.jpg")])
    assert looked.keys() == set(uris)
    assert not looked.unseen


def test_a_few_among_thousands_take_few_requests(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt
) -> None:
    keys = [f"shop/{n // 100:03d}/{n:06d}.jpg" for n in range(1500)]
    fill({key: key.encode() for key in (*keys, "shop.jpg", "z/1.jpg")})
    dice = random.Random(0)
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        all_ = storage.versions(f"{bucket}/{key}" for key in keys)
        assert len(all_) == 1500
        assert proxy.counts["requests"] == 2
        few = dice.sample(keys, 3)
        wanted = [f"{bucket}/{key}" for key in [*few, "shop/010/none.jpg", "shop.jpg", "z/1.jpg"]]
        before = proxy.counts["requests"]
        found = storage.versions(wanted)
        assert proxy.counts["requests"] - before <= len(wanted)
    assert found.keys() == set(wanted) - {f"{bucket}/shop/010/none.jpg"}
    assert all(all_[f"{bucket}/{key}"] == found[f"{bucket}/{key}"] for key in few)


def test_what_may_not_be_listed_is_absent_and_its_neighbours_are_not(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt
) -> None:
    fill({"a/1.jpg": b"a", "b/1.jpg": b"b"})
    name = bucket.removeprefix("s3://")
    uris = [f"{bucket}/a/1.jpg", f"{bucket}/b/1.jpg"]
    denied = f"{name}?list-type=2&prefix=&"
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0, denied_prefix=denied) as proxy:
        point_at(proxy.url)
        assert storage.versions(uris).keys() == set(uris)  # only the bucket's root is refused
        assert proxy.counts["denied"] == 1
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0, denied_prefix=name) as proxy:
        point_at(proxy.url)
        assert storage.versions(uris) == {}


def test_a_faulty_store_is_asked_again(
    bucket: str, fill: Fill, s3_port: int, point_at: PointAt, quick: Backoff, monkeypatch
) -> None:
    monkeypatch.setattr(etag_search, "_KEYS_PER_WALK", 20)
    keys = [f"f/{n:04d}" for n in range(400)]
    fill(dict.fromkeys(keys, b""))
    with FaultyProxy(s3_port, seed=2, slow_down=0.3, reset=0.1, delay=0) as proxy:
        point_at(proxy.url)
        found = versions.versions((f"{bucket}/{key}" for key in keys), backoff=quick)
        assert proxy.counts["slow_down"] > 0
        assert proxy.counts["reset"] > 0
    assert len(found) == 400


NO_ADDRESSES = [
    "s3://",
    "s3:///x.jpg",
    "s3://only-a-bucket",
    "s3://b cat/x.jpg",
    "s3://bücher/x.jpg",
    "s3://x y/",
    "s3://b/a\0.jpg",
    "s3://b/a\x01.jpg",
    "s3://b/" + "x" * 1025,
    "s3://arn:aws:nothing of the kind/x.jpg",
    "/a\0/b.jpg",
    "/" + "x" * 300 + "/" + "y" * 300,
    "https://[",
    "",
]


def test_what_is_no_address_has_no_version_and_its_neighbours_do(
    bucket: str, fill: Fill, tmp_path: Path
) -> None:
    fill({"a/1.jpg": b"a"})
    (tmp_path / "c.jpg").write_bytes(b"c")
    good = [f"{bucket}/a/1.jpg", f"S3{bucket[2:]}/a/1.jpg", str(tmp_path / "c.jpg")]
    found = storage.versions([*NO_ADDRESSES, *good])
    assert found.keys() == set(good)
    assert found[good[0]] == found[good[1]]
    assert storage.versions(NO_ADDRESSES) == {}


class PickyStore(FaultyProxy):
    """A store as some are: no name with a part `.` or `..`, no start outside the prefix."""

    async def _answer(self, request: _Message, writer: asyncio.StreamWriter) -> bool:
        url = urlsplit(request.start.split(" ")[1])
        asked = dict(parse_qsl(url.query, keep_blank_values=True))
        prefix, after = asked.get("prefix", ""), asked.get("start-after")
        code = None
        if {".", ".."} & {*prefix.split("/"), *(after or "").split("/"), *url.path.split("/")}:
            code, status = "XMinioInvalidResourceName", "400 Bad Request"
        elif after is not None and not after.startswith(prefix):
            code, status = "NotImplemented", "501 Not Implemented"
        elif "/no-listing" in url.path:
            code, status = "InvalidBucketName", "400 Bad Request"
        if code is None:
            return await super()._answer(request, writer)
        self.counts["picky"] += 1
        body = f"<Error><Code>{code}</Code></Error>".encode()
        return await self._send(_refusal(status, body, "GET"), writer)


@pytest.fixture
def picky(s3_port: int, point_at: PointAt):
    with PickyStore(s3_port, seed=0, slow_down=0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        yield proxy


def test_a_key_that_the_store_does_not_take_costs_its_own_version(
    bucket: str, fill: Fill, picky: PickyStore, caplog: pytest.LogCaptureFixture
) -> None:
    keys = [f"photos/{n:03d}.jpg" for n in range(200)]
    fill(dict.fromkeys(keys, b"x"))
    good = [f"{bucket}/{key}" for key in keys]
    bad = [f"{bucket}/photos/../x.jpg", f"{bucket}/./y.jpg", f"{bucket}/photos/z/..", "s3://b/../c"]
    with caplog.at_level(logging.WARNING):
        found = storage.versions([*good, *bad, f"{bucket}/photos/"])
    assert found.keys() == set(good)
    assert picky.counts["requests"] + picky.counts["picky"] < 60
    assert "XMinioInvalidResourceName" in caplog.text


def test_a_bucket_that_cannot_be_listed_takes_two_requests_and_no_more(
    bucket: str, fill: Fill, picky: PickyStore
) -> None:
    fill({"a.jpg": b"x"})
    bad = [f"s3://no-listing/{n}.jpg" for n in range(100)]
    assert storage.versions([*bad, f"{bucket}/a.jpg"]).keys() == {f"{bucket}/a.jpg"}
    assert picky.counts["picky"] == 2


def test_a_photograph_under_a_name_that_the_store_does_not_take_is_a_bad_request(
    bucket: str, picky: PickyStore
) -> None:
    others = ("s3://no-listing", "s3://arn:aws:nothing of the kind")
    policy = storage.ReadPolicy(allowed_prefixes=others)
    reader = storage.PhotoReader(policy, root=bucket, max_bytes=1000)
    outcomes = reader.read_many([f"{bucket}/a/../b.jpg", "s3://no-listing/a.jpg", *NO_ADDRESSES])
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, RowError)]
    assert codes[:2] == [ErrorCode.BAD_REQUEST] * 2
    assert codes[2:-4] == [ErrorCode.BAD_REQUEST] * (len(NO_ADDRESSES) - 4)
    assert not any(outcome.retryable for outcome in outcomes if isinstance(outcome, RowError))
