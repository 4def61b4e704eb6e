"""Processes that have a folder for their temporary files, wherever they hang."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil

_KILLED_S = 5.0


def users(folder: Path) -> list[psutil.Process]:
    """The processes of this machine that have the folder as their TMPDIR, without zombies."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_user = process.environ().get("TMPDIR") == str(folder)
            if is_user and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no longer, waited for or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # this very moment
        return True


def end_users(folder: Path, *, patience_s: float) -> None:
    """Wait so long for a folder's users to end by themselves, then kill those that are left."""
    psutil.wait_procs(users(folder), timeout=patience_s)
    deadline = time.monotonic() + _KILLED_S
    while (left := users(folder)) and time.monotonic() < deadline:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)
