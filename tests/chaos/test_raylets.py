from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.children import python_child
from tests.cluster.conftest import free_port
from tests.ray_folder import starting_ray

pytestmark = pytest.mark.ray


@pytest.fixture
def unused_folder():
    """As a temporary directory is on a machine where Ray never ran; its path is short enough."""
    with tempfile.TemporaryDirectory(prefix="n") as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    "command",
    [
        ["tests.chaos.raylets"],
        pytest.param(["tests.cluster.head", str(free_port())], marks=pytest.mark.slow),
    ],
)
def test_a_cluster_starts_where_ray_never_ran_and_leaves_nothing(command, unused_folder) -> None:
    environment = {**os.environ, "TMPDIR": str(unused_folder)}
    environment.pop("RAY_TMPDIR", None)
    with starting_ray(), python_child("-m", *command, environment=environment) as (_, said):
        assert "127.0.0.1:" in said
    assert not list(unused_folder.iterdir())
