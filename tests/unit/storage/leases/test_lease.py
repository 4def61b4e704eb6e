from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import FatalError
from pipeline.storage import Lease
from pipeline.storage.leases.holder import FILE_NAME
from pipeline.storage.retry import Backoff
from tests.faults import FaultyProxy
from tests.unit.storage.conftest import PointAt

HOLD = """
import sys, time
from pipeline.storage import Lease
with Lease.acquire(sys.argv[1], owner="the night job", ttl_s=float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["local", "s3"])
def run_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "out" / "run_id=1")
    return f"{request.getfixturevalue('bucket')}/out/run_id=1"


Hold = Callable[..., subprocess.Popen]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Another process that holds the lease until its standard input ends."""
    processes = []

    def start(run_uri: str, ttl_s: float = 60) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, run_uri, str(ttl_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def acquire(run_uri: str, ttl_s: float = 60, **how: object) -> Lease:
    return Lease.acquire(run_uri, owner="the day job", ttl_s=ttl_s, **how)


def document(run_uri: str) -> dict:
    return json.loads(storage.read(storage.join(run_uri, FILE_NAME)))


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_lease_is_given_back(run_uri: str) -> None:
    for _ in range(2):
        with acquire(run_uri) as lease:
            lease.check()
            assert document(run_uri)["pid"] == os.getpid()
        assert storage.list_files(run_uri) == []
    lease.release()


def test_one_at_a_time_even_in_one_process(run_uri: str) -> None:
    with acquire(run_uri), pytest.raises(ValueError, match=f"pid {os.getpid()}"):
        acquire(run_uri)


def test_who_comes_second_is_told_who_holds_it_and_a_holder_killed_here_holds_nothing(
    run_uri: str, hold: Hold
) -> None:
    other = hold(run_uri, ttl_s=3600)
    with pytest.raises(ValueError, match="the night job") as caught:
        acquire(run_uri)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(run_uri)
    assert f"pid {other.pid}" in message
    assert "last heartbeat" in message
    assert "wait until it ends, or stop it" in message

    other.send_signal(signal.SIGKILL)
    other.wait()
    with acquire(run_uri) as lease:
        lease.check()
        assert document(run_uri)["owner"] == "the day job"


def test_a_heartbeat_keeps_it(bucket: str) -> None:
    with acquire(bucket, ttl_s=0.6) as lease:
        time.sleep(2.7)  # by which time one without a heartbeat is stale
        lease.check()
        with pytest.raises(ValueError, match=r"last heartbeat [01] s ago"):
            acquire(bucket)


def test_a_local_heartbeat_shows_in_the_files_time(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    with acquire(str(tmp_path), ttl_s=0.1):
        before = file.stat().st_mtime_ns
        wait_until(lambda: file.stat().st_mtime_ns > before)


def test_whoever_loses_it_is_told(run_uri: str) -> None:
    with acquire(run_uri, ttl_s=0.3) as lease:
        storage.remove(storage.join(run_uri, FILE_NAME))
        with acquire(run_uri) as other:
            wait_until(lease.lost.is_set)
            with pytest.raises(FatalError, match="another process has taken"):
                lease.check()
            lease.release()
            other.check()  # and keeps it: what is not ours is not given back
            assert document(run_uri)["pid"] == os.getpid()


def test_who_was_paused_goes_on_if_nobody_took_the_place(run_uri: str) -> None:
    now = [1000.0]
    with acquire(run_uri, ttl_s=30, clock=lambda: now[0]) as lease:
        now[0] += 500
        lease.check()
        assert not lease.lost.is_set()


def test_a_lease_nobody_could_renew_is_not_trusted(
    bucket: str, s3_port: int, point_at: PointAt
) -> None:
    now = [1000.0]
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        few = Backoff(attempts=2, first_s=0.001)
        with acquire(bucket, ttl_s=30, clock=lambda: now[0], backoff=few) as lease:
            proxy.denied_prefix = bucket.removeprefix("s3://")
            now[0] += 29
            lease.check()
            now[0] += 2
            with pytest.raises(FatalError, match=r"could not be renewed for 31 s \(.*AccessDenied"):
                lease.check()
            assert not lease.lost.is_set()
            proxy.denied_prefix = None
            lease.check()


def test_who_was_paused_while_another_took_over_and_ended_is_told(run_uri: str) -> None:
    now = [1000.0]
    with acquire(run_uri, ttl_s=30, clock=lambda: now[0]) as lease:
        storage.remove(storage.join(run_uri, FILE_NAME))  # as whoever took it over gave it back
        now[0] += 500
        with pytest.raises(FatalError, match="taken this run over and ended"):
            lease.check()
        with pytest.raises(FatalError, match="taken this run over and ended"):
            lease.check()
        assert storage.list_files(run_uri) == []
    assert storage.list_files(run_uri) == []


def test_a_folder_deleted_under_a_lease_is_seen_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "run_id=1"
    with acquire(str(folder)) as lease:
        lease.check()
        shutil.rmtree(folder)
        with pytest.raises(FatalError, match=f"{folder}: the folder is gone"):
            lease.check()
    assert not folder.exists()


def test_a_lease_overwritten_by_something_else_is_lost(bucket: str) -> None:
    with acquire(bucket, ttl_s=0.3) as lease:
        storage.write(f"{bucket}/{FILE_NAME}", b"not ours")
        wait_until(lease.lost.is_set)
        with pytest.raises(FatalError, match="is no lease"):
            lease.check()
    assert storage.read(f"{bucket}/{FILE_NAME}") == b"not ours"


def test_a_stale_lease_of_another_machine_is_taken_over(bucket: str) -> None:
    left = {"owner": "gone", "ttl_s": 0.5, "host": "elsewhere", "pid": 1, "machine": "m"}
    storage.write(f"{bucket}/{FILE_NAME}", json.dumps({**left, "token": "t"}).encode())
    with pytest.raises(ValueError, match=r"gone \(pid 1 on elsewhere\).*free in [012] s"):
        acquire(bucket)
    time.sleep(2.1)
    with acquire(bucket) as lease:
        lease.check()
        assert document(bucket)["owner"] == "the day job"


def test_of_two_that_come_at_once_one_gets_it(bucket: str) -> None:
    left = {"owner": "gone", "ttl_s": -5, "host": "elsewhere", "pid": 1, "machine": "m"}
    storage.write(f"{bucket}/{FILE_NAME}", json.dumps({**left, "token": "t"}).encode())
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, bucket, "60"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    wait_until(lambda: sum(p.poll() is not None for p in processes) == 1, seconds=30)
    ((held, _),) = [p.communicate(timeout=30) for p in processes if p.poll() is None]
    assert held == b"held\n"
    (refused,) = [p for p in processes if p.returncode != 0]
    assert b"is working on this run" in refused.stderr.read()


def test_a_lease_survives_a_faulty_store(
    bucket: str, s3_port: int, point_at: PointAt, quick: Backoff
) -> None:
    with FaultyProxy(s3_port, seed=3, slow_down=0.2, reset=0.3, delay=0) as proxy:
        point_at(proxy.url)
        with acquire(bucket, ttl_s=0.9, backoff=quick) as lease:
            wait_until(lambda: proxy.counts["reset"] > 5, seconds=15)
            lease.check()
        assert not storage.exists(f"{bucket}/{FILE_NAME}")


def test_a_file_of_that_name_that_is_no_lease(bucket: str) -> None:
    storage.write(f"{bucket}/{FILE_NAME}", b"{}")
    with pytest.raises(ValueError, match="is no lease"):
        acquire(bucket)
