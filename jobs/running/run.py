"""Running a recipe from a terminal or a job: progress, contact sheet, summary."""

from __future__ import annotations

import logging
from functools import partial

from jobs.results.contact_sheet import write_contact_sheet
from jobs.running.cluster_address import check_address
from jobs.running.summary import print_idle, print_summary
from jobs.terminal.progress import Progress
from jobs.terminal.quiet import quiet, run_cluster
from pipeline import storage
from pipeline.flow import run
from pipeline.runs.report import Report
from pipeline.runs.run_config import RunConfig

logger = logging.getLogger(__name__)


def run_and_report(config: RunConfig, *, address: str | None) -> int:
    """Run, write the contact sheet and print the summary; returns the exit code.

    Raises:
        ValueError: the request cannot be carried out; no worker was started for it.
        FatalError: no row can be finished.
    """
    check_address(address)
    if config.assume_single_driver and storage.scheme_of(config.output) != "file":
        logger.warning(
            "--assume-single-driver: the lease on %s has no conditions, so see to it that no other "
            "driver works there",
            config.output,
        )
    progress = Progress()
    with quiet(progress.line) as capture:
        connect = partial(run_cluster, address, capture)
        report = run(config, on_progress=progress, connect=connect)
        sheet = _contact_sheet(report)
    logger.info(
        "run %s ended with exit code %d"
        if report.outcome == "made"
        else "nothing to do beside run %s: exit code %d",
        report.run_id,
        report.exit_code,
        extra={"event": "run_ended", "values": {**report.as_dict(), "exit_code": report.exit_code}},
    )
    if sheet is None:
        print_idle(report)
    else:
        print_summary(report, sheet, has_files=config.recipe.output.image_objects)
    return report.exit_code


def _contact_sheet(report: Report) -> str | None:
    """Where it is; of a run that was finished before, as it was written then."""
    if report.outcome == "idle":
        return None
    there = storage.join(report.run_uri, "report.html")
    if report.outcome != "made" and storage.exists(there):
        return there
    return write_contact_sheet(report.run_uri)
