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
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from moto.server import ThreadedMotoServer

from tests.chaos.catalogue import Catalogue
from tests.children import python_child

pytestmark = pytest.mark.chaos

logger = logging.getLogger(__name__)

NUM_KILLS = int(os.environ.get("BACKLOT_CHAOS_KILLS", "3"))
# As few rows as leave time for the kills: every row costs time, each start some seconds more.
NUM_ROWS = 96 if NUM_KILLS <= 3 else 240
SEED = int(os.environ.get("BACKLOT_CHAOS_SEED", "7"))
QUICK = ("driver SIGKILL", "actor", "node")
KINDS = (*QUICK, "driver SIGTERM", "driver SIGINT", "driver SIGSTOP", "raylet")

_ENDS_S = 60.0
"""Longest that a driver may take to end when it is told to."""
_SETTLES_S = 30.0
"""Longest that processes may live on that belong to a driver that is gone."""


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
    with python_child("-m", "tests.chaos.raylets") as holder:
        yield holder


class Drivers:
    """The driver of the run, which is replaced when it ends; its log is that of all of them."""

    def __init__(self, catalogue: Catalogue, address: str, folder: Path) -> None:
        self._catalogue, self._address, self._path = catalogue, address, folder / "driver.log"
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "jobs.cli", "run", "studio", "--address", self._address]
        command += ["--manifest", self._catalogue.manifest, "--output", self._catalogue.output]
        settings = ["render.thumbnail_px=64", "render.shadow.enabled=true"]
        settings += [f"resources.{stage}.max_actors=2" for stage in ("matte", "render")]
        for setting in settings:
            command += ["--set", setting]
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "disabled",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "TMPDIR": str(self._temporary),
        }
        with self._path.open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        return self.process

    def said(self) -> str:
        return self._path.read_text()[-6000:]

    def num_folders(self) -> int:
        """Temporary folders that are there now."""
        return len(list(self._temporary.iterdir()))

    def kill(self) -> None:
        """No time for anything."""
        self.process.kill()
        self.process.wait()
        self.start()

    def ask_to_end(self, number: signal.Signals) -> None:
        """As a scheduler or a person does: it says so, and gives its lease back."""
        before = len(self._path.read_text())
        self.process.send_signal(number)
        code = self.process.wait(timeout=_ENDS_S)
        said = self._path.read_text()[before:]
        # It may just have come to its own end.
        assert code in (0, 1), said
        assert "Traceback" not in said, said
        lease = self._catalogue.lease()
        assert lease is None or lease["pid"] != self.process.pid, lease
        self.start()

    def pause(self) -> None:
        """Stop it past its lease, as a laptop that is closed; another goes on meanwhile."""
        lease = self._catalogue.lease()
        if lease is None or lease["pid"] != self.process.pid:
            return
        paused, before = self.process, len(self._path.read_text())
        paused.send_signal(signal.SIGSTOP)
        time.sleep(lease["ttl_s"] + 3)
        successor = self.start()
        deadline = time.monotonic() + _ENDS_S
        while time.monotonic() < deadline and successor.poll() is None:
            held = self._catalogue.lease()
            if held is not None and held["pid"] == successor.pid:
                break
            time.sleep(0.2)
        paused.send_signal(signal.SIGCONT)
        code = paused.wait(timeout=_ENDS_S)
        said = self._path.read_text()[before:]
        assert code == 1, said
        assert "Traceback" not in said, said


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


def left_behind(
    children: list[psutil.Process], drivers: Drivers, pid: int, catalogue: Catalogue
) -> dict[str, int]:
    """What a driver that is gone has left on this machine and in the store."""
    _, alive = psutil.wait_procs(children, timeout=_SETTLES_S)
    lease = catalogue.lease()
    return {
        "processes": len(alive),
        "folders": drivers.num_folders(),
        "lease": int(lease is not None and lease["pid"] == pid),
    }


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


def wait_for_results(
    catalogue: Catalogue, driver: subprocess.Popen[bytes], dice: random.Random
) -> bool:
    """Wait until a few more result files are there; False if the driver ended before."""
    wanted = catalogue.num_result_files() + dice.choice([1, 2, 4])
    deadline = time.monotonic() + 60
    while driver.poll() is None and time.monotonic() < deadline:
        if catalogue.num_result_files() >= wanted:
            return True
        time.sleep(0.2)
    return driver.poll() is None
