"""What is lost while rows go through is one sentence, whatever Ray says of it."""

from __future__ import annotations

import re

import psutil
import pytest

from tests.ending.driver import Driver, driver
from tests.flow import pictures
from tests.flow.test_run import write_manifest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

NUM_ROWS = 40
OURS = re.compile(r"\d\d:\d\d:\d\d ")


@pytest.fixture
def command(tmp_path) -> list[str]:
    pictures.write_all(tmp_path / "images", {"a.jpg": pictures.jpeg((600, 500))})
    rows = [{"id": str(n), "image_uri": "images/a.jpg", "prompt": "sand"} for n in range(NUM_ROWS)]
    manifest = write_manifest(tmp_path, rows)
    settings = ["--set", "input.max_megapixels=1", "--set", "output.image_objects=false"]
    return ["run", "studio", "--manifest", str(manifest), *settings]


def at_work(run: Driver) -> bool:
    return len(list(run.output.rglob("part-*.parquet"))) >= 2


def below(run: Driver, name: str) -> psutil.Process:
    for child in psutil.Process(run.process.pid).children(recursive=True):
        if name in " ".join(child.cmdline()):
            return child
    raise AssertionError(f"no {name} below the driver")


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
