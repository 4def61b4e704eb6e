"""Processes that tests start: each says one line when it is ready, or why it is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).parents[1]


@contextmanager
def python_child(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run Python until it has written a line; its input is closed at the end, and it is waited for.

    Args:
        arguments: of the interpreter, such as `-m` and a module of this repository.
        environment: all of it; None for this process's own.

    Yields:
        The process and the line, without its end.

    Raises:
        AssertionError: it ended without a line; the message has its standard error.
    """
    with TemporaryFile(mode="w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                if not line:
                    code = process.wait()
                    log.seek(0)
                    command = " ".join(arguments)
                    raise AssertionError(f"{command}: exit code {code}\n{log.read()[-4000:]}")
                yield process, line.rstrip("\n")
            finally:
                process.stdin.close()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
