"""One real local Ray for the whole test process."""

from __future__ import annotations

import pytest

from pipeline.execution import cluster


@pytest.fixture(scope="session", autouse=True)
def ray_cluster():
    with cluster(None, progress_bars=False):
        yield
