from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.run import print_summary
from pipeline.recipe import Budget
from pipeline.report import Report
from pipeline.results import Tally

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def last_lines(capsys: pytest.CaptureFixture[str], *, has_files: bool, failed: int) -> list[str]:
    report = Report(
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
    )
    print_summary(report, "/data/run_id=one/report.html", has_files=has_files)
    return capsys.readouterr().out.splitlines()[-3:]


def test_a_summary_ends_with_where_everything_is(capsys) -> None:
    assert last_lines(capsys, has_files=True, failed=1) == [
        "dataset   /data/run_id=one",
        "pictures  /data/run_id=one/images",
        "report    /data/run_id=one/report.html",
    ]


@pytest.mark.parametrize(("has_files", "failed"), [(False, 0), (True, 2)])
def test_it_names_no_folder_that_is_not_there(capsys, has_files: bool, failed: int) -> None:
    lines = last_lines(capsys, has_files=has_files, failed=failed)
    assert not [line for line in lines if line.startswith("pictures")]
