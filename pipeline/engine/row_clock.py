"""A row's time: what this worker is at, and the end of its process when that takes too long.

Native code hears neither an exception nor a signal's handler: what decodes for an hour can only be
ended together with its process. Two look at the clock. A thread of ours can tell others which row
it was. But where native code keeps the interpreter's lock no thread of Python runs, so there is a
timer in C as well (`faulthandler`), which needs no lock: it leaves a note on the disk, for the
process that is started in place of this one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_GRACE_S = 6.0
"""What the thread has before the timer ends the process without a word to anybody."""
_LAST_WORDS_S = 90.0
"""What `tell` may take before the timer ends the process all the same."""
_LONGEST_NAP_S = 1.0
_EXIT_CODE = 75
_HEADER_BYTES = 2**16
"""The bytes of a note's header, the rows. What the timer writes follows, at the file's position."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overdue:
    """Rows of which one was too slow."""

    stage: str
    ids: tuple[str, ...]
    """One where it is known which; else all that were worked on together."""
    beside: tuple[str, ...]
    """The others that had been begun with them."""


@dataclass(slots=True)
class _Step:
    """Work that has begun and not ended."""

    ids: tuple[str, ...]
    allowed_s: float
    since: float


@dataclass(slots=True)
class _Batch:
    stage: str
    row_s: float
    """What each row may take."""
    names: Mapping[int, str]
    """Sample ids by the rows' identities."""
    whole: _Step
    """All of them; since one of them was begun or ended last."""
    thread: int


class RowClock:
    """Watches the rows of one process, of one batch after another."""

    def __init__(
        self,
        limit_s: float,
        *,
        tell: Callable[[Overdue], None],
        note: Path,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """Watch nothing yet; call once in a process that works on rows.

        Args:
            limit_s: seconds that a row may take in a stage.
            tell: passes on what was too slow, and does what is left to do; called from a thread.
            note: where the timer leaves word; opened anew.
            end: ends the process with a code.
        """
        self.limit_s = limit_s
        self._tell = tell
        self._end = end
        self._note = os.open(note, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        os.lseek(self._note, _HEADER_BYTES, os.SEEK_SET)
        self._changing = threading.RLock()
        self._batch: _Batch | None = None
        self._rows: dict[int, _Step] = {}
        """The row that each thread works on, by the thread's id."""
        threading.Thread(target=self._watch, name="row clock", daemon=True).start()

    @contextlib.contextmanager
    def batch(
        self, stage: str, rows: Sequence[Any], ids: Sequence[str], *, patience_s: float = 0.0
    ) -> Iterator[None]:
        """Watch work on a batch: as many times the limit as it has rows, from row to row.

        Args:
            stage: its name.
            rows: the very objects that the stage's mapper is given.
            ids: of the rows.
            patience_s: what a row may wait for others beside, in limits of the stage's own.
        """
        global _clock  # noqa: PLW0603 - the process's: whoever works on a row must find it
        row_s, now = self.limit_s + patience_s, time.monotonic()
        with self._changing:
            self._batch = _Batch(
                stage,
                row_s,
                {id(row): id_ for row, id_ in zip(rows, ids, strict=True)},
                _Step(tuple(ids), row_s * len(ids), now),
                threading.get_ident(),
            )
            _clock = self
            self._wind()
        try:
            yield
        finally:
            with self._changing:
                self._batch, _clock = None, None
                self._rows.clear()
                faulthandler.cancel_dump_traceback_later()

    @contextlib.contextmanager
    def row(self, row: object) -> Iterator[None]:
        """Watch work on one row of the batch, in any thread."""
        thread = threading.get_ident()
        with self._changing:
            before = self._rows.get(thread)
            self._begun(thread, row)
        try:
            yield
        finally:
            with self._changing:
                self._rows.pop(thread, None)
                if self._batch is not None:
                    if before is not None:
                        self._rows[thread] = before
                    self._batch.whole.since = time.monotonic()
                    self._wind()

    def _begun(self, thread: int, row: object) -> None:
        batch = self._batch
        if batch is None:
            return
        now = batch.whole.since = time.monotonic()
        name = batch.names.get(id(row))
        if name is not None:
            self._rows[thread] = _Step((name,), batch.row_s, now)
        self._wind()

    def _wind(self) -> None:
        """Set the timer for what is at work now, and note what that is."""
        batch = self._batch
        assert batch is not None
        # In other threads than the batch's own, rows are at work beside it: it may be any of them.
        alone = self._rows.get(batch.thread) if len(self._rows) == 1 else None
        step = alone or batch.whole
        said = json.dumps([batch.stage, list(step.ids), list(batch.whole.ids)]).encode()
        os.pwrite(self._note, said[: _HEADER_BYTES - 1] + b"\0", 0)
        faulthandler.dump_traceback_later(step.allowed_s + _GRACE_S, exit=True, file=self._note)

    def overdue(self, now: float) -> Overdue | None:
        """What has taken too long by now, as `time.monotonic` counts."""
        with self._changing:
            batch = self._batch
            if batch is None:
                return None
            late = [
                step
                for step in (*self._rows.values(), batch.whole)
                if now - step.since > step.allowed_s
            ]
            return _named(batch.stage, late[0].ids, batch.whole.ids) if late else None

    def _watch(self) -> None:
        while True:
            time.sleep(min(_LONGEST_NAP_S, self.limit_s / 10))
            with self._changing:  # a row that ends now is too late
                found = self.overdue(time.monotonic())
                if found is not None:
                    faulthandler.dump_traceback_later(_LAST_WORDS_S, exit=True, file=self._note)
                    try:
                        self._tell(found)
                        faulthandler.dump_traceback(file=sys.stderr)
                    finally:
                        faulthandler.cancel_dump_traceback_later()
                        self._end(_EXIT_CODE)
                    return


_clock: RowClock | None = None


def working_on(row: object) -> contextlib.AbstractContextManager[None]:
    """Say that this thread works on a row for the length of a block, to whoever watches."""
    return contextlib.nullcontext() if _clock is None else _clock.row(row)


def read_note(note: Path) -> Overdue | None:
    """What ended the process that left a note; None: it was not the timer, or nobody knows.

    The note is removed.
    """
    try:
        data = note.read_bytes()
    except FileNotFoundError:  # another node's
        return None
    note.unlink(missing_ok=True)
    said, traceback = data[:_HEADER_BYTES].partition(b"\0")[0], data[_HEADER_BYTES:]
    if not traceback:
        return None
    logger.error("what the process before this one was at: %s", traceback.decode(errors="replace"))
    try:
        stage, ids, together = json.loads(said)
    except ValueError:  # more ids than a note holds
        return None
    return _named(stage, ids, together)


def _named(stage: str, ids: Sequence[str], together: Sequence[str]) -> Overdue:
    beside = tuple(id_ for id_ in together if id_ not in ids)
    return Overdue(stage=stage, ids=tuple(ids), beside=beside)
