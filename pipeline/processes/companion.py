"""A process beside ours that does what might end a process, and can be lost without harm.

For native libraries that can exit, hang or be killed on what they are given. Not multiprocessing:
a fork of a process with threads (Ray's, a GPU's) can hang at once, and its spawn runs our caller's
main module again. This is a new interpreter and two pipes.

The other side is `serve`. A message is a JSON object and some bytes, each after its length.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

Message = tuple[dict[str, Any], bytes]

_LENGTH = struct.Struct(">Q")

_FAREWELL_S = 5.0
"""The time, in seconds, that a process has to end when told to; then it is killed."""


class LostError(Exception):
    """The process ended, or had to be ended, before it answered."""


class Companion:
    """Starts the process when it is asked something; may be asked by several threads.

    One question at a time. The process ends with ours, however ours ends: it ends itself when its
    input does, whatever it is doing.
    """

    def __init__(self, command: Sequence[str], *, patience_s: float) -> None:
        """Start nothing yet.

        Args:
            command: what to start; its process calls `serve`.
            patience_s: the longest it may take to start and answer; then it is killed.
        """
        self._command = list(command)
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._farewell: weakref.finalize[..., Companion] | None = None

    def ask(self, header: Mapping[str, Any], body: bytes = b"") -> Message:
        """Send a question and return its answer; a lost process is restarted by the next question.

        Raises:
            LostError: it ended or did not answer in time; the message says which.
        """
        with self._lock:
            process, late = self._running(), threading.Event()

            def give_up() -> None:
                late.set()
                process.kill()

            alarm = threading.Timer(self._patience_s, give_up)
            alarm.daemon = True
            alarm.start()
            try:
                return _exchange(process, header, body)
            except (OSError, EOFError):  # a pipe without anybody at its other end
                self._let_go()
                why = f"gave no answer in {self._patience_s:g} s"
                raise LostError(why if late.is_set() else _ended(process.returncode)) from None
            finally:
                alarm.cancel()
                alarm.join()

    def close(self) -> None:
        """End the process, if it runs."""
        with self._lock:
            self._let_go()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._let_go()
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
            except OSError as error:
                raise LostError(f"cannot be started: {error}") from error
            self._farewell = weakref.finalize(self, _end, self._process, os.getpid())
        return self._process

    def _let_go(self) -> None:
        if self._farewell is not None:
            self._farewell()
        self._process = self._farewell = None


def serve(answer: Callable[[dict[str, Any], bytes], Message]) -> None:
    """Be the process of a `Companion`: answer until nobody is there to ask.

    What anything prints goes to the standard error. An interrupt from the keyboard is for whoever
    asks: this process ends when that one does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # native libraries print where they like
    asked: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    while True:
        _send(out, *answer(*asked.get()))


def _listen(asked: queue.SimpleQueue[Message]) -> None:
    """Take questions in; at their end, leave at once. Another thread may never come back."""
    source = os.fdopen(os.dup(0), "rb")
    while True:
        try:
            asked.put(_receive(source))
        except (OSError, EOFError):
            os._exit(0)


def _send(to: IO[bytes], header: Mapping[str, Any], body: bytes) -> None:
    header_bytes = json.dumps(header).encode()
    for part in (_LENGTH.pack(len(header_bytes)), header_bytes, _LENGTH.pack(len(body)), body):
        to.write(part)
    to.flush()


def _receive(source: IO[bytes]) -> Message:
    header = json.loads(_exactly(source, _LENGTH.unpack(_exactly(source, _LENGTH.size))[0]))
    return header, _exactly(source, _LENGTH.unpack(_exactly(source, _LENGTH.size))[0])


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _exchange(process: subprocess.Popen[bytes], header: Mapping[str, Any], body: bytes) -> Message:
    assert process.stdin is not None
    assert process.stdout is not None
    _send(process.stdin, header, body)
    return _receive(process.stdout)


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """Close its input, which ends it, and wait; one that does not end is killed."""
    if os.getpid() != owner:  # a fork of ours: not its to end
        return
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was still to be written to the dead
                pipe.close()
    try:
        process.wait(_FAREWELL_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
