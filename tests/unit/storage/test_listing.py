from __future__ import annotations

import random
from pathlib import Path

from pipeline import storage
from pipeline.storage import listing
from pipeline.storage.retry import Backoff
from tests.faults import FaultyProxy
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
    monkeypatch.setattr(listing, "_KEYS_PER_LISTING", 20)
    keys = [f"f/{n:04d}" for n in range(400)]
    fill(dict.fromkeys(keys, b""))
    with FaultyProxy(s3_port, seed=2, slow_down=0.3, reset=0.1, delay=0) as proxy:
        point_at(proxy.url)
        found = listing.versions((f"{bucket}/{key}" for key in keys), backoff=quick)
        assert proxy.counts["slow_down"] > 0
        assert proxy.counts["reset"] > 0
    assert len(found) == 400
