"""What threads of one process share."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from pipeline import storage
from pipeline.storage.s3 import connection as module


def test_threads_that_ask_together_get_one_connection(monkeypatch):
    """A client made in one loop and used in another fails in every request it makes."""
    storage.disconnect()
    made = module.Connection

    def slowly(settings):
        time.sleep(0.1)
        return made(settings)

    monkeypatch.setattr(module, "Connection", slowly)
    with ThreadPoolExecutor(4) as pool:
        connections = list(pool.map(lambda _: module.connection(), range(4)))
    storage.disconnect()
    assert len(set(map(id, connections))) == 1


def test_who_still_waits_when_a_connection_closes_is_told():
    """A thread that waits for ever keeps its process from ending."""
    opened = module.Connection(module.Settings(anonymous=True, addressing_style="auto"))
    begun = threading.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(opened.run, endless())
        assert begun.wait(10)
        opened.close()
        with pytest.raises(CancelledError):
            waits.result(10)
