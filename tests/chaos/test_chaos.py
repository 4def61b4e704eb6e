"""Kill what can be killed, at random moments; count the rows, and what each kill leaves behind.

Against moto unless AWS_ENDPOINT_URL names another S3 server, with the usual variables beside it.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest
from moto.server import ThreadedMotoServer

from tests.chaos.catalogue import Catalogue
from tests.chaos.drivers import Drivers, left_behind, wait_for_results
from tests.children import python_child
from tests.ray_folder import starting_ray

pytestmark = [pytest.mark.chaos, pytest.mark.ray]

logger = logging.getLogger(__name__)

NUM_KILLS = int(os.environ.get("BACKLOT_CHAOS_KILLS", "3"))
# As few rows as leave time for the kills: every row costs time, each start some seconds more.
NUM_ROWS = 96 if NUM_KILLS <= 3 else 240
SEED = int(os.environ.get("BACKLOT_CHAOS_SEED", "7"))
QUICK = ("driver SIGKILL", "actor", "node")
KINDS = (*QUICK, "driver SIGTERM", "driver SIGINT", "driver SIGSTOP", "raylet")


@pytest.fixture
def catalogue(monkeypatch) -> Iterator[Catalogue]:
    server = None
    if "AWS_ENDPOINT_URL" not in os.environ:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = Catalogue.make(NUM_ROWS)
    yield made
    made.empty("")
    made.client.delete_bucket(Bucket=made.bucket)
    if server is not None:
        server.stop()


@pytest.fixture
def raylets() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with ExitStack() as stack:
        with starting_ray():
            holder = stack.enter_context(python_child("-m", "tests.chaos.raylets"))
        yield holder


def lose(holder: subprocess.Popen[str], kind: str) -> None:
    holder.stdin.write(f"{kind}\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == f"{kind}\n"


def actors(holder: subprocess.Popen[str]) -> list[psutil.Process]:
    processes = psutil.Process(holder.pid).children(recursive=True)
    found = []
    for process in processes:
        try:
            if "MapWorker" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return sorted(found, key=lambda process: process.pid)


@pytest.mark.timeout(3 * 3600)
def test_every_row_comes_out_once_whatever_is_killed(catalogue, raylets, tmp_path):
    holder, address = raylets
    dice = random.Random(SEED)
    kinds = [*QUICK] if NUM_KILLS < 6 else [KINDS[n % len(KINDS)] for n in range(NUM_KILLS)]
    if NUM_KILLS >= 6:
        dice.shuffle(kinds)
    drivers = Drivers(catalogue, address, tmp_path)
    ways: dict[str, Callable[[], None]] = {
        "driver SIGKILL": drivers.kill,
        "driver SIGTERM": lambda: drivers.ask_to_end(signal.SIGTERM),
        "driver SIGINT": lambda: drivers.ask_to_end(signal.SIGINT),
        "driver SIGSTOP": drivers.pause,
        "actor": lambda: dice.choice(actors(holder)).kill(),
        "raylet": lambda: lose(holder, "raylet"),
        "node": lambda: lose(holder, "node"),
    }
    kills: Counter[str] = Counter()
    leftovers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    for kind in kinds[:NUM_KILLS]:
        while not wait_for_results(catalogue, drivers.process, dice):
            # All done before enough was killed: once more from the start.
            assert drivers.process.returncode == 0, drivers.said()
            totals.update(catalogue.account())
            catalogue.empty()
            drivers.start()
        while kind == "actor" and not actors(holder):
            assert drivers.process.poll() is None, drivers.said()
            time.sleep(0.1)
        time.sleep(dice.random())
        victim = drivers.process
        children = psutil.Process(victim.pid).children(recursive=True)
        ways[kind]()
        kills[kind] += 1
        if kind.startswith("driver"):
            leftovers[kind].update(left_behind(children, drivers, victim.pid, catalogue))
        logger.info("kill %d: %s", kills.total(), kind)
    assert drivers.process.wait(timeout=600) == 0, drivers.said()
    totals.update(catalogue.account())
    logger.info(
        "seed %d: kills %s; left behind %s; in the end %s",
        SEED,
        json.dumps(kills),
        json.dumps(leftovers),
        json.dumps(totals),
    )
    assert {what: count for what, count in totals.items() if count} == {}, totals
    # A killed driver cannot give its lease back; the next one on this machine knows it is dead.
    found = {(kind, what) for kind, by in leftovers.items() for what, count in by.items() if count}
    assert found <= {("driver SIGKILL", "lease")}, leftovers
