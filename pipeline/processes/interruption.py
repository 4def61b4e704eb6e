"""Being asked to end, at any moment: SIGINT, SIGTERM and SIGHUP, and nothing left behind.

The three are blocked in every thread, and one thread of ours waits for them. Handlers would not do:
Ray's core replaces that of SIGTERM by one that prints C++ stacks, and Python runs a handler only
when the main thread comes back from C code, which may take a minute. The first signal interrupts
the main thread (`KeyboardInterrupt`), which cleans up as it unwinds. What it does not hear, it is
told again; what has not ended after a while, and what gets a second signal, is ended at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_POKE = signal.SIGURG
"""How the waiting thread interrupts the main one. Ignored by default, and used by nobody else."""
_AGAIN_S = 5.0
"""An interrupt that hits a destructor or a callback is lost: then it is sent once more."""
_PATIENCE_S = 40.0
"""The time for unwinding, in seconds: Ray takes some to stop, and a lease on an object store some
requests."""
_ABORTS_S = 12.0
"""The time for unwinding, in seconds, where Ray is gone, which may wait for what never comes."""
_GONE_S = 5.0
"""The time, in seconds, for killed processes to vanish."""

CleanUp = Callable[[], None]


class Watch:
    """Waits for signals on behalf of the main thread, until it is closed or the process ends."""

    def __init__(
        self, *, last_words: Callable[[Exception | None], None], ends_process: bool
    ) -> None:
        """Begin to wait; call from the main thread, before others are started.

        Args:
            ends_process: whether the process ends with the command that is run.
            last_words: says that the command was interrupted, or aborted by an error; called from
                another thread when the main thread no longer can.
        """
        # Signals are the process's, and so is who waits for them.
        global _watch, _forks_are_known  # noqa: PLW0603
        assert _watch is None, "there is one watch at a time"
        self.asked: signal.Signals | None = None
        """The signal that was heard, if one was."""
        self.aborted: Exception | None = None
        """What the command has to end with, if something was lost that it cannot do without."""
        self._last_words = last_words
        self._ends_process = ends_process
        self._main = threading.main_thread()
        self._deferred = 1  # until there is a command to interrupt
        self._missed = False
        self._is_over = threading.Event()
        self._ends_at_once = threading.Lock()
        self._clean_ups: list[CleanUp] = []
        # nohup makes SIGHUP ignored, and so it stays. A shell's background jobs ignore SIGINT too,
        # against Ctrl-C for somebody else; but who sends it means us, and we have promised to end.
        is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._heard = {one for one in SIGNALS if not (is_nohup and one is signal.SIGHUP)}
        self._handler_before = signal.signal(_POKE, self._interrupted)
        self.mask_before = signal.pthread_sigmask(signal.SIG_BLOCK, self._heard)
        """Signals that were blocked in the main thread before, as they are in children."""
        _watch = self
        if not _forks_are_known:  # it cannot be taken back
            os.register_at_fork(after_in_child=_in_child)
            _forks_are_known = True
        self._thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave signals to whoever had them before."""
        global _watch  # noqa: PLW0603
        self._is_over.set()
        signal.pthread_kill(self._thread.ident or 0, signal.SIGTERM)  # to wake it, no more
        self._thread.join()
        _watch = None
        signal.signal(_POKE, self._handler_before)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask_before)

    def run(self, command: Callable[[], int]) -> int | None:
        """The command's result, or None if it was interrupted.

        Whatever an interrupt has become on its way up - Ray raises errors of its own, DuckDB as
        well - it is one. A command that came to its own end regardless has its own result.

        Raises:
            Exception: what the command raised, or what it was aborted with.
        """
        try:
            with _Interruptible(self):
                try:
                    self._let_through()
                    return command()
                finally:
                    self._deferred += 1  # what is left is cleaning up
        finally:
            self._run_clean_ups()
        return None

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the main thread finish this block before it is interrupted."""
        if threading.current_thread() is not self._main:
            yield
            return
        self._deferred += 1
        try:
            yield
        finally:
            self._let_through()

    def is_interrupted(self) -> bool:
        """Whether it was asked to end, or has to."""
        return self.asked is not None or self.aborted is not None

    def is_ending(self) -> bool:
        """Whether the process ends because it was asked to, or had to."""
        return self._ends_process and self.is_interrupted()

    def abort(self, error: Exception) -> None:
        """Interrupt the main thread because of something it cannot know; from another thread."""
        if not self.is_interrupted():
            self.aborted = error
            threading.Thread(target=self._hurry, args=(_ABORTS_S,), daemon=True).start()

    def clean_up(self, work: CleanUp) -> None:
        """Have something done when the command has ended, however it ends."""
        self._clean_ups.append(work)

    def _let_through(self) -> None:
        self._deferred -= 1
        if self._missed and not self._deferred:
            self._missed = False
            raise KeyboardInterrupt

    def _interrupted(self, _number: int, _frame: object) -> None:
        """Raise KeyboardInterrupt in the main thread, or later where that is deferred."""
        if not self.is_interrupted():
            return
        if self._deferred:
            self._missed = True
            return
        raise KeyboardInterrupt

    def _wait(self) -> None:
        while True:
            number = signal.Signals(signal.sigwait(self._heard))
            if self._is_over.is_set():
                return
            if self.asked is not None:
                self._end_now()
            self.asked = number
            threading.Thread(target=self._confirm, daemon=True).start()
            threading.Thread(target=self._hurry, args=(_PATIENCE_S,), daemon=True).start()

    def _hurry(self, patience_s: float) -> None:
        """Interrupt the main thread until it has ended."""
        deadline = time.monotonic() + patience_s
        while self.is_interrupted() and time.monotonic() < deadline:
            signal.pthread_kill(self._main.ident or 0, _POKE)
            if self._is_over.wait(_AGAIN_S):
                return
        if self.is_interrupted():
            self._end_now()

    def _confirm(self) -> None:
        """Tell the user of the signal; runs in a thread, as a terminal may be stuck as well."""
        if self.asked is not None:
            logger.info("%s: ending; a second signal ends at once", self.asked.name)

    def _end_now(self) -> None:
        """End the process without the main thread, which may be stuck in anything."""
        self._ends_at_once.acquire()  # and never released: once is enough
        kill_descendants()
        self._run_clean_ups()
        self._last_words(self.aborted)
        os._exit(1)

    def _run_clean_ups(self) -> None:
        while self._clean_ups:
            work = self._clean_ups.pop()
            try:
                work()
            except OSError as error:
                logger.warning("not cleaned up: %s", error)


class _Interruptible:
    """Lets nothing through of a block that was interrupted."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        if error is None:
            return False
        if self._watch.aborted is not None:
            raise self._watch.aborted from None
        was_asked = self._watch.asked is not None or isinstance(error, KeyboardInterrupt)
        if was_asked:
            logger.debug("what the interrupt became: %r", error)
        return was_asked


