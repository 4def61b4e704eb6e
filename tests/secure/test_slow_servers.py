"""A server that is slow, by fault or by intent: its row ends in time, and its neighbours go on."""

from __future__ import annotations

import time

import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, TransientError
from pipeline.storage import Fetched, PhotoReader, ReadPolicy
from pipeline.storage.photographs.versions import Looker
from pipeline.storage.retry import Backoff
from pipeline.storage.web.downloads import GAVE_NO_ANSWER, Allowance
from tests.secure.slow_server import SlowServer

LIMIT_S = 0.6
QUICK = Backoff(first_s=0.01)


def policy(server: SlowServer, *, concurrency: int = 16, limit_s: float = LIMIT_S) -> ReadPolicy:
    return ReadPolicy(
        allowed_schemes=("http", "s3"),
        allowed_hosts=(server.host,),
        allow_private_addresses=True,
        concurrency=concurrency,
        max_seconds=limit_s,
    )


def timed(
    server: SlowServer, paths: list[str], *, concurrency: int = 16, limit_s: float = LIMIT_S
) -> tuple[list[Fetched | Exception], float]:
    told = policy(server, concurrency=concurrency, limit_s=limit_s)
    reader = PhotoReader(told, root=None, max_bytes=10**6, backoff=QUICK)
    began = time.monotonic()
    outcomes = reader.read_many([f"{server.root}/{path}" for path in paths])
    return outcomes, time.monotonic() - began


@pytest.mark.parametrize("kind", ["drip", "silent", "hops", "busy", "cut"])
def test_attempts_redirects_and_pauses_have_one_limit_together(
    server: SlowServer, kind: str
) -> None:
    (outcome,), seconds = timed(server, [f"{kind}/a"])
    assert seconds < 2 * LIMIT_S
    assert isinstance(outcome, TransientError)
    assert outcome.code is ErrorCode.STORAGE
    assert f"/{kind}/a: not read to the end within {LIMIT_S} s" in outcome.message
    assert "fetch.max_seconds" in outcome.message


def test_the_slow_ones_of_a_batch_hold_nobody_longer_than_one_of_them(server: SlowServer) -> None:
    paths = [f"good/{n}" for n in range(64)]
    for n in (0, 7, 20, 33, 63):
        paths[n] = f"drip/{n}"
    outcomes, seconds = timed(server, paths)
    assert seconds < 1.6 * LIMIT_S
    for path, outcome in zip(paths, outcomes, strict=True):
        kind, _, name = path.partition("/")
        if kind == "good":
            assert isinstance(outcome, Fetched)
            assert outcome.data == f"picture {name}".encode()
        else:
            assert isinstance(outcome, TransientError)


@pytest.mark.secure
@pytest.mark.parametrize(("num_slow", "concurrency"), [(64, 16), (12, 1)])
def test_a_batch_of_slow_ones_does_not_wait_for_each_in_a_row(
    server: SlowServer, num_slow: int, concurrency: int
) -> None:
    paths = [*(f"drip/{n}" for n in range(num_slow)), "good/last"]
    limit_s = 4.8  # of which a sixteenth is left for the last
    outcomes, seconds = timed(server, paths, concurrency=concurrency, limit_s=limit_s)
    assert seconds < 2.9 * limit_s  # 4 and 12 times, if each had the whole
    assert all(isinstance(outcome, TransientError) for outcome in outcomes[:-1])
    assert isinstance(outcomes[-1], Fetched)  # who comes last is read nevertheless
    assert "of its batch that took too long" in outcomes[-2].message


def test_an_object_store_that_drips_is_no_exception(
    server: SlowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.root)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("BACKLOT_S3_ANONYMOUS", "1")
    monkeypatch.setenv("BACKLOT_S3_ADDRESSING_STYLE", "path")
    storage.disconnect()
    reader = PhotoReader(policy(server), root="s3://drip", max_bytes=10**6, backoff=QUICK)
    reader.read_many(["s3://drip/first"])  # botocore takes its time to begin
    began = time.monotonic()
    (outcome,) = reader.read_many(["s3://drip/a"])
    assert time.monotonic() - began < 2 * LIMIT_S
    storage.disconnect()
    assert isinstance(outcome, TransientError)
    assert "s3://drip/a: not read to the end" in outcome.message


def test_a_version_is_not_waited_for_any_longer(server: SlowServer) -> None:
    looker = Looker(policy(server), schemes=("http",), allowance=Allowance(requests=99, seconds=99))
    began = time.monotonic()
    assert not looker.versions([f"{server.root}/silent/a"])
    assert time.monotonic() - began < 2 * LIMIT_S
    assert looker.unseen == {GAVE_NO_ANSWER: 1}


def test_what_is_quick_enough_has_all_its_attempts(server: SlowServer) -> None:
    server.asked.clear()
    reader = PhotoReader(
        policy(server, limit_s=30), root=None, max_bytes=100, backoff=Backoff(attempts=3, first_s=0)
    )
    (outcome,) = reader.read_many([f"{server.root}/busy/a"])
    assert isinstance(outcome, TransientError)
    assert "HTTP 503, 3 times in a row" in outcome.message
    assert server.asked["busy"] == 3
