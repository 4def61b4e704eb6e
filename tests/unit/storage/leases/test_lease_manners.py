"""Leases on stores that do not answer conditions as Amazon's does."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import web

from pipeline.errors import FatalError, TransientError
from pipeline.storage import Lease
from pipeline.storage.retry import Backoff
from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.objects import Objects
from tests.small_s3 import DEAF, SWIFT, Manners, Refusal, SmallS3

RUN = "s3://shop/out/run_id=1"
ADDRESS = "shop/out/run_id=1/lease.json"
LATCH = "shop/out/run_id=1/.writing-lease"


def only_conditional(answer: Callable[[], Refusal | web.Response]) -> Manners:
    """Something before the store that answers each write which has a condition."""

    def refuses(request: web.Request, _: str) -> Refusal | web.Response | None:
        is_one = request.method == "PUT" and "If-None-Match" in request.headers
        return answer() if is_one else None

    return Manners(refuses=refuses)


def page(status: int) -> web.Response:
    return web.Response(status=status, text="<html><p>no<br></html>", content_type="text/html")


LOSERS_GET = itertools.cycle([(500, "InternalError"), (412, "PreconditionFailed")])

WAYS = {
    "as Amazon": Manners(),
    "losers get 500 as well": Manners(losers_get=lambda: next(LOSERS_GET)),
    "says 409 where a condition fails": Manners(losers_get=lambda: (409, "Conflict")),
    "no ETags": Manners(etags_in=frozenset()),
    "says 304 where a condition fails": Manners(losers_get=lambda: (304, "")),
    "says 409, to be tried again, where a condition fails": Manners(
        losers_get=lambda: (409, "ConditionalRequestConflict")
    ),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Manners:
    return WAYS[request.param]


QUICK = Backoff(first_s=0.002, longest_s=0.05)


def acquire(ttl_s: float = 60, **how: object) -> Lease:
    return Lease.acquire(RUN, owner="the day job", ttl_s=ttl_s, backoff=QUICK, **how)


def left_by_the_dead(
    store: SmallS3, *, age_s: float, ttl_s: float = 60, address: str = ADDRESS
) -> None:
    left = {"owner": "gone", "ttl_s": ttl_s, "host": "elsewhere", "pid": 1, "machine": "m"}
    store.put(address, json.dumps({**left, "token": "t"}).encode(), age_s=age_s)


def beats(store: SmallS3) -> int:
    return json.loads(store.objects[ADDRESS].data)["beat"]


def asked_at_once(number: int) -> list[Lease | str]:
    """What each of several that ask for the lease at the same moment gets, or is told."""
    at_once = threading.Barrier(number)

    def ask() -> Lease | str:
        at_once.wait()
        try:
            return acquire()
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(number) as threads:
        return [asked.result() for asked in [threads.submit(ask) for _ in range(number)]]


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
    with acquire(ttl_s=0.15) as lease:
        assert json.loads(store.objects[ADDRESS].data)["owner"] == "the day job"
        wait_until(lambda: beats(store) > 1)
        before, num_seen = beats(store), len(store.seen)
        wait_until(lambda: beats(store) > 4)  # by which time one without a heartbeat is stale
        methods = [method for method, _, _ in store.seen[num_seen:]]
        num_beats = beats(store) - before  # more than we waited for, on a busy machine
        lease.check()
        assert not lease.lost.is_set()
        with pytest.raises(ValueError, match=r"last heartbeat [01] s ago"):
            acquire()
    assert store.objects == {}
    assert methods.count("PUT") <= num_beats + 1
    assert methods.count("GET") <= num_beats + 1


@pytest.mark.parametrize("is_left", [False, True], ids=["free", "left by the dead"])
def test_of_four_that_come_at_once_one_gets_it(
    store: SmallS3, way: Manners, *, is_left: bool
) -> None:
    store.manners = way
    if is_left:
        left_by_the_dead(store, age_s=100)
    outcomes = asked_at_once(4)
    (lease,) = [outcome for outcome in outcomes if isinstance(outcome, Lease)]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert all("is working on this run" in refusal for refusal in refusals)
    lease.check()
    lease.release()
    assert store.objects == {}


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


def test_one_that_died_as_it_took_the_lease_keeps_others_off_for_its_ttl(
    store: SmallS3, way: Manners
) -> None:
    store.manners = way
    left_by_the_dead(store, age_s=5, address=LATCH)
    with pytest.raises(ValueError, match=r"gone \(pid 1 on elsewhere\).*free in 5[56] s"):
        acquire()
    assert store.objects.keys() == {LATCH}
    left_by_the_dead(store, age_s=100, address=LATCH)
    with acquire() as lease:
        lease.check()
        assert store.objects.keys() == {ADDRESS}


def test_of_a_heartbeat_that_comes_late_the_successor_learns_at_its_own(store: SmallS3) -> None:
    with acquire() as first:
        beat = store.objects[ADDRESS].data
        store.put(ADDRESS, beat, age_s=100)  # it is paused after a look at its lease
        with acquire(ttl_s=0.6) as second:
            store.put(ADDRESS, beat)
            wait_until(second.lost.is_set)
            with pytest.raises(FatalError, match="another process has taken this run over"):
                second.check()
        first._renew()
        first.check()
        assert not first.lost.is_set()
    assert store.objects == {}


UNRELIABLE = {
    "501": SWIFT,
    "400": Manners(if_none_match=(400, "InvalidArgument")),
    "403": Manners(if_none_match=(403, "AccessDenied")),
    "signature broken by who strips the header": Manners(
        if_none_match=(403, "SignatureDoesNotMatch")
    ),
    "405 without a word": Manners(if_none_match=(405, "")),
    "ignored": DEAF,
    "500 where a condition fails": Manners(losers_get=lambda: (500, "InternalError")),
    "503 where a condition fails": Manners(losers_get=lambda: (503, "SlowDown")),
    "404 where a condition fails": Manners(losers_get=lambda: (404, "NoSuchKey")),
    "400 where a condition fails": Manners(losers_get=lambda: (400, "InvalidRequest")),
    "500 for all conditions": only_conditional(lambda: (500, "InternalError")),
    "404 for all conditions": only_conditional(lambda: (404, "")),
    "409 for all conditions": only_conditional(lambda: (409, "ConditionalRequestConflict")),
    "412 for all conditions": only_conditional(lambda: (412, "PreconditionFailed")),
    "a page with 200": only_conditional(lambda: page(200)),
    "a page with 400": only_conditional(lambda: page(400)),
    "a page with 403": only_conditional(lambda: page(403)),
    "a page with 502": only_conditional(lambda: page(502)),
    "writes with a condition are thrown away": only_conditional(lambda: web.Response()),
}


@pytest.fixture(params=UNRELIABLE)
def unreliable(request: pytest.FixtureRequest, store: SmallS3) -> SmallS3:
    store.manners = UNRELIABLE[request.param]
    return store


@pytest.mark.parametrize("is_left", [False, True], ids=["free", "left by the dead"])
def test_where_conditions_are_not_to_be_relied_on_that_is_said_and_nothing_is_left(
    unreliable: SmallS3, *, is_left: bool
) -> None:
    if is_left:
        left_by_the_dead(unreliable, age_s=100)
    before = dict(unreliable.objects)
    with pytest.raises(ValueError, match="two drivers could work on one run") as caught:
        acquire()
    message = str(caught.value)
    assert message.startswith(RUN)
    assert "\n" not in message
    assert "--assume-single-driver" in message
    assert unreliable.objects in ({}, before)


def test_a_lease_without_conditions_is_taken_over_beats_keeps_others_off_and_is_given_back(
    unreliable: SmallS3,
) -> None:
    left_by_the_dead(unreliable, age_s=100)
    with acquire(ttl_s=0.15, is_exclusive=False) as lease:
        wait_until(lambda: beats(unreliable) > 4)
        lease.check()
        for is_exclusive in (True, False):
            with pytest.raises(ValueError, match="the day job"):
                acquire(is_exclusive=is_exclusive)
    assert unreliable.objects == {}
    assert unreliable.conditions() == []


def test_an_object_is_created_where_conditions_are_not_to_be_relied_on(
    unreliable: SmallS3,
) -> None:
    store, uri = Objects(connection(), backoff=QUICK), "s3://shop/out/results.json"
    assert store.create(uri, b"first", content_type=None)
    assert not store.create(uri, b"second", content_type=None)
    assert store.create(uri, b"first", content_type=None)
    assert unreliable.objects["shop/out/results.json"].data == b"first"


def test_a_lease_without_conditions_is_left_to_who_took_it(store: SmallS3) -> None:
    store.manners = DEAF
    with acquire(ttl_s=0.3, is_exclusive=False) as lease:
        other = json.loads(store.objects[ADDRESS].data) | {"token": "other", "owner": "the other"}
        store.put(ADDRESS, json.dumps(other).encode())
        wait_until(lease.lost.is_set)
        with pytest.raises(FatalError, match="another process has taken this run over"):
            lease.check()
    assert json.loads(store.objects[ADDRESS].data)["owner"] == "the other"


def test_where_the_age_of_a_lease_cannot_be_told_its_holder_is_named(store: SmallS3) -> None:
    left_by_the_dead(store, age_s=100)
    store.manners = Manners(dates=False)
    with pytest.raises(OSError, match=r"delete it if gone \(pid 1 on elsewhere\) is not"):
        acquire()
    with acquire(is_exclusive=False) as lease:
        lease.check()


def test_a_store_that_is_down_is_not_said_to_lack_conditions(store: SmallS3) -> None:
    def refuses(request: web.Request, _: str) -> tuple[int, str] | None:
        return (503, "SlowDown") if request.method == "PUT" else None

    store.manners = Manners(refuses=refuses)
    with pytest.raises(TransientError, match=r"SlowDown \(HTTP 503\), 8 times"):
        acquire()


def test_a_store_that_comes_back_while_it_is_asked_is_not_said_to_lack_conditions(
    store: SmallS3,
) -> None:
    num_asked = itertools.count()

    def refuses(request: web.Request, _: str) -> tuple[int, str] | None:
        is_down = request.method == "PUT" and next(num_asked) < QUICK.attempts
        return (503, "SlowDown") if is_down else None

    store.manners = Manners(refuses=refuses)
    with acquire() as lease:
        lease.check()
    assert store.objects == {}


def test_what_is_written_and_shown_only_later_is_waited_for(store: SmallS3) -> None:
    num_read = itertools.count()

    def refuses(request: web.Request, _: str) -> tuple[int, str] | None:
        return (404, "NoSuchKey") if request.method == "GET" and next(num_read) < 6 else None

    store.manners = Manners(refuses=refuses)
    with acquire() as lease:
        lease.check()
    assert store.objects == {}


def test_a_lease_of_another_version_is_a_lease(store: SmallS3) -> None:
    left_by_the_dead(store, age_s=5)
    older = {"owner": "the old one", "ttl_s": 60}
    newer = json.loads(store.objects[ADDRESS].data) | {"schema": 2, "queue": ["a"]}
    for left, named in ((older, "the old one"), (newer, r"gone \(pid 1 on elsewhere\)")):
        store.put(ADDRESS, json.dumps(left).encode(), age_s=5)
        with pytest.raises(ValueError, match=f"{named}.* is working on this run"):
            acquire()
        store.put(ADDRESS, json.dumps(left).encode(), age_s=100)
        with acquire() as lease:
            lease.check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"ttl_s": "60"},
        {"ttl_s": None},
        {"ttl_s": float("nan")},
        {"ttl_s": 1e300},
        {"pid": "1"},
        {"pid": 10**30},
        {"pid": -1},
        {"owner": 7},
        {"token": None},
        {"machine": ["m"]},
        {"beat": True},
    ],
    ids=str,
)
def test_what_is_no_lease_is_said_and_left(store: SmallS3, wrong: dict[str, object]) -> None:
    left_by_the_dead(store, age_s=100)
    left = json.dumps(json.loads(store.objects[ADDRESS].data) | wrong).encode()
    for garbage in (left, b"[" * 2000, b"", b"[1]", b"\xff", left[:-3]):
        store.put(ADDRESS, garbage, age_s=100)
        for is_exclusive in (True, False):
            with pytest.raises(ValueError, match="is no lease: find out who wrote it"):
                acquire(is_exclusive=is_exclusive)
        assert store.objects[ADDRESS].data == garbage


def test_a_store_that_cannot_be_written_is_not_said_to_lack_conditions(store: SmallS3) -> None:
    def refuses(request: web.Request, _: str) -> tuple[int, str] | None:
        return (403, "AccessDenied") if request.method == "PUT" else None

    store.manners = Manners(refuses=refuses)
    with pytest.raises(PermissionError, match="AccessDenied"):
        acquire()


@pytest.mark.parametrize("is_left", [False, True], ids=["free", "left by the dead"])
def test_a_store_that_looks_first_and_writes_later_gives_it_to_one(
    store: SmallS3, *, is_left: bool
) -> None:
    for _ in range(3):
        store.forget()
        store.manners = Manners(slow_s=0.02)
        if is_left:
            left_by_the_dead(store, age_s=100)
        (lease,) = [outcome for outcome in asked_at_once(4) if isinstance(outcome, Lease)]
        lease.check()
        lease.release()
