"""One run, one driver, between real processes: killed, paused, and with their lease deleted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from pipeline import storage
from pipeline.storage.leases.holder import FILE_NAME
from tests.chaos.catalogue import Catalogue
from tests.chaos.drivers import Drivers
from tests.children import ROOT

pytestmark = pytest.mark.stores

HOLD = """
import sys
from pipeline.errors import FatalError
from pipeline.storage import Lease
run, owner, ttl_s, is_exclusive = sys.argv[1:]
with Lease.acquire(run, owner=owner, ttl_s=float(ttl_s), is_exclusive=is_exclusive == "1") as lease:
    print("held", flush=True)
    for _ in sys.stdin:
        try:
            lease.check()
            print("ours", flush=True)
        except FatalError as error:
            print(error, flush=True)
"""
_TTL_S = 3.0
_RUNS_OUT_S = _TTL_S + 2.5
"""HTTP dates are whole seconds, and one more is allowed for that."""
_WAITS_S = 60.0

Hold = Callable[..., subprocess.Popen[str]]


def ask(holder: subprocess.Popen[str]) -> str:
    """Whether it may go on, in its own words."""
    holder.stdin.write("\n")
    holder.stdin.flush()
    return holder.stdout.readline().rstrip("\n")


def end(holder: subprocess.Popen[str]) -> None:
    holder.communicate(timeout=_WAITS_S)
    assert holder.returncode == 0


def holder_of(run: str) -> str:
    return str(json.loads(storage.read(storage.join(run, FILE_NAME)))["owner"])


@pytest.fixture
def start(store) -> Iterator[Hold]:
    """A process that takes the lease, or is refused."""
    processes = []

    def hold(run: str, owner: str, *, ttl_s: float = _TTL_S) -> subprocess.Popen[str]:
        words = [run, owner, str(ttl_s), str(int(store.honours_conditions))]
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def run(store) -> str:
    return f"s3://{store.bucket()}/out/run_id=one"


def is_held(process: subprocess.Popen[str]) -> bool:
    """Whether it got the lease; else it has ended, and said why."""
    return process.stdout.readline() == "held\n"


def test_of_a_killed_holder_the_lease_is_taken_over_at_once(run: str, start: Hold) -> None:
    first = start(run, "first", ttl_s=3600.0)
    assert is_held(first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = start(run, "second")
    assert is_held(second)
    assert ask(second) == "ours"
    end(second)
    assert storage.list_files(run) == []


def test_of_a_paused_holder_it_is_taken_over_after_its_ttl_and_no_earlier(
    store, run: str, start: Hold
) -> None:
    first = start(run, "first")
    assert is_held(first)
    first.send_signal(signal.SIGSTOP)
    early = start(run, "early")
    assert not is_held(early)
    assert "first" in early.communicate(timeout=_WAITS_S)[1]
    time.sleep(_RUNS_OUT_S)
    second = start(run, "second")
    assert is_held(second)
    first.send_signal(signal.SIGCONT)
    assert "another process has taken this run over (second, pid" in ask(first)
    end(first)
    assert holder_of(run) == "second", "what is not the first one's it must not give back"
    assert ask(second) == "ours"
    end(second)
    assert storage.list_files(run) == []


def test_a_paused_holder_goes_on_where_nobody_has_taken_its_place(run: str, start: Hold) -> None:
    first = start(run, "first")
    assert is_held(first)
    first.send_signal(signal.SIGSTOP)
    time.sleep(_RUNS_OUT_S)
    first.send_signal(signal.SIGCONT)
    assert ask(first) == "ours"
    end(first)
    assert storage.list_files(run) == []


def test_of_several_that_find_a_stale_lease_one_takes_it(store, run: str, start: Hold) -> None:
    if not store.honours_conditions:
        pytest.skip(f"{store.name} honours no conditions")
    first = start(run, "first")
    assert is_held(first)
    first.send_signal(signal.SIGSTOP)
    time.sleep(_RUNS_OUT_S)
    others = [start(run, f"other {number}", ttl_s=60.0) for number in range(4)]
    held = [one for one in others if is_held(one)]
    assert len(held) == 1
    for one in others:
        if one not in held:
            assert "is working on this run" in one.communicate(timeout=_WAITS_S)[1]
    assert ask(held[0]) == "ours"
    first.send_signal(signal.SIGCONT)
    assert "another process has taken this run over (other" in ask(first)


def test_whose_lease_was_deleted_stops_at_its_next_heartbeat_and_takes_nothing_along(
    run: str, start: Hold
) -> None:
    first = start(run, "first")
    assert is_held(first)
    storage.remove(storage.join(run, FILE_NAME))
    deadline = time.monotonic() + _WAITS_S
    while (said := ask(first)) == "ours" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "its lease is gone" in said
    assert storage.list_files(run) == []
    second = start(run, "second")
    assert is_held(second)
    end(first)
    assert holder_of(run) == "second"
    end(second)


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_driver_whose_lease_was_deleted_ends_and_the_next_one_loses_no_row(
    store, address, note, tmp_path
) -> None:
    catalogue = Catalogue.make(240)
    drivers = Drivers(catalogue, address, tmp_path, options=store.options)
    wait_for_lease(store, catalogue, drivers)
    first = drivers.process
    catalogue.delete_lease()
    assert first.wait(timeout=_WAITS_S) == 1, drivers.said()
    assert "its lease is gone" in drivers.said()
    drivers.start()
    assert drivers.process.wait(timeout=600) == 0, drivers.said()
    assert {what: n for what, n in catalogue.account().items() if n} == {}
    assert "Traceback" not in drivers.said()
    note("scenarios", "lease deleted", "the driver ends in one line; lost 0, doubled 0")


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_driver_that_was_paused_ends_once_it_sees_that_another_has_its_run(
    store, address, note, tmp_path
) -> None:
    if not store.honours_conditions:
        pytest.skip(f"{store.name} honours no conditions: one driver at a time is promised there")
    catalogue = Catalogue.make(120)
    drivers = Drivers(catalogue, address, tmp_path, options=store.options)
    wait_for_lease(store, catalogue, drivers)
    first = drivers.process
    drivers.pause()
    assert drivers.process is not first
    assert drivers.process.wait(timeout=600) == 0, drivers.said()
    assert {what: n for what, n in catalogue.account().items() if n} == {}
    note("scenarios", "driver paused", "it ends in one line; lost 0, doubled 0")


def wait_for_lease(store, catalogue: Catalogue, drivers: Drivers) -> None:
    """Until the newest driver has it, and works on a run."""
    deadline = time.monotonic() + 90.0
    while time.monotonic() < deadline:
        assert drivers.process.poll() is None, drivers.said()
        held = catalogue.lease()
        # Not while it is still being taken: what is deleted before its first beat is taken again.
        is_taken = held is not None and (held["beat"] > 0 or not store.honours_conditions)
        # Nor before there is a run: the next driver would find none to go on with.
        keys = catalogue.keys()
        is_begun = any(key.endswith("/run.json") for key in keys)
        if is_taken and is_begun and held["pid"] == drivers.process.pid:
            return
        time.sleep(0.1)
    raise AssertionError(f"no lease: {drivers.said()}")
