"""One real local Ray in each test process, for as long as it is at the tests of this folder."""

from __future__ import annotations

import json

import pytest

from pipeline.cluster import cluster


@pytest.fixture(scope="package", autouse=True)
def ray_cluster():
    with pytest.MonkeyPatch.context() as patch:
        # Actors reserve memory for the largest photograph that a recipe accepts. Those of the
        # tests are tiny, and on a small machine most recipes would be refused.
        patch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"memory": 256 * 2**30}))
        with cluster(None):
            yield
