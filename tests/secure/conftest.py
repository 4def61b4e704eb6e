"""What several modules of this folder ask: a real local Ray, and a server that is slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pipeline import storage
from pipeline.engine.on_ray.cluster import cluster
from tests.ray_folder import starting_ray
from tests.secure.slow_server import SlowServer, opened


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """For one module: others start clusters of their own."""
    with ExitStack() as stack:
        with starting_ray():
            stack.enter_context(cluster(None))
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[SlowServer]:
    """Asked by clients that have seen no other server."""
    storage.disconnect()
    with opened() as slow:
        yield slow
        storage.disconnect()
