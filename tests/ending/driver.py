"""A driver in a process of its own, in a session of its own, that is watched from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.children import ROOT
from tests.ray_folder import starting_ray

_MOMENT_S = 200.0
"""Longest that a driver may take to get to the moment that is waited for."""


def _is(moment: Callable[[Driver], object], run: Driver) -> bool:
    with suppress(FileNotFoundError):  # of a folder that is not there yet
        return bool(moment(run))
    return False


def _commands(processes: list[psutil.Process]) -> list[str]:
    """The commands of those that still run: a process may end while it is asked for its own."""
    commands = []
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            commands.append(" ".join(one.cmdline()))
    return commands


@dataclass
class Driver:
    """A run that was started, and where it leaves its traces."""

    process: subprocess.Popen[bytes]
    output: Path
    temporary: Path

    def said(self) -> str:
        """Its standard error so far."""
        return (self.output.parent / "stderr").read_text()

    def children(self) -> list[str]:
        """The commands of all processes below it."""
        with suppress(psutil.NoSuchProcess):
            return _commands(psutil.Process(self.process.pid).children(recursive=True))
        return []

    def listens(self) -> bool:
        """Whether it waits for signals: until Python itself has started, nobody can."""
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name == "SigBlk":
                    return bool(int(value, 16) & 1 << signal.SIGTERM - 1)
        return False

    def wait_until(self, moment: Callable[[Driver], object]) -> None:
        """Wait for something to be true of it; it must not end before."""
        deadline = time.monotonic() + _MOMENT_S
        while not _is(moment, self):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.01)

    def left_behind(self) -> dict[str, list[str]]:
        """What is still there of it: processes, temporary files, leases."""
        return {
            "processes": _commands(self._processes()),
            "temporary": sorted(path.name for path in self.temporary.iterdir()),
            "leases": [str(path) for path in self.output.rglob("lease.json")],
        }

    def kill_all(self) -> None:
        """End what should have ended."""
        for one in self._processes():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()

    def _processes(self) -> list[psutil.Process]:
        """Those that were started with its temporary folder, wherever they hang now."""
        found = []
        for one in psutil.process_iter():
            with suppress(psutil.Error):
                place = one.environ().get("TMPDIR", "")
                if place.startswith(str(self.temporary)) and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
        return found


def _hear_of_a_lost_terminal() -> None:
    """Below nohup the signal is ignored by whatever is started, and by these tests' drivers too."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def runs(name: str) -> Callable[[Driver], bool]:
    """The moment at which a driver has a process with such a command below it."""
    return lambda run: any(name in command for command in run.children())


@contextmanager
def driver(folder: Path, *arguments: str) -> Iterator[Driver]:
    """Start `backlot ... --output folder/out`; what is left of it in the end is ended."""
    # Sockets live below it and their paths must stay short: not below pytest's folders.
    temporary = Path(tempfile.mkdtemp(prefix="ending-", dir="/tmp"))
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "jobs.cli", *arguments, "--output", str(folder / "out")]
    with starting_ray():
        pass  # nobody else is at it
    with (folder / "stderr").open("w") as errors, (folder / "stdout").open("w") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=errors,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=_hear_of_a_lost_terminal,
        )
    started = Driver(process, folder / "out", temporary)
    try:
        yield started
    finally:
        started.kill_all()
        shutil.rmtree(temporary, ignore_errors=True)
