from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.running.summary import print_idle, print_summary
from pipeline.recipe import Budget
from pipeline.runs.report import Report
from pipeline.runs.result_files import Tally

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def report(*, failed: int = 0, **more: Any) -> Report:
    return Report(
        run_id="one",
        run_uri="/data/run_id=one",
        recipe="studio",
        config_hash="0",
        manifest="m.parquet",
        started_at=NOON,
        finished_at=NOON,
        num_planned=2,
        num_done_before=0,
        total=Tally(rows=2, codes={"not_found": failed}),
        budget=Budget(max_failures=2),
        discrepancies={},
        **more,
    )


def last_lines(
    capsys: pytest.CaptureFixture[str], *, has_files: bool, failed: int, count: int = 3, **more: Any
) -> list[str]:
    made = report(failed=failed, **more)
    print_summary(made, "/data/run_id=one/report.html", has_files=has_files)
    return capsys.readouterr().out.splitlines()[-count:]


def test_a_summary_ends_with_where_everything_is(capsys) -> None:
    assert last_lines(capsys, has_files=True, failed=1) == [
        "dataset   /data/run_id=one",
        "pictures  /data/run_id=one/images",
        "report    /data/run_id=one/report.html",
    ]


def test_it_says_what_was_not_looked_at(capsys) -> None:
    unseen = {"the web server gave no answer": 2, "their folder may not be listed": 1200}
    lines = last_lines(capsys, has_files=False, failed=0, count=5, not_looked_at=unseen)
    assert lines[:3] == [
        "1,202 photographs not looked at for changes, which count as before",
        "  the web server gave no answer 2",
        "  their folder may not be listed 1200",
    ]


def test_a_night_without_work_says_that_all_was_looked_at_only_where_it_was(capsys) -> None:
    said = {}
    for unseen in ({}, {"the store gives no ETag": 6}):
        print_idle(report(num_unchanged=6, not_looked_at=unseen))
        said[len(unseen)] = capsys.readouterr().out
    assert "all 6 rows were looked at, and none has changed" in said[0]
    assert "looked at" not in said[1].partition("6 photographs")[0]
    assert "none of 6 rows is known to have changed since earlier runs" in said[1]
    assert "6 photographs not looked at for changes, which count as before" in said[1]
    assert "the store gives no ETag 6" in said[1]


@pytest.mark.parametrize(("has_files", "failed"), [(False, 0), (True, 2)])
def test_it_names_no_folder_that_is_not_there(capsys, has_files: bool, failed: int) -> None:
    lines = last_lines(capsys, has_files=has_files, failed=failed)
    assert not [line for line in lines if line.startswith("pictures")]
