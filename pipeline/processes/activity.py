"""What the driver is doing right now, for whoever shows it to people.

Nothing is printed here. Where something may take seconds it says what it is; a terminal, or a log,
looks at `current()` now and then and decides what is worth telling.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

PATIENCE_S = 5.0
"""What takes no longer needs no explanation."""


@dataclass
class Activity:
    """Something that is going on."""

    what: str
    """The activity in the words of a sentence's middle: `starting Ray`."""
    patience_s: float = PATIENCE_S
    """The time, in seconds, for which the activity is nothing to speak of."""
    since: float = field(default_factory=time.monotonic)
    """The beginning of the activity, by the monotonic clock, in seconds."""

    def becomes(self, what: str, *, patience_s: float = PATIENCE_S) -> None:
        """Change the activity from now on."""
        self.what, self.patience_s, self.since = what, patience_s, time.monotonic()


_going_on: list[Activity] = []
_changing = threading.Lock()


@contextlib.contextmanager
def doing(what: str, *, patience_s: float = PATIENCE_S) -> Iterator[Activity]:
    """Say what a block, or as a decorator a function, is about, should it take long."""
    this = Activity(what, patience_s)
    with _changing:
        _going_on.append(this)
    try:
        yield this
    finally:
        with _changing:
            # By identity: blocks of two threads need not end in order.
            _going_on[:] = [one for one in _going_on if one is not this]


def current() -> Activity | None:
    """The innermost of what is going on."""
    with _changing:
        return _going_on[-1] if _going_on else None
