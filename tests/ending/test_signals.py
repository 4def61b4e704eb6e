"""Being asked to end: at every moment, by every signal, the same line and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.engine.on_ray.cluster import remove_abandoned
from pipeline.processes import interruption
from tests.ending.driver import Driver, driver, runs
from tests.flow import pictures
from tests.flow.drivers import ALONE
from tests.flow.test_run import write_manifest

pytestmark = pytest.mark.ray

INTERRUPTED = "backlot: error: interrupted; the same command goes on from here"


MOMENTS = {
    "loading": Driver.listens,
    "planning": lambda run: list(run.output.rglob("lease.json")),
    "starting Ray": runs("gcs_server"),
    "Ray's node is up": runs("raylet/raylet"),
    "starting actors": runs("MapWorker"),
    "at work": lambda run: list(run.output.rglob("part-*.parquet")),
    "writing the report": lambda run: list(run.output.rglob("report.json")),
}
# Each signal and each moment once here; all pairs are slow.
QUICK = {
    ("loading", signal.SIGINT),
    ("planning", signal.SIGHUP),
    ("starting Ray", signal.SIGTERM),
    ("Ray's node is up", signal.SIGINT),
    ("at work", signal.SIGTERM),
}


ASKED_WHILE_A_LEASE_IS_TAKEN = """
import os, signal, sys, time
from pipeline.processes import interruption
from pipeline.storage import Lease

class Slow(Lease):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)

def command():
    with Slow.acquire(sys.argv[1], owner="test", ttl_s=60):
        return 0

watch = interruption.Watch(last_words=print, ends_process=True)
print(watch.run(command), os.listdir(sys.argv[1]))
"""

LOST_WHILE_NOTHING_IS_ASKED = """
import sys, time
from pathlib import Path
from pipeline.processes import interruption
from pipeline.errors import FatalError
from pipeline.storage import Lease

def command():
    with Lease.acquire(sys.argv[1], owner="test", ttl_s=1):
        Path(sys.argv[1], "lease.json").unlink()
        time.sleep(50)

watch = interruption.Watch(last_words=print, ends_process=True)
started = time.monotonic()
try:
    watch.run(command)
except FatalError as error:
    print(error, time.monotonic() - started < 10)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A run of a dozen rows, in blocks of one."""
    pictures.write_all(tmp_path / "images", {"a.png": pictures.with_alpha()})  # no network for it
    rows = [{"id": str(n), "image_uri": "images/a.png", "prompt": "sand"} for n in range(12)]
    manifest = write_manifest(tmp_path, rows)
    settings = ["--set", "input.max_megapixels=1", *ALONE]
    return ["run", "studio", "--manifest", str(manifest), *settings]


def _pairs():
    for moment in MOMENTS:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            marks = [] if (moment, number) in QUICK else [pytest.mark.slow]
            yield pytest.param(moment, number, marks=marks, id=f"{moment}, {number.name}")


@pytest.mark.parametrize(("moment", "number"), list(_pairs()))
def test_a_run_that_is_asked_to_end_leaves_nothing_and_can_be_continued(
    tmp_path, command, moment, number
):
    with driver(tmp_path, *command) as run:
        run.wait_until(MOMENTS[moment])
        os.killpg(run.process.pid, number)  # as a terminal, or timeout(1), does
        code = run.process.wait(timeout=60)
        said = run.said()
        left = run.left_behind()
    if moment == "writing the report" and code == 0:  # it came to its own end
        assert list(run.output.rglob("_SUCCESS"))
    else:
        assert code == 1, said
        assert said.endswith(f"{INTERRUPTED}\n"), said
    assert "Traceback" not in said
    assert "***" not in said  # as stacks of C++ begin
    assert left == {"processes": [], "temporary": [], "leases": []}


def test_a_lease_is_given_back_though_nobody_holds_it_yet(tmp_path):
    script = [sys.executable, "-c", ASKED_WHILE_A_LEASE_IS_TAKEN, str(tmp_path)]
    said = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == "None []\n", said.stderr


def test_who_waits_for_something_else_ends_when_the_lease_is_lost(tmp_path):
    script = [sys.executable, "-c", LOST_WHILE_NOTHING_IS_ASKED, str(tmp_path)]
    said = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.startswith(f"{tmp_path}: "), said.stderr
    assert said.stdout.endswith(" True\n")


@pytest.mark.parametrize("moment", ["starting Ray", "at work"])
def test_a_second_signal_ends_a_run_at_once_and_leaves_no_process(tmp_path, command, moment):
    with driver(tmp_path, *command) as run:
        run.wait_until(MOMENTS[moment])
        run.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        run.process.send_signal(signal.SIGINT)
        started = time.monotonic()
        code = run.process.wait(timeout=60)
        took_s = time.monotonic() - started
        said = run.said()
        left = run.left_behind()
    assert code == 1, said
    assert took_s < interruption._PATIENCE_S / 2
    assert said.count(INTERRUPTED) == 1, said
    assert left["processes"] == []
    assert left["temporary"] == []


def test_a_run_that_was_killed_leaves_a_folder_that_the_next_one_removes(tmp_path, command):
    with driver(tmp_path, *command) as run:
        run.wait_until(MOMENTS["starting actors"])
        run.process.kill()
        run.process.wait()
        (abandoned,) = run.temporary.iterdir()
        remove_abandoned(run.temporary)  # with what Ray has not ended by itself yet, or never will
        assert not abandoned.exists()
        assert run.left_behind()["processes"] == []
