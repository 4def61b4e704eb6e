"""What threads of one process share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from pipeline import storage
from pipeline.storage import connection as module


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
