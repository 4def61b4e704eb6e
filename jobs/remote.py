"""Jobs on a cluster somewhere else: handed in over Ray Jobs, followed, stopped.

A job is a command of ours under the id of its run, so that one can be found from the other, and a
second start of a run that is under way is refused by the cluster itself.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import FatalError
from pipeline.execution import FORWARDED

COMMANDS = ("run", "nightly", "reprocess")
"""What can be handed in."""

_PACKAGES = ("pipeline", "jobs")
_FORWARDED = (*FORWARDED, "BACKLOT_LOG_FORMAT")
_FINISHED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
_POLL_S = 1.0
_MOST_BROKEN = 5
"""Times in a row that the log's connection may break before following is given up."""


class Jobs(Protocol):
    """What we need of Ray's `JobSubmissionClient`."""

    def submit_job(
        self,
        *,
        entrypoint: str,
        submission_id: str | None,
        runtime_env: dict[str, Any] | None,
        metadata: dict[str, str] | None,
    ) -> str: ...
    def stop_job(self, job_id: str) -> bool: ...
    def delete_job(self, job_id: str) -> bool: ...
    def get_job_info(self, job_id: str) -> Any: ...
    def list_jobs(self) -> list[Any]: ...
    def get_job_logs(self, job_id: str) -> str: ...
    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A command, ready to be handed in."""

    job_id: str
    command: tuple[str, ...]
    """Ours, with its arguments: `("run", "studio", "--manifest", ...)`."""
    files: Mapping[str, Path]
    """What travels along, by its name in the job's working directory."""

    @property
    def entrypoint(self) -> str:
        """The shell command that the cluster's head runs."""
        return shlex.join(["python", "-m", "jobs.cli", *self.command])


def connect(address: str) -> Jobs:
    """A client of the cluster's dashboard; a token comes from where Ray looks for it.

    Raises:
        ValueError: nobody answers there.
    """
    from ray.job_submission import JobSubmissionClient

    _refuse_secrets("--address", address)
    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(" | ")[0]
        raise ValueError(
            f"--address {address}: no Ray dashboard answers there ({reason}): name the head's, "
            "such as http://head:8265, or forward its port"
        ) from None


def own_code() -> dict[str, Path]:
    """The packages of this installation, for a cluster that has none or another version."""
    here = Path(__file__).resolve().parent.parent
    return {name: here / name for name in _PACKAGES}


def runtime_env(files: Mapping[str, Path], folder: Path) -> dict[str, Any]:
    """The job's environment: settings that are no secret, and the files that travel along.

    Credentials are never part of it: whoever may look at the dashboard can read it. A cluster's
    nodes have their own.

    Args:
        files: what travels, by name.
        folder: an empty one, in which the job's working directory is put together.

    Raises:
        ValueError: a setting holds a password.
    """
    settings = {name: os.environ[name] for name in _FORWARDED if os.environ.get(name)}
    for name, value in settings.items():
        _refuse_secrets(name, value)
    environment: dict[str, Any] = {"env_vars": {**settings, "PYTHONUNBUFFERED": "1"}}
    if files:
        for name, path in files.items():
            if path.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(path, folder / name, ignore=ignore)
            else:
                shutil.copyfile(path, folder / name)
        environment["working_dir"] = str(folder)
    return environment


def submit(jobs: Jobs, submission: Submission, folder: Path) -> int:
    """Hand a command in; returns how many characters of log an earlier job of that id has left.

    Ray takes an id once. A job of that id that has ended makes room: what matters of it is in the
    run's folder, and its log goes on in the same file.

    Raises:
        ValueError: a job of that id is under way.
    """
    job_id, logged = submission.job_id, 0
    status = status_of(jobs, job_id)
    if status is not None:
        if status not in _FINISHED:
            raise ValueError(
                f"job {job_id} is {status}: follow it with 'backlot logs {job_id} --follow', or "
                f"end it with 'backlot stop {job_id}'"
            )
        logged = len(jobs.get_job_logs(job_id))
        jobs.delete_job(job_id)
    jobs.submit_job(
        entrypoint=submission.entrypoint,
        submission_id=job_id,
        runtime_env=runtime_env(submission.files, folder),
        metadata={"backlot": submission.command[0]},
    )
    return logged


