"""Where the words of Ray and of libraries go while a command works, and what is seen meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.terminal.capture import Capture, captured, terminal
from jobs.terminal.display import moving
from jobs.terminal.logs import LogFormat, settings
from pipeline.processes import activity
from pipeline.storage import absolute, scheme_of

logger = logging.getLogger(__name__)

_FOLDER = "logs"
"""The folder of logs in a run's folder."""


@contextlib.contextmanager
def quiet(line: Callable[[], Any] | None = None) -> Iterator[Capture]:
    """Keep the terminal to our own lines for the length of a block.

    Args:
        line: what moves below them, on a terminal; None for what is being done.
    """
    as_json = settings.format is LogFormat.JSON
    with captured(as_json=as_json, shown=settings.verbose) as capture:
        if as_json:
            yield capture
            return
        with moving(line or _activity):
            yield capture


@contextlib.contextmanager
def quiet_cluster(address: str | None) -> Iterator[None]:
    """Ray for the length of a block that is no run; its words are shown if asked for, or lost."""
    from pipeline.engine.on_ray.cluster import cluster  # only now: Ray takes a second to load

    with quiet() as capture:
        if settings.verbose or _is_a_log(address):
            capture.place(None, shown=True)
        with cluster(address):
            yield


@contextlib.contextmanager
def run_cluster(address: str | None, capture: Capture, run_uri: str) -> Iterator[None]:
    """Ray for the length of a run, whose folder keeps what Ray and libraries say.

    Where the run's folder is not on this disk, a folder on it is said; within a job, whose log is
    kept by whoever runs it, lines stay there and are marked.
    """
    from pipeline.engine.on_ray.cluster import cluster  # as above
    from pipeline.runs.identity import run_id_of  # as above

    run_id = run_id_of(run_uri)
    if _is_a_log(address):
        capture.place(None, shown=True)
        logger.info("run %s", run_id, extra={"event": "run_started", "values": {"run_id": run_id}})
    else:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
        path = _folder(run_uri, run_id) / f"{stamp}.log"
        capture.place(path, shown=settings.verbose)
        logger.info(
            "run %s; what Ray and libraries say: %s",
            run_id,
            path,
            extra={"event": "run_started", "values": {"run_id": run_id, "log": str(path)}},
        )
    with cluster(address):
        yield


def _is_a_log(address: str | None) -> bool:
    """Whether our lines go to where a cluster keeps them, and nobody sits before them."""
    return address is not None and not terminal().isatty()


def _folder(run_uri: str, run_id: str) -> Path:
    """A folder on this machine, made."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    places = [state / "backlot", Path(tempfile.gettempdir()) / f"backlot-logs-{os.getuid()}"]
    folders = [place / _FOLDER / run_id for place in places]
    if scheme_of(run_uri) == "file":
        folders = [Path(absolute(run_uri)) / _FOLDER]
    for folder in folders[:-1]:
        with contextlib.suppress(OSError):  # a home that is none, or read-only
            folder.mkdir(parents=True, exist_ok=True)
            return folder
    folders[-1].mkdir(parents=True, exist_ok=True)
    return folders[-1]


def _activity() -> Any:
    from jobs.terminal.progress import moving_activity

    return moving_activity(activity.current())
