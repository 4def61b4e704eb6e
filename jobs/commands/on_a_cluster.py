"""The commands that deal with a cluster somewhere else: submit, status, logs, stop."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.terminal.screen import advise, tell, tell_log
from pipeline.processes import interruption

if TYPE_CHECKING:
    from jobs.remote.ray_jobs import Jobs, Submission

EXIT_UNKNOWN = 130
"""Nobody waited for the outcome: as a shell says of what Ctrl-C has ended."""

app = typer.Typer()

JobsAddress = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="RAY_API_SERVER_ADDRESS",
        help="Address of the cluster's dashboard, such as http://head:8265.",
    ),
]
_LOCAL = "http://127.0.0.1:8265"
JobId = Annotated[
    str, typer.Argument(metavar="RUN_ID", help="Name of the run, after which its job is called.")
]


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    address: JobsAddress = _LOCAL,
    *,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Print the job's id and leave, without waiting for its end."),
    ] = False,
    with_code: Annotated[
        bool,
        typer.Option("--with-code", help="Send this installation's code along with the job."),
    ] = False,
) -> None:
    """Hand a command in to a cluster: `backlot submit RECIPE --manifest ... --output ...`.

    In place of RECIPE may stand a whole command: `backlot submit nightly studio --manifest ...`,
    or `reprocess`, `preflight` or `estimate`. The request is checked here before it travels; a
    recipe of your own travels along, credentials never do.

    Follows the job's log. Ctrl-C asks whether to stop the job. Exit codes: the job's own; 1 if it
    was stopped; 130 if it was left running.
    """
    from jobs.remote import ray_jobs
    from jobs.remote.submission import submission

    parse = parser(context.find_root().command)
    job = submission(context.args, parse=parse, with_code=with_code)
    jobs = ray_jobs.connect(address)
    with tempfile.TemporaryDirectory(prefix="backlot-submit-") as folder:
        job_id = ray_jobs.submit(jobs, job, Path(folder))
    advise(*_how_to(job_id, job, address))
    if not detach:
        raise typer.Exit(watch(jobs, job_id))


@app.command()
def status(
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN_ID]", help="Name of a run. Default: every job of Backlot."),
    ] = None,
    address: JobsAddress = _LOCAL,
) -> None:
    """Show the jobs of a cluster, or one of them and how far it is."""
    from jobs.remote import ray_jobs

    jobs = ray_jobs.connect(address)
    if job_id is None:
        for job in ray_jobs.ours(jobs):
            tell(ray_jobs.describe(job))
        return
    info = ray_jobs.find(jobs, job_id)
    tell(ray_jobs.describe(info))
    progress = ray_jobs.last_progress(jobs.get_job_logs(info.submission_id))
    if progress is not None:
        tell(progress)


@app.command()
def logs(
    job_id: JobId,
    address: JobsAddress = _LOCAL,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the job ends, and exit with its code.")
    ] = False,
) -> None:
    """Print the log of a job."""
    from jobs.remote import ray_jobs

    jobs = ray_jobs.connect(address)
    found: str = ray_jobs.find(jobs, job_id).submission_id
    if follow:
        raise typer.Exit(watch(jobs, found))
    tell_log(jobs.get_job_logs(found))


@app.command()
def stop(job_id: JobId, address: JobsAddress = _LOCAL) -> None:
    """Stop a job. What it has finished stays; handed in again, it goes on from there."""
    from jobs.remote import ray_jobs

    jobs = ray_jobs.connect(address)
    found: str = ray_jobs.find(jobs, job_id).submission_id
    jobs.stop_job(found)
    tell(ray_jobs.describe(ray_jobs.wait(jobs, found)))


def watch(jobs: Jobs, job_id: str, *, may_stop: Callable[[], bool] | None = None) -> int:
    """Follow a job to its end; returns the exit code.

    Args:
        jobs: the cluster.
        job_id: which.
        may_stop: asked on Ctrl-C whether to stop the job; None: whoever sits at the terminal, and
            if nobody does, the job is left alone.
    """
    from jobs.remote import ray_jobs

    try:
        info = ray_jobs.follow(jobs, job_id, tell_log)
    except KeyboardInterrupt:
        interruption.forget()
        ask = may_stop or (lambda: sys.stdin.isatty() and _ask_to_stop(job_id))
        if not ask():
            advise(f"job {job_id} goes on: 'backlot stop {job_id}' would end it")
            return EXIT_UNKNOWN
        jobs.stop_job(job_id)
        info = ray_jobs.wait(jobs, job_id)
    advise(ray_jobs.describe(info))
    return ray_jobs.exit_code(info)


def _ask_to_stop(job_id: str) -> bool:
    return typer.confirm(f"\nStop job {job_id}? Otherwise it goes on without you", err=True)


def parser(group: Any) -> Callable[[str, list[str]], Mapping[str, Any]]:
    """How a command of `backlot` understands its arguments, by its name.

    Args:
        group: all commands, as typer makes them of an app.
    """

    def parse(name: str, arguments: list[str]) -> Mapping[str, Any]:
        with group.make_context("backlot", [name], resilient_parsing=True) as parent:
            context = group.commands[name].make_context(name, list(arguments), parent=parent)
            return dict(context.params)

    return parse


def _how_to(job_id: str, job: Submission, address: str) -> tuple[str, ...]:
    where = "" if address == _LOCAL else f" --address {address}"
    return (
        f"job {job_id}: {job.entrypoint}",
        f"  backlot status {job.run_id}{where}",
        f"  backlot logs {job.run_id} --follow{where}",
        f"  backlot stop {job.run_id}{where}",
    )