def status_of(jobs: Jobs, job_id: str) -> str | None:
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED; None if the cluster knows no such job."""
    try:
        return str(jobs.get_job_info(job_id).status.value)
    except RuntimeError as error:
        if re.search(r"\b404\b|does not exist", str(error)):
            return None
        raise


def find(jobs: Jobs, job_id: str) -> Any:
    """What the cluster knows of a job.

    Raises:
        ValueError: there is none of that id.
    """
    if status_of(jobs, job_id) is None:
        raise ValueError(f"job {job_id}: the cluster knows none of that id; 'backlot status' lists")
    return jobs.get_job_info(job_id)


def follow(jobs: Jobs, job_id: str, say: Callable[[str], None], *, skip: int = 0) -> Any:
    """Pass a job's log on until it has ended; returns what the cluster knows of it then.

    A connection that breaks is made again and goes on where it was.

    Args:
        jobs: the cluster.
        job_id: which.
        say: takes pieces of the log.
        skip: characters at the start of the log that are of no interest.

    Raises:
        FatalError: the cluster does not answer any more.
    """
    heard = skip

    async def listen() -> None:
        nonlocal heard
        position = 0
        async for piece in jobs.tail_job_logs(job_id):
            fresh = piece[max(0, heard - position) :]
            position += len(piece)
            if fresh:
                heard = position
                say(fresh)

    broken = 0
    while True:
        before = heard
        try:
            asyncio.run(listen())
            info = jobs.get_job_info(job_id)
            if info.status.value in _FINISHED:
                return info
        except (RuntimeError, OSError) as error:
            broken = broken + 1 if heard == before else 1
            if broken > _MOST_BROKEN:
                raise FatalError(
                    f"job {job_id}: the cluster does not answer any more "
                    f"({' '.join(str(error).split())}); the job may well go on"
                ) from None
        time.sleep(_POLL_S)


def wait(jobs: Jobs, job_id: str) -> Any:
    """Wait until a job has ended; returns what the cluster knows of it then."""
    while (info := jobs.get_job_info(job_id)).status.value not in _FINISHED:
        time.sleep(_POLL_S)
    return info


def exit_code(info: Any) -> int:
    """The exit code of a job that has ended: its own, and 1 for one that was stopped or lost."""
    if info.status.value == "SUCCEEDED":
        return 0
    return int(info.driver_exit_code or 1)


def ours(jobs: Jobs) -> list[Any]:
    """The jobs that were handed in by us, newest first."""
    known = [job for job in jobs.list_jobs() if (job.metadata or {}).get("backlot")]
    return sorted(known, key=lambda job: job.start_time or 0, reverse=True)


def describe(info: Any) -> str:
    """A job in one line: its id, how it is, since when, and how it ended."""
    started = (info.start_time or 0) / 1000
    ended = (info.end_time or 0) / 1000 or time.time()
    parts = [f"{info.submission_id:<48}", f"{info.status.value:<9}"]
    if started:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(started))
        parts += [f"{at} UTC", f"{ended - started:8.0f} s"]
    if info.status.value in _FINISHED:
        parts.append(f"exit code {exit_code(info)}")
    return "  ".join(parts)


def last_line(log: str, marks: Sequence[str] = (" rows, ", " rows: ")) -> str | None:
    """The newest line of a log that tells how far the run is."""
    lines = [line for line in log.splitlines() if any(mark in line for mark in marks)]
    return lines[-1] if lines else None


def is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def _refuse_secrets(name: str, value: str) -> None:
    if re.search(r"//[^/@]*@", value):
        raise ValueError(
            f"{name} holds a user name or password, which would end up in logs and on the "
            "dashboard: take it out; credentials belong to the nodes"
        )