_watch: Watch | None = None
_forks_are_known = False
_children_are_apart = threading.Event()


def deferred() -> contextlib.AbstractContextManager[None]:
    """Let the main thread finish this block before a signal interrupts it: for cleaning up."""
    return contextlib.nullcontext() if _watch is None else _watch.deferred()


def came() -> bool:
    """Whether the command was interrupted, or is about to be."""
    return _watch is not None and _watch.is_interrupted()


def is_ending() -> bool:
    """Whether this process ends because it was asked to, or had to: nothing needs to be restored.

    To be asked while an exception is on its way up.
    """
    return _watch is not None and _watch.is_ending()


def clean_up(work: CleanUp) -> None:
    """Have something done when the command has ended, should it not be done by then.

    Where nobody waits for signals, as in a notebook, the caller's own `finally` has to do.
    """
    if _watch is not None:
        _watch.clean_up(work)


def abort(error: Exception) -> None:
    """End the command with an error that its main thread cannot know of; from another thread.

    Where nobody waits for signals, the main thread finds out by itself.
    """
    if _watch is not None:
        _watch.abort(error)


def forget() -> None:
    """Take the interrupt that was just caught for something else than the wish to end."""
    if _watch is not None:
        _watch.asked = None


@contextlib.contextmanager
def children_apart() -> Iterator[None]:
    """Give processes that are started in this block a session of their own.

    What is sent to our process group, as by a terminal that closes or by timeout(1), is then for us
    alone, who end them in good order.
    """
    _children_are_apart.set()
    try:
        yield
    finally:
        _children_are_apart.clear()


def kill_descendants() -> None:
    """End every process below this one, and wait until they are gone."""
    import psutil  # only here: most commands never need it

    deadline = time.monotonic() + _GONE_S
    while time.monotonic() < deadline:
        alive = psutil.Process().children(recursive=True)
        if not alive:
            return
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=0.5)


def _in_child() -> None:
    """Restore signals between fork and exec, for programs that know nothing of a watch."""
    if _watch is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _watch.mask_before)
    if _children_are_apart.is_set():
        os.setsid()
