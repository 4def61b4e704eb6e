"""The driver of a chaos run: started, killed, told to end, paused, and what it leaves behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.chaos.catalogue import Catalogue

_ENDS_S = 60.0
"""Longest that a driver may take to end when it is told to."""
_SETTLES_S = 30.0
"""Longest that processes may live on that belong to a driver that is gone."""


class Drivers:
    """The driver of the run, which is replaced when it ends; its log is that of all of them."""

    def __init__(
        self, catalogue: Catalogue, address: str, folder: Path, *, options: Sequence[str] = ()
    ) -> None:
        """Start the first one.

        Args:
            catalogue: what it is to work on.
            address: of the cluster that it works on.
            folder: for its log, and for what it keeps while it works.
            options: more words of its command line.
        """
        self._catalogue, self._path = catalogue, folder / "driver.log"
        self.words = _words(catalogue, address, options)
        """The command line of each: another driver with the same words means the same run."""
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "jobs.cli", *self.words]
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


def _words(catalogue: Catalogue, address: str, options: Sequence[str]) -> list[str]:
    words = ["run", "studio", "--address", address, *options]
    words += ["--manifest", catalogue.manifest, "--output", catalogue.output]
    settings = ["render.thumbnail_px=64", "render.shadow.enabled=true"]
    # All stages are one pool, which is bounded where each of them is: by fewer workers than there
    # are cores, as each takes seconds to start, and by more than one node has.
    stages = ("fetch", "matte", "prompt", "render", "store")
    settings += [f"resources.{stage}.max_actors=4" for stage in stages]
    for setting in settings:
        words += ["--set", setting]
    return words


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
