from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from jobs.terminal.logs import JsonLines
from jobs.terminal.progress import Progress
from pipeline.runs.result_files import Tally


@pytest.fixture
def lines():
    """What is logged in JSON, parsed."""
    found: list[dict] = []

    class Collector(logging.Handler):
        def emit(self, record):
            found.append(json.loads(JsonLines().format(record)))

    handler = Collector()
    logger = logging.getLogger("jobs")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_progress_is_an_event_with_numbers(lines):
    Progress()(Tally(rows=3, codes={"not_found": 1}), 9)
    (line,) = lines
    assert line["event"] == "progress"
    assert (line["rows"], line["planned"], line["failed"]) == (3, 9, 1)
    assert line["codes"] == {"not_found": 1}
    assert line["message"].startswith("3 of 9 rows, 1 failed")
    assert line["time"].endswith("+00:00")


def test_an_exception_stays_on_its_line(lines):
    try:
        {}["a\nb"]
    except KeyError:
        logging.getLogger("jobs").exception("it broke")
    assert "KeyError" in lines[0]["traceback"]
    assert lines[0]["event"] is None


@pytest.mark.parametrize("option", ["--log-format=xml"])
def test_an_unknown_format_is_refused(option):
    command = [sys.executable, "-m", "jobs.cli", option, "recipes"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "--log-format" in run.stderr
