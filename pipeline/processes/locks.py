"""Locks between a user's processes on one machine, where nobody else can hold or exchange them."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = "backlot"
_LOOKS_S = 0.1


@contextmanager
def locked(path: Path, *, patience_s: float) -> Iterator[None]:
    """Hold a lock file; the system lets go of it when its process dies, however it dies.

    The file is never emptied, and no link is followed in its place.

    Args:
        path: of the file, in a folder that is this user's.
        patience_s: the longest that another process is waited for.

    Raises:
        TimeoutError: another process has held it for so long.
        OSError: there cannot be such a file, as where a link is.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        _wait(descriptor, path, patience_s)
        yield
    finally:
        os.close(descriptor)


def private_folder() -> Path:
    """A folder for locks on this machine, which nobody but this user may enter.

    `backlot` in XDG_RUNTIME_DIR, where the system has made one; else in the temporary folder, under
    the user's number; else, where somebody has taken that name, in the user's cache.

    Raises:
        OSError: none of them can be had.
    """
    refused = []
    for folder in _candidates():
        try:
            _make_private(folder)
        except OSError as error:
            refused.append(f"{folder} ({error.strerror or error})")
        else:
            return folder
    raise OSError(
        f"no folder for locks that is this user's alone: {', '.join(refused)}: name one in "
        "XDG_RUNTIME_DIR"
    )


def _candidates() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        yield Path(runtime, _FOLDER)
    yield Path(tempfile.gettempdir(), f"{_FOLDER}-{os.geteuid()}")
    with suppress(RuntimeError):  # an account without an entry and without HOME
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        yield Path(cache).expanduser() / _FOLDER / "locks"


def _make_private(folder: Path) -> None:
    """Make a folder with mode 0700 if it is not there.

    Raises:
        OSError: it cannot be made, or is another's, or no folder, or open to others.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError("a link or a file is there")
    if status.st_uid != os.geteuid():
        raise PermissionError("it is another user's")
    if status.st_mode & 0o077:
        raise PermissionError("others may enter it: chmod 700")


def _wait(descriptor: int, path: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    f"another process has held {path} for {patience_s:.0f} s: end it if it hangs"
                ) from None
            time.sleep(_LOOKS_S)
        else:
            return
