"""Actors: drivers, workers and readers, one of whom goes on at a time; and what becomes of them.

Every request to the storage passes through the `Switchboard`. There an actor may be killed, be
refused, lose the answer, or stop, so that others go on before it does.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from pipeline.errors import ErrorCode, FatalError, TransientError
from tests.unit.conservation.model import Samples


class Fault(StrEnum):
    """What may happen at a request."""

    KILLED_BEFORE = "killed before the request"
    KILLED_AFTER = "killed after the request"
    REFUSED = "not done, and an error"
    UNANSWERED = "done, and an error all the same"
    REPEATED = "done, not answered, and asked again"
    STOPPED_BEFORE = "stopped before the request"
    STOPPED_AFTER = "stopped after the request"
    CUT_SHORT = "half of a file arrives"


AT_CHANGE, AT_READ = 1000, 2000
"""Numbers from here on count the requests that change something, or that read a result file."""
WHERE = {0: 40, AT_CHANGE: 12, AT_READ: 12}
"""Where something may happen: numbers from each of these on, and how many."""
_STOPS = (Fault.STOPPED_BEFORE, Fault.STOPPED_AFTER)
_EXPECTED = (FatalError, FileNotFoundError, TransientError, ValueError)


class Killed(BaseException):
    """The process is gone. Whatever it asks for from now on is not done."""


class Actor:
    """Somebody at work, who ends, is killed, or stops on the way."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Any],
        *,
        board: Switchboard,
        faults: Mapping[int, Fault],
        dice: random.Random,
        skew_s: float = 0.0,
    ) -> None:
        """Nothing is done yet.

        Args:
            name: for the record.
            work: what to do.
            board: what its requests pass through.
            faults: by the number of the request, the first being 0, or by `AT_CHANGE` and the
                number of the change, or `AT_READ`.
            dice: decides what is chance in its work.
            skew_s: how far its clock is ahead.
        """
        self.name = name
        self.dice = dice
        self.skew_s = skew_s
        self.asked: Samples = ()
        """The manifest as it has read it."""
        self.older: frozenset[str] = frozenset()
        """Ids of the runs that were there when it began."""
        self.answer: Any = None
        self.error: Exception | None = None
        """What the work raised, of what people are told about."""
        self.is_killed = False
        self.is_over = False
        self.met: list[Fault] = []
        """What has happened to it so far."""
        self.is_stopped_wholly = dice.random() < 0.5
        """When it stops, whether its heart stops with it."""
        self.num_requests = 0
        self._counts: Counter[int] = Counter()
        self.lease: Any = None
        self._work = work
        self._board = board
        self._faults = faults
        self._bug: BaseException | None = None
        self._may_go = threading.Semaphore(0)
        self._rests = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def go_on(self) -> bool:
        """Work until it stops or ends; True when it has ended."""
        others, self._board.current = self._board.current, self
        try:
            if not any(fault in _STOPS for fault in self._faults.values()):
                self._do()
            else:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._do_by_turns, daemon=True)
                    self._thread.start()
                self._may_go.release()
                self._rests.acquire()
        finally:
            self._board.current = others
        if self._bug is not None:
            raise self._bug
        return self.is_over

    @property
    def has_stopped(self) -> bool:
        """Whether it ever did."""
        return any(fault in _STOPS for fault in self.met)

    def kill(self) -> None:
        """End one that has stopped."""
        self.is_killed = True
        self.go_on()

    def pass_through(self, request: Callable[[], Any], *, is_change: bool, is_read: bool) -> Any:
        """Do a request of its own, or let happen what is to happen there."""
        if self.is_killed:
            raise Killed
        fault = self._fault(is_change=is_change, is_read=is_read)
        self.num_requests += 1
        if fault is not None:
            self.met.append(fault)
            self._board.faults[fault] += 1
        if fault is Fault.CUT_SHORT:
            return fault
        if fault is Fault.REFUSED:
            raise _no_answer()
        self._end_or_stop(fault, Fault.KILLED_BEFORE, Fault.STOPPED_BEFORE)
        answer = request()
        if fault is Fault.REPEATED:
            answer = request()
        if fault is Fault.UNANSWERED:
            raise _no_answer()
        self._end_or_stop(fault, Fault.KILLED_AFTER, Fault.STOPPED_AFTER)
        return answer

    def _fault(self, *, is_change: bool, is_read: bool) -> Fault | None:
        fault = self._faults.get(self.num_requests)
        for kind, first in ((is_change, AT_CHANGE), (is_read, AT_READ)):
            if kind:
                fault = fault or self._faults.get(first + self._counts[first])
                self._counts[first] += 1
        if fault in (Fault.REPEATED, Fault.UNANSWERED) and not is_change:
            return Fault.REFUSED  # all the same where nothing is done
        if fault is Fault.CUT_SHORT and not is_read:
            return None
        return fault

    def _end_or_stop(self, fault: Fault | None, killed: Fault, stopped: Fault) -> None:
        if fault is killed:
            self.is_killed = True
            raise Killed
        if fault is stopped:
            self._stop()

    def _stop(self) -> None:
        self._rests.release()
        self._may_go.acquire()
        if self.is_killed:
            raise Killed

    def _do_by_turns(self) -> None:
        self._may_go.acquire()
        self._do()
        self._rests.release()

    def _do(self) -> None:
        try:
            if self.is_killed:
                raise Killed  # noqa: TRY301 - before it began
            self.answer = self._work()
        except Killed:
            pass
        except _EXPECTED as error:
            self.error = error
        except BaseException as error:  # noqa: BLE001 - raised again where the machine waits
            self._bug = error
        finally:
            self.is_over = True


class Switchboard:
    """What every request to the storage passes through."""

    def __init__(self) -> None:
        self.current: Actor | None = None
        """Whose turn it is; None: requests of the test itself, which are always done."""
        self.faults: Counter[Fault] = Counter()
        self.num_requests = 0

    def request(
        self, work: Callable[[], Any], *, is_change: bool = False, is_read: bool = False
    ) -> Any:
        """Do a request for whoever's turn it is.

        Args:
            work: what to do.
            is_change: whether it changes what is there.
            is_read: whether it is for a file's content, of which a part may be missing:
                `Fault.CUT_SHORT` is the answer then.
        """
        self.num_requests += 1
        if self.current is None:
            return work()
        return self.current.pass_through(work, is_change=is_change, is_read=is_read)


def _no_answer() -> TransientError:
    return TransientError(ErrorCode.STORAGE, "no answer, 8 times in a row")
