"""Jobs on a cluster somewhere else: handed in over Ray Jobs, followed, stopped.

A job is a command of ours under the id of its run, so that one can be found from the other, and a
second start of a run that is under way is refused by the cluster itself.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.engine.on_ray.forwarded_settings import FORWARDED, refuse_secrets
from pipeline.errors import FatalError
from pipeline.text.printable import one_line

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

    Jobs: TypeAlias = JobSubmissionClient

COMMANDS = ("run", "nightly", "reprocess", "preflight", "estimate")
"""What can be handed in."""

TRAVELLING_RECIPE = "recipe.yaml"
"""Name of a recipe file in the working directory of its job."""

_PACKAGES = ("pipeline", "jobs")
_FORWARDED = (*FORWARDED, "BACKLOT_LOG_FORMAT")
_COMMAND, _RUN = "backlot-command", "backlot-run"
"""What a job's metadata say of it."""
_POLL_S = 1.0
_NO_AGENT = "No available agent"
"""What Ray's dashboard says that has looked for ten seconds where it can start a job."""
_AGENT_S = 60.0
_MOST_BROKEN = 5
"""Times in a row that the log's connection may break before following is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A command, ready to be handed in."""

    run_id: str
    """The name of the run; for a command that is none, a name of its own."""
    command: tuple[str, ...]
    """Ours, with its arguments: `("run", "studio", "--manifest", ...)`."""
    recipe: bytes | None = None
    """A recipe of one's own, which travels along as the file `TRAVELLING_RECIPE`."""
    with_code: bool = False
    """Whether this installation's packages travel too, before the cluster's own."""

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

    refuse_secrets("--address", address)
    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(" | ")[0]
        raise ValueError(
            f"--address {address}: no Ray dashboard answers there ({reason}): name the head's, "
            "such as http://head:8265, or forward its port"
        ) from None


def runtime_env(submission: Submission, folder: Path) -> dict[str, Any]:
    """The job's environment: settings that are no secret, and what travels along.

    Credentials are never part of it: whoever may look at the dashboard can read it. A cluster's
    nodes have their own.

    Args:
        submission: what is handed in.
        folder: an empty one, for the job's working directory.

    Raises:
        ValueError: a setting holds a password.
    """
    settings = {name: os.environ[name] for name in _FORWARDED if os.environ.get(name)}
    for name, value in settings.items():
        refuse_secrets(name, value)
    environment: dict[str, Any] = {"env_vars": {**settings, "PYTHONUNBUFFERED": "1"}}
    if submission.with_code:
        # Not by py_modules: the folder that a job starts in goes before those.
        here, ignore = Path(__file__).resolve().parents[2], shutil.ignore_patterns("__pycache__")
        for name in _PACKAGES:
            shutil.copytree(here / name, folder / name, ignore=ignore)
    if submission.recipe is not None:
        (folder / TRAVELLING_RECIPE).write_bytes(submission.recipe)
    if submission.with_code or submission.recipe is not None:
        environment["working_dir"] = str(folder)
    return environment


def submit(jobs: Jobs, submission: Submission, folder: Path) -> str:
    """Hand a command in; returns the job's id.

    The job is called after its run. Ray takes an id once, so that a run's second job is called
    `<run>.2`: a run that goes on keeps the logs of its earlier starts.

    A cluster that has just started knows of no agent for a while that could start jobs: that is
    waited for.

    Raises:
        ValueError: a job of that run is under way.
        FatalError: the cluster did not take the job.
    """
    run_id = submission.run_id
    earlier = [job for job in ours(jobs) if job.metadata[_RUN] == run_id]
    for job in earlier:
        if not job.status.is_terminal():
            raise ValueError(
                f"job {job.submission_id} is {job.status.value}: follow it with 'backlot logs "
                f"{run_id} --follow', or end it with 'backlot stop {run_id}'"
            )
    environment = runtime_env(submission, folder)
    end = time.monotonic() + _AGENT_S
    while True:
        try:
            return jobs.submit_job(
                entrypoint=submission.entrypoint,
                submission_id=f"{run_id}.{len(earlier) + 1}" if earlier else run_id,
                runtime_env=environment,
                metadata={_COMMAND: submission.command[0], _RUN: run_id},
            )
        except RuntimeError as error:
            # Ray has one class for whatever its dashboard refuses.
            if _NO_AGENT not in str(error) or time.monotonic() > end:
                reason = one_line(str(error), most=300)
                raise FatalError(f"the cluster did not take the job ({reason})") from None
        time.sleep(_POLL_S)


def ours(jobs: Jobs) -> list[Any]:
    """The jobs that were handed in by us, newest first."""
    known = [job for job in jobs.list_jobs() if _RUN in (job.metadata or {})]
    return sorted(known, key=lambda job: job.start_time or 0, reverse=True)


def find(jobs: Jobs, name: str) -> Any:
    """A job by its own id, or the newest of a run by the run's.

    Raises:
        ValueError: there is none.
    """
    known = ours(jobs)
    of_run = [job for job in known if job.metadata[_RUN] == name]
    later_starts = [job for job in known if job.submission_id == name and job not in of_run]
    if not (later_starts or of_run):
        raise ValueError(f"job {name}: the cluster knows none of that id; 'backlot status' lists")
    return (later_starts or of_run)[0]


def follow(jobs: Jobs, job_id: str, say: Callable[[str], None]) -> Any:
    """Pass a job's log on until it has ended; returns what the cluster knows of it then.

    A connection that breaks is made again and goes on where it was.

    Args:
        jobs: the cluster.
        job_id: which.
        say: takes pieces of the log.

    Raises:
        FatalError: the cluster does not answer any more.
    """
    heard = 0

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
            if info.status.is_terminal():
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
    while not (info := jobs.get_job_info(job_id)).status.is_terminal():
        time.sleep(_POLL_S)
    return info


def exit_code(info: Any) -> int:
    """The exit code of a job that has ended: its own, and 1 for one that was stopped or lost."""
    if info.status.value == "SUCCEEDED":
        return 0
    return int(info.driver_exit_code or 1)


def describe(info: Any) -> str:
    """A job in one line: its id, how it is, since when, and how it ended."""
    started = (info.start_time or 0) / 1000
    ended = (info.end_time or 0) / 1000 or time.time()
    parts = [f"{info.submission_id:<48}", f"{info.status.value:<9}"]
    if started:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(started))
        parts += [f"{at} UTC", f"{ended - started:8.0f} s"]
    if info.status.is_terminal():
        parts.append(f"exit code {exit_code(info)}")
    if info.status.value == "FAILED" and info.driver_exit_code is None:
        parts.append(" ".join((info.message or "").split())[:300])
    return "  ".join(parts)


def last_progress(log: str) -> str | None:
    """The newest line of a log that tells how far the run is."""
    lines = [line for line in log.splitlines() if " rows, " in line or " rows: " in line]
    return lines[-1] if lines else None
