"""The command line in a process of its own, over a store on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

ALONE = [
    word
    for stage in ("fetch", "matte", "prompt", "render", "store")
    for word in ("--set", f"resources.{stage}.max_actors=1")
]
"""One worker, where a test asks nothing of several: each takes seconds of a core to start."""


def backlot(
    endpoint: str, *arguments: str, address: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        endpoint: of the store. Its keys are in the environment: `conftest.KEYS`.
        arguments: of the command line.
        address: of the Ray cluster that a run goes to; None: what is asked for needs no Ray.
    """
    environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}
    command = [sys.executable, "-m", "jobs.cli", *arguments]
    command += [] if address is None else ["--address", address]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
