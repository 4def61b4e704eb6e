"""The measurements themselves, on few rows: that they measure what they say, not how much."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.control_plane import run_control_plane
from benchmarks.s3_reads import run_objects
from benchmarks.soak import run_soak
from benchmarks.whole_flow import run_studio
from tests.children import ROOT

pytestmark = pytest.mark.ray


def shown(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    """What was printed below the table."""
    out = capsys.readouterr().out
    return json.loads(out[out.index("[\n") :])


def test_control_plane(capsys):
    run_control_plane([96], rows_per_block=8)
    (found,) = shown(capsys)
    assert (found["rows"], found["rows_per_block"]) == (96, 8)
    assert found["rows_per_s"] == pytest.approx(96 / found["run_s"], rel=0.01, abs=0.06)
    assert found["driver_peak_mb"] > 50


@pytest.mark.slow
def test_studio_against_a_pool_and_a_loop(capsys):
    run_studio([4], repeats=1)
    (found,) = shown(capsys)
    assert (found["megapixels"], found["photographs"], found["failed"]) == (1, 4, 0)
    assert found["over_processes"] == pytest.approx(
        found["pipeline_s"] / found["processes_s"], abs=0.05
    )
    assert 0 < found["first_picture_s"] < found["pipeline_s"]


@pytest.mark.slow
def test_soak_watches_the_actors(capsys):
    run_soak(16)
    found = shown(capsys)
    assert found
    assert all(actor["mb_100"] > 100 for actor in found)


def test_reading_from_s3(capsys):
    run_objects(64, repeats=1)
    (found,) = shown(capsys)
    assert found["objects"] == 64
    assert found["over_plain"] == pytest.approx(
        found["backlot_per_s"] / found["plain_per_s"], abs=0.02
    )


def test_they_are_started_from_a_checkout_whatever_python_is_told_of_paths():
    command = [sys.executable, "-m", "benchmarks", "--rows", "96", "--rows-per-block", "8"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert '"rows": 96' in ended.stdout


@pytest.mark.parametrize("words", [["nope"], ["matting", "--rows", "0"]])
def test_a_wrong_request_is_one_line(words):
    command = [sys.executable, "-m", "benchmarks", *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
