"""A real cluster for the tests of this folder, in a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="session")
def head(tmp_path_factory):
    """Where the cluster and its dashboard are."""
    log = tmp_path_factory.mktemp("head") / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.head", str(free_port())],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        )
        try:
            line = process.stdout.readline()
            assert line, log.read_text()[-4000:]
            yield json.loads(line)
        finally:
            process.stdin.close()
            process.wait(60)
