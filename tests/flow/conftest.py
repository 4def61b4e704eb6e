"""One real local Ray in each test process, for as long as it is at the tests of this folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import ray

from pipeline.engine.on_ray.cluster import cluster
from tests.ray_folder import starting_ray

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "very-secret-value",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Credentials for stores of tests: nodes have their own, and drivers hand none to them."""


@pytest.fixture(scope="package", autouse=True)
def ray_address() -> Iterator[str]:
    """Where the cluster is that this process is connected to: drivers of their own may use it."""
    with pytest.MonkeyPatch.context() as patch:
        # Actors reserve memory for the largest photograph that a recipe accepts. Those of the
        # tests are tiny, and on a small machine most recipes would be refused.
        patch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"memory": 256 * 2**30}))
        for name, value in KEYS.items():
            patch.setenv(name, value)
        with ExitStack() as stack:
            with starting_ray():
                stack.enter_context(cluster(None))
            yield ray.get_runtime_context().gcs_address
