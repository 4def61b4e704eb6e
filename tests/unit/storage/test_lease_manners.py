"""Leases on stores that do not answer conditions as Amazon's does."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.storage import Lease
from pipeline.storage.retry import Backoff
from tests.small_s3 import RGW_16, Manners, SmallS3

RUN = "s3://shop/out/run_id=1"
ADDRESS = "shop/out/run_id=1/lease.json"

LOSERS_GET = itertools.cycle([(500, "InternalError"), (412, "PreconditionFailed")])

WAYS = {
    "as Amazon": Manners(),
    "RGW 16: compared with the bare MD5": RGW_16,
    "compared without quotes on either side": Manners(
        matches=lambda said, etag: said.strip('"') == etag.strip('"')
    ),
    "RGW 16: what begins like it is taken": Manners(
        matches=lambda said, etag: said.startswith(etag.strip('"'))
    ),
    "weak in the answer, strong in the condition": Manners(
        etag=lambda md5: f'W/"{md5}"', matches=lambda said, etag: said == etag.removeprefix("W/")
    ),
    "weak in both": Manners(etag=lambda md5: f'W/"{md5}"'),
    "without quotes in the answer, with them in the condition": Manners(
        etag=lambda md5: md5, matches=lambda said, etag: said == f'"{etag}"'
    ),
    "without quotes in both": Manners(etag=lambda md5: md5),
    "no MD5 at all": Manners(etag=lambda md5: f'"0x{md5[:16]}-gz"'),
    "losers get 500 as well": Manners(losers_get=lambda: next(LOSERS_GET)),
    "says 409 where a condition fails": Manners(losers_get=lambda: (409, "Conflict")),
    "no ETag where it is written": Manners(etags_in=frozenset({"GET", "HEAD", "LIST"})),
    "says 304 where a condition fails": Manners(losers_get=lambda: (304, "")),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Manners:
    return WAYS[request.param]


QUICK = Backoff(first_s=0.002, longest_s=0.05)


def acquire(ttl_s: float = 60, **how: object) -> Lease:
    return Lease.acquire(RUN, owner="the day job", ttl_s=ttl_s, backoff=QUICK, **how)


def left_by_the_dead(store: SmallS3, *, age_s: float, ttl_s: float = 60) -> None:
    left = {"owner": "gone", "ttl_s": ttl_s, "host": "elsewhere", "pid": 1, "machine": "m"}
    store.put(ADDRESS, json.dumps({**left, "token": "t"}).encode(), age_s=age_s)


def beats(store: SmallS3) -> int:
    return json.loads(store.objects[ADDRESS].data)["beat"]


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_lease_is_taken_over_from_the_dead_beats_and_is_given_back(
    store: SmallS3, way: Manners
) -> None:
    store.manners = way
    left_by_the_dead(store, age_s=100)
    with acquire(ttl_s=0.3) as lease:
        assert json.loads(store.objects[ADDRESS].data)["owner"] == "the day job"
        wait_until(lambda: beats(store) > 4)  # by which time one without a heartbeat is stale
        lease.check()
        assert not lease.lost.is_set()
        with pytest.raises(ValueError, match=r"last heartbeat [01] s ago"):
            acquire()
    assert store.objects == {}


@pytest.mark.parametrize("is_left", [False, True], ids=["free", "left by the dead"])
def test_of_four_that_come_at_once_one_gets_it(
    store: SmallS3, way: Manners, *, is_left: bool
) -> None:
    store.manners = way
    for _ in range(2):
        if is_left:
            left_by_the_dead(store, age_s=100)
        at_once = threading.Barrier(4)

        def ask(at_once: threading.Barrier = at_once) -> Lease | str:
            at_once.wait()
            try:
                return acquire()
            except ValueError as error:
                return str(error)

        with ThreadPoolExecutor(4) as threads:
            outcomes = [asked.result() for asked in [threads.submit(ask) for _ in range(4)]]
        (lease,) = [outcome for outcome in outcomes if isinstance(outcome, Lease)]
        refusals = [outcome for outcome in outcomes if isinstance(outcome, str)]
        assert all("is working on this run" in refusal for refusal in refusals)
        lease.check()
        lease.release()
        assert store.objects == {}


def test_a_heartbeat_is_one_request_once_the_stores_way_is_known(
    store: SmallS3, way: Manners
) -> None:
    store.manners = way
    with acquire(ttl_s=0.3):
        wait_until(lambda: beats(store) > 2)
        num_seen, before = len(store.seen), beats(store)
        wait_until(lambda: beats(store) > before + 2)
        sent = store.seen[num_seen:]
    puts = sum(method == "PUT" for method, _, _ in sent)
    reads = len(sent) - puts
    assert puts <= 4
    assert reads == (0 if "PUT" in way.etags_in else puts)


def test_a_lease_that_another_took_is_not_given_back(store: SmallS3, way: Manners) -> None:
    store.manners = way
    lease = acquire()
    other = json.loads(store.objects[ADDRESS].data) | {"token": "other", "owner": "the other"}
    store.put(ADDRESS, json.dumps(other).encode())
    lease.release()
    assert json.loads(store.objects[ADDRESS].data)["owner"] == "the other"


def test_a_release_asks_for_a_lease_that_nobody_may_take_meanwhile(store: SmallS3) -> None:
    lease = acquire()
    store.put(ADDRESS, store.objects[ADDRESS].data, age_s=59)
    seen: list[float] = []
    put = store.put

    def watched(address: str, data: bytes, *, age_s: float = 0.0) -> None:
        seen.append(age_s)
        put(address, data, age_s=age_s)

    store.put = watched  # type: ignore[method-assign]
    lease.release()
    assert seen == [0.0]  # made new, and only then deleted
    assert store.objects == {}
    assert [method for method, _, _ in store.seen[-2:]] == ["PUT", "DELETE"]
