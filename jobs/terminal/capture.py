"""Keeps what Ray and libraries say off the terminal: into a file, or marked line by line.

Their words come in every way there is: prints, logging, warnings, C++ that writes to the file
descriptors 1 and 2, and the output of workers, which Ray forwards. So the descriptors themselves
are led elsewhere for the length of a block; our own lines go to the terminal that was there before.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TextIO

from jobs.terminal import relay
from pipeline.errors import FatalError, TransientError
from pipeline.processes import interruption

_FDS = (1, 2)
_RELAYED_S = 5.0
"""The time, in seconds, for the relay to pass on the last lines."""

_TOLD = (ValueError, OSError, FatalError, TransientError)
"""What ends a command in a line that says all there is to say."""

_active: Capture | None = None


class Capture:
    """Standard output and error of this process and its children, while they are led elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        """Begin: what is written goes into a file without a name until it has a place."""
        self._as_json = as_json
        self._streams = sys.stdout, sys.stderr
        for stream in self._streams:
            stream.flush()
        self._before = [os.dup(fd) for fd in _FDS]
        self.terminal_descriptor = self._before[1]
        self.terminal = self._terminal()
        """Where our own lines go."""
        self._relay: subprocess.Popen[bytes] | None = None
        self._early: IO[bytes] | None = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        _lead(self._early)
        self._own: list[TextIO] = []
        for name, fd in (("stdout", 1), ("stderr", 2)):
            if not _is_over(getattr(sys, name), fd):  # a test's, or a notebook's
                over = open(fd, "w", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
                self._own.append(over)
                setattr(sys, name, over)

    def place(self, path: Path | None, *, shown: bool) -> None:
        """Say where it goes: into a file, or marked onto the terminal, or both."""
        assert self._early is not None, "it has a place already"
        assert path is not None or shown
        early, self._early = self._early, None
        if shown:
            command = [sys.executable, "-I", relay.__file__, "json" if self._as_json else "text"]
            self._relay = subprocess.Popen(
                [*command, *([] if path is None else [str(path)])],
                stdin=subprocess.PIPE,
                stdout=self._before[1],
                stderr=self._before[1],
                start_new_session=True,
            )
            target: Any = self._relay.stdin
        else:
            assert path is not None
            target = path.open("ab")
        with early, target:
            so_far = _read(early, 0)
            target.write(so_far)
            target.flush()
            _lead(target)
            target.write(_read(early, len(so_far)))  # what was written meanwhile

    def end(self, *, shown: bool) -> None:
        """Lead everything back. What has had no place is shown, or lost."""
        for stream in (sys.stdout, sys.stderr, *self._own):
            with contextlib.suppress(ValueError):  # closed by somebody
                stream.flush()
        sys.stdout, sys.stderr = self._streams
        for fd, before in zip(_FDS, self._before, strict=True):
            os.dup2(before, fd)
        if self._relay is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._relay.wait(_RELAYED_S)
        if self._early is not None:
            with self._early as early:
                text = _read(early, 0).decode(errors="backslashreplace")
                for line in text.splitlines() if shown else ():
                    self.terminal.write(f"{relay.marked(line, as_json=self._as_json)}\n")
        self.terminal.flush()
        for before in self._before:
            os.close(before)

    def _terminal(self) -> TextIO:
        stream: TextIO = sys.stderr
        if not _is_over(stream, 2):
            return stream
        return open(self._before[1], "w", closefd=False, errors="backslashreplace", buffering=1)


def _is_over(stream: Any, fd: int) -> bool:
    try:
        return int(stream.fileno()) == fd
    except (AttributeError, OSError, ValueError):
        return False


def _read(file: IO[bytes], position: int) -> bytes:
    """The bytes from a position to the end; where others write is not moved."""
    pieces = []
    while piece := os.pread(file.fileno(), 2**20, position):
        pieces.append(piece)
        position += len(piece)
    return b"".join(pieces)


def _lead(target: IO[bytes]) -> None:
    for fd in _FDS:
        os.dup2(target.fileno(), fd)


@contextlib.contextmanager
def captured(*, as_json: bool, shown: bool) -> Iterator[Capture]:
    """Take standard output and error away from everybody but us, for the length of a block.

    Args:
        as_json: what is shown of it is in JSON.
        shown: show what never got a place. That of a block which breaks is shown in any case.
    """
    global _active  # noqa: PLW0603 - the descriptors are the process's
    if _active is not None:
        yield _active
        return
    _active = Capture(as_json=as_json)
    try:
        yield _active
    except BaseException as error:
        if interruption.is_ending():
            raise  # what Ray says as the process goes down belongs into the file, too
        broke = isinstance(error, Exception) and not isinstance(error, _TOLD)
        _end(shown=shown or broke)
        raise
    _end(shown=shown)


def _end(*, shown: bool) -> None:
    global _active
    assert _active is not None
    ended, _active = _active, None
    ended.end(shown=shown)


def terminal() -> TextIO:
    """Where our own lines go: standard error, as it was before anything was captured."""
    stream: TextIO = sys.stderr if _active is None else _active.terminal
    return stream


def terminal_fd() -> int:
    """The descriptor under `terminal()`, for words that cannot wait for the stream."""
    return 2 if _active is None else _active.terminal_descriptor


def is_captured() -> bool:
    """Whether standard error is something else than what people see."""
    return _active is not None
