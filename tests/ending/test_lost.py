"""What is lost while rows go through is one sentence, whatever Ray says of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.children import python_child
from tests.ending.driver import Driver, driver, runs
from tests.flow import pictures
from tests.flow.test_run import write_manifest

pytestmark = pytest.mark.ray

NUM_ROWS = 40
OURS = re.compile(r"\d\d:\d\d:\d\d ")


@pytest.fixture
def command(tmp_path) -> list[str]:
    pictures.write_all(tmp_path / "images", {"a.png": pictures.with_alpha()})  # no network for it
    rows = [{"id": str(n), "image_uri": "images/a.png", "prompt": "sand"} for n in range(NUM_ROWS)]
    manifest = write_manifest(tmp_path, rows)
    settings = ["--set", "input.max_megapixels=1", "--set", "output.image_objects=false"]
    return ["run", "studio", "--manifest", str(manifest), *settings]


@pytest.fixture
def nodes(monkeypatch) -> Iterator[tuple[subprocess.Popen[str], str]]:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with python_child("-m", "tests.chaos.raylets") as holder:
        yield holder


def at_work(run: Driver) -> bool:
    return len(list(run.output.rglob("part-*.parquet"))) >= 2


def below(run: Driver, name: str) -> psutil.Process:
    for child in psutil.Process(run.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it may end while it is asked
            if name in " ".join(child.cmdline()):
                return child
    raise AssertionError(f"no {name} below the driver")


def rows_done(run: Driver) -> int:
    (report,) = run.output.glob("run_id=*/report.json")
    counted = json.loads(report.read_text())["rows"]
    return counted["ok"] + counted["failed"]


def test_a_lost_worker_is_one_sentence_and_the_run_goes_on(tmp_path, command):
    with driver(tmp_path, *command) as run:
        run.wait_until(at_work)
        lost = below(run, "MapWorker")
        lost.kill()
        assert run.process.wait(timeout=300) == 0, run.said()
        said = run.said()
    (sentence,) = [line for line in said.splitlines() if "lost a worker" in line]
    assert re.search(rf"lost a worker of fetch.* \(pid {lost.pid} on \S+\)", sentence)
    assert re.search(r"up to \d+ rows? goe?s? again$", sentence)
    assert all(OURS.match(line) for line in said.splitlines()), said
    assert rows_done(run) == NUM_ROWS


@pytest.mark.parametrize("daemon", ["raylet/raylet", "gcs_server"])
def test_the_loss_of_ray_on_this_machine_is_one_line_and_leaves_nothing(tmp_path, command, daemon):
    with driver(tmp_path, *command) as run:
        run.wait_until(at_work)
        below(run, daemon).kill()
        code = run.process.wait(timeout=60)
        said, left = run.said(), run.left_behind()
    assert code == 1, said
    *before, last = said.splitlines()
    assert last.startswith(f"backlot: error: Ray's {daemon.rpartition('/')[2]} on this machine")
    assert last.endswith("the same command goes on")
    assert all(OURS.match(line) for line in before), said
    assert left == {"processes": [], "temporary": [], "leases": []}


@pytest.mark.slow
def test_a_ray_that_does_not_start_is_one_line_and_leaves_nothing(tmp_path, command):
    with driver(tmp_path, *command) as run:
        run.wait_until(runs("raylet/raylet"))
        below(run, "raylet/raylet").suspend()  # before it has signed in, as where nothing gets on
        code = run.process.wait(timeout=120)
        said, left = run.said(), run.left_behind()
    assert code == 1, said
    *before, last = said.splitlines()
    assert last.startswith("backlot: error: Ray did not start on this machine"), said
    assert all(OURS.match(line) for line in before), said
    assert left == {"processes": [], "temporary": [], "leases": []}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["node", "raylet"])
def test_a_lost_node_is_one_sentence_and_ray_speaks_only_with_its_mark(
    tmp_path, command, nodes, kind
):
    holder, address = nodes
    with driver(tmp_path, *command, "--address", address) as run:
        run.wait_until(at_work)
        holder.stdin.write(f"{kind}\n")
        holder.stdin.flush()
        assert run.process.wait(timeout=300) == 0, run.said()
        said = run.said()
    lines = said.splitlines()
    ours = [line for line in lines if not line.startswith("| ")]
    assert all(OURS.match(line) for line in ours), said
    assert len([line for line in ours if "lost node" in line]) == 1, said
    assert not [line for line in ours if "lost a worker" in line], said
    assert rows_done(run) == NUM_ROWS
