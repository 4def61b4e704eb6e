"""The storage as the ledger and its lease see it: each verb is a request that may go wrong."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.storage import Lease
from pipeline.storage.leases.file_claim import FileClaim
from pipeline.storage.retry import Backoff
from tests.unit.conservation.actors import Actor

if TYPE_CHECKING:
    from tests.unit.conservation.world import World


class DriversLease(Lease):
    """A lease whose heart beats when the time of the test passes, and dies with its driver."""

    driver: Actor

    def beat(self) -> None:
        """Beat once, as long as the driver lives; one that is wholly stopped does not."""
        is_over = self.driver.is_stopped_wholly or self._ended.is_set() or self.lost.is_set()
        # A heart waits for the answer that its driver waits for.
        if not is_over and not self._renewing.locked():
            self._renew()

    def release(self) -> None:
        if not self.driver.is_killed:
            super().release()
        elif isinstance(self._claim, FileClaim):
            os.close(self._claim._descriptor)  # as the kernel does


class Place:
    """The verbs of a place, each of them a request that something may happen to."""

    def __init__(self, world: World, inner: Any) -> None:
        self._world = world
        self._inner = inner

    def write(self, uri: str, data: bytes, **options: Any) -> int:
        return int(self._change("write", uri, data, **options))

    def create(self, uri: str, data: bytes, *, content_type: str | None) -> bool:
        return bool(self._change("create", uri, data, content_type=content_type))

    def remove(self, uri: str) -> None:
        self._change("remove", uri)

    def _change(self, verb: str, uri: str, data: bytes | None = None, **options: Any) -> Any:
        def change() -> Any:
            given = () if data is None else (data,)
            answer = getattr(self._inner, verb)(uri, *given, **options)
            if answer is not False:
                self._world.changed(uri, data)
            return answer

        return self._world.board.request(change, is_change=True)

    def __getattr__(self, verb: str) -> Any:
        work = getattr(self._inner, verb)
        return lambda *args, **options: self._world.board.request(partial(work, *args, **options))


class Requests:
    """The requests that a lease makes of an object store."""

    backoff = Backoff(first_s=0.0)

    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, uri: str) -> Any:
        return self._world.board.request(partial(self._world.memory.get, uri))

    async def put(self, uri: str, data: bytes, *, if_absent: bool = False, **_: Any) -> Any:
        put = partial(self._world.memory.put, uri, data, if_absent=if_absent)
        return self._world.board.request(put, is_change=True)

    async def delete(self, uri: str, **_: Any) -> None:
        self._world.board.request(partial(self._world.memory.remove, uri), is_change=True)
