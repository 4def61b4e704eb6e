"""A real cluster for the tests of this folder, in a process of its own."""

from __future__ import annotations

import json
import socket

import pytest

from tests.children import python_child


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="session")
def head():
    """Where the cluster and its dashboard are."""
    with python_child("-m", "tests.cluster.head", str(free_port())) as (_, line):
        yield json.loads(line)
