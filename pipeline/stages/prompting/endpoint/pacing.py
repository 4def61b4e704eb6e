"""Pacing: not faster than agreed, and not at all for a while when nothing works."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """Lets requests start at even distances."""

    def __init__(self, per_s: float | None) -> None:
        self._distance_s = 0.0 if per_s is None else 1.0 / per_s
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + self._distance_s
        if start > now:
            await asyncio.sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Let nobody start for a while: the endpoint said how long."""
        self._next = max(self._next, time.monotonic() + seconds)


class Breaker:
    """Stops asking an endpoint that keeps failing, so that a dead one costs a run minutes.

    After `limit` failures in a row nothing is let through for `pause_s`, then one request to see;
    its success lets all through again. (M. Nygard, "Release It!", 2007: circuit breaker.)
    """

    def __init__(self, *, limit: int, pause_s: float) -> None:
        self._limit = limit
        self._pause_s = pause_s
        self._failures = 0
        self._closed_until = 0.0

    def lets_through(self) -> bool:
        """Whether a request may be made now."""
        if self._failures < self._limit:
            return True
        now = time.monotonic()
        if now < self._closed_until:
            return False
        self._closed_until = now + self._pause_s  # for all but this one
        return True

    def note(self, *, failed: bool) -> None:
        """What became of a request."""
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= self._limit:
            self._closed_until = time.monotonic() + self._pause_s
