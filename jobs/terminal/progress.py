"""How far a run is: lines now and then, a bar on a terminal, and what is being done meanwhile."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from jobs.terminal.display import clock
from pipeline.processes import activity
from pipeline.processes.activity import Activity

if TYPE_CHECKING:
    from pipeline.runs.result_files import Tally

logger = logging.getLogger(__name__)

_EVERY_S = 10.0
_WINDOW_S = 60.0
"""A rate is that of the last minute, or of as many blocks as make one."""
_SHORTEST_S = 0.5
"""Blocks that come at once, as at the start, tell of no rate."""
_LOOKS_S = 0.5
_BAR_WIDTH = 24


class Progress:
    """Told of every block that is done; says how far the run is.

    A rate is told once there is one: from the first block on, so that starting and loading do not
    count. Time is left for as many rows as are left, at that rate.
    """

    def __init__(
        self, *, every_s: float = _EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin; nothing is known yet."""
        self.tally: Tally | None = None
        self.num_planned = 0
        self._every_s = every_s
        self._clock = clock
        self._said: float | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, counted: Tally, num_planned: int) -> None:
        """Log a line if the last one is long enough ago, and at the end."""
        now = self._clock()
        self.tally, self.num_planned = counted, num_planned
        self._seen.append((now, counted.rows))
        while len(self._seen) > 2 and self._seen[1][0] < now - _WINDOW_S:
            self._seen.popleft()
        is_due = self._said is None or now - self._said >= self._every_s
        if is_due or counted.rows >= num_planned:
            self._said = now
            self._log(counted)

    def images_per_s(self) -> float | None:
        """None as long as nobody can tell."""
        if len(self._seen) < 2:
            return None
        (since, rows_then), (_, rows) = self._seen[0], self._seen[-1]
        passed = self._clock() - since
        return (rows - rows_then) / passed if rows > rows_then and passed >= _SHORTEST_S else None

    def seconds_left(self) -> float | None:
        """None as long as nobody can tell."""
        rate = self.images_per_s()
        if rate is None or self.tally is None or self.tally.rows >= self.num_planned:
            return None
        return (self.num_planned - self.tally.rows) / rate

    def _log(self, counted: Tally) -> None:
        rate, left = self.images_per_s(), self.seconds_left()
        said = [f"{counted.rows} of {self.num_planned} rows", f"{counted.failed} failed"]
        said += [] if rate is None else [rate_of(rate)]
        said += [] if left is None else [f"{clock(left)} left"]
        logger.info(
            ", ".join(said),
            extra={
                "event": "progress",
                "moves": counted.rows < self.num_planned,
                "values": {
                    "rows": counted.rows,
                    "planned": self.num_planned,
                    "failed": counted.failed,
                    "codes": dict(counted.codes),
                    "images_per_s": None if rate is None else round(rate, 3),
                    "seconds_left": None if left is None else round(left),
                },
            },
        )

    def line(self) -> Any:
        """What moves on a terminal: a bar, or what is being done before and after there is one."""
        if self.tally is None or self.tally.rows >= self.num_planned:
            return moving_activity(activity.current())
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        rate, left = self.images_per_s(), self.seconds_left()
        bar = ProgressBar(total=self.num_planned, completed=self.tally.rows, width=_BAR_WIDTH)
        texts = [f"{self.tally.failed:,} failed"] if self.tally.failed else []
        texts += [] if rate is None else [rate_of(rate)]
        texts += [] if left is None else [f"{clock(left)} left"]
        rows = f"{self.tally.rows:,} of {self.num_planned:,} rows"
        grid = Table.grid(padding=(0, 1))
        grid.add_row(rows, bar, Text(", ".join(texts), no_wrap=True, overflow="ellipsis"))
        return grid


def moving_activity(now: Activity | None) -> Any:
    """What is being done, and for how long already."""
    from rich.text import Text

    said = "" if now is None else f"{now.what} {clock(time.monotonic() - now.since)}"
    return Text(said, no_wrap=True, overflow="ellipsis")


def rate_of(images_per_s: float) -> str:
    """A rate in the unit in which it is no nought: `0.45 images/s`, `3.2 images/min`."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if images_per_s * seconds >= 0.1:
            return f"{images_per_s * seconds:.2f} images/{unit}"
    return f"{images_per_s * 3600:.2f} images/h"


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Have whatever takes long within this block tell what it is."""
    over = threading.Event()
    thread = threading.Thread(target=_explain, args=(over,), name="explaining", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _explain(over: threading.Event) -> None:
    said: tuple[float, float] = (0.0, 0.0)
    while not over.wait(_LOOKS_S):
        now = activity.current()
        if now is None:
            continue
        passed = time.monotonic() - now.since
        since, last = said if said[0] == now.since else (now.since, 0.0)
        # After a while once more, and then ever more rarely: each time after twice the time.
        if passed < max(now.patience_s, 4 * last if last < 30 else 2 * last):
            continue
        said = since, passed
        logger.info(
            "%s: %s so far",
            now.what,
            clock(passed),
            extra={
                "event": "waiting",
                "moves": True,
                "values": {"doing": now.what, "seconds": round(passed)},
            },
        )
