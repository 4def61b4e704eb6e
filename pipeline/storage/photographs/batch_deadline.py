"""How long the addresses of a batch may take: so long each, and hardly longer all together.

A server that sends a byte now and then holds a request for as long as it likes, and the whole batch
waits. Limits of silence and of one attempt are not enough: attempts, redirects and pauses add up,
and so do the addresses of a batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipeline.errors import ErrorCode, TransientError
from pipeline.storage.photographs.addresses import shown

_LEAST_SHARE = 16
"""The divisor of the limit that gives the least patience: 7.5 s of two minutes, long for a
photograph."""


class Patience:
    """The patience with one batch. Each address that meets the limit halves it for later ones.

    Of 64 dripping addresses, 16 at once, the first take the whole limit and the others a sixteenth:
    together 1.2 times the limit and not four times. One of a few that is slow harms nobody.
    """

    def __init__(self, most_s: float) -> None:
        """Begin with a whole limit, in seconds: `fetch.max_seconds`."""
        self._most_s = most_s
        self._num_late = 0

    @asynccontextmanager
    async def for_one(self, uri: str) -> AsyncIterator[None]:
        """Break off what is done in the block once it has taken too long.

        Raises:
            TransientError: it was broken off.
        """
        num_late = self._num_late
        most_s = self._most_s / min(_LEAST_SHARE, 2**num_late)
        limit = asyncio.timeout(most_s)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            self._num_late += 1
            after = f", after {num_late} of its batch that took too long" if num_late else ""
            limit_said = f"fetch.max_seconds ({self._most_s:g})"
            raise TransientError(
                ErrorCode.STORAGE,
                f"{shown(uri)}: not read to the end within {most_s:.3g} s{after}: the server is "
                f"too slow for {limit_said}, which counts redirects, retries and pauses",
            ) from None
