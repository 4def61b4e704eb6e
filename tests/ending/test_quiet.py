"""Only our own lines reach the terminal; what others say is kept, or shown marked."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.children import ROOT
from tests.ending.noisy import NOISE

OURS = "a line of ours"


def _run(path, format_="text", ways="p"):
    return subprocess.run(
        [sys.executable, "-m", "tests.ending.noisy", str(path), format_, ways],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def _noise(*whens):
    return [f"{when} {what}" for when in whens for what in NOISE]


def test_what_others_say_goes_into_the_file_and_ours_onto_the_terminal(tmp_path):
    run = _run(tmp_path / "log")
    assert run.stdout == "the result\n"
    (line,) = run.stderr.splitlines()
    assert line.endswith(OURS)
    kept = (tmp_path / "log").read_text()
    for said in _noise("early", "late"):
        assert said in kept
    assert OURS in kept  # in its place among them


def test_verbose_shows_it_marked_and_keeps_it_as_well(tmp_path):
    run = _run(tmp_path / "log", ways="pv")
    lines = run.stderr.splitlines()
    assert [line for line in lines if not line.startswith("| ")] == [
        line for line in lines if line.endswith(OURS) and line[0].isdigit()
    ]
    kept = (tmp_path / "log").read_text()
    for said in _noise("early", "late"):
        assert any(line.startswith("| ") and said in line for line in lines)
        assert said in kept
    assert run.stdout == "the result\n"


def test_json_stays_json_whoever_speaks(tmp_path):
    run = _run(tmp_path / "log", "json", "pv")
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    others = [line["message"] for line in lines if line["event"] == "output"]
    for said in _noise("early", "late"):
        assert any(said in message for message in others)
    assert OURS in [line["message"] for line in lines if line["event"] != "output"]
    quiet = _run(tmp_path / "log", "json", "p")
    assert [json.loads(line)["message"] for line in quiet.stderr.splitlines()] == [OURS]


def test_without_a_place_it_is_shown_only_if_asked_for(tmp_path):
    assert len(_run(tmp_path / "log", ways="").stderr.splitlines()) == 1
    shown = _run(tmp_path / "log", ways="v").stderr
    for said in _noise("early", "late"):
        assert f"| {said}" in shown or said in shown
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("ways", ["pb", "b"])
def test_a_crash_of_ours_reaches_the_terminal(tmp_path, ways):
    run = _run(tmp_path / "log", ways=ways)
    assert run.returncode == 1
    assert "RuntimeError: it broke" in run.stderr
    assert run.stderr.strip().endswith("RuntimeError: it broke")
    # Nothing is lost: what had no file yet is shown.
    assert ("early descriptor 2" in run.stderr) == ("p" not in ways)
