"""200 rows of which ten are slow do not take much longer than without those, and all come out.

Both runs go through the command line, one after the other: what a shared machine does to one it
does to the other, more or less. The median of `BACKLOT_SLOW_PAIRS` pairs (3) is what counts. A
quiet machine bears smaller limits than these: `BACKLOT_SLOW_ROW_S`, `BACKLOT_SLOW_ADDRESS_S`.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from tests.children import ROOT
from tests.ray_folder import starting_ray
from tests.secure.slow_feed import DRIPPING, NUM_ROWS, SLOW, manifest, served

logger = logging.getLogger(__name__)

pytestmark = [pytest.mark.secure, pytest.mark.ray]

MOST = 1.75
"""The aim is 1.2. What is missing is the restart of a worker, which a slow row takes down: with its
libraries and networks it takes as long as some rows."""
NUM_PAIRS = int(os.environ.get("BACKLOT_SLOW_PAIRS", "3"))
ROW_S = float(os.environ.get("BACKLOT_SLOW_ROW_S", "10"))
ADDRESS_S = float(os.environ.get("BACKLOT_SLOW_ADDRESS_S", "5"))
"""An honest row takes half a second in a stage, on a busy machine several; an honest file, none."""


def run(folder: Path, host: str, *, slow: Sequence[int], dripping: Sequence[int]) -> float:
    """Run the feed; every row must come out once. Returns the seconds it took."""
    folder.mkdir()
    path = manifest(folder / "manifest.parquet", host, slow=slow, dripping=dripping)
    settings = [
        "fetch.allowed_schemes=[http]",
        f"fetch.allowed_hosts=['{host}']",
        "fetch.allow_private_addresses=true",
        f"fetch.max_seconds={ADDRESS_S}",
        "input.max_megapixels=4",
        f"budget.max_row_seconds={ROW_S}",
        "budget.max_failures=0.1",
    ]
    command = [sys.executable, "-m", "tests.secure.slow_feed", "run", "studio"]
    command += ["--manifest", str(path), "--output", str(folder / "out")]
    command += [word for setting in settings for word in ("--set", setting)]
    with starting_ray():
        pass  # nobody else is at it
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    results = str(folder / "out/run_id=*/results/*.parquet")
    found = duckdb.sql(f"SELECT id, error_code FROM '{results}'").fetchall()
    expected = {f"{number:03d}": None for number in range(NUM_ROWS)}
    expected |= {f"{number:03d}": "too_slow" for number in slow}
    expected |= {f"{number:03d}": "storage" for number in dripping}
    assert Counter(found) == Counter(expected.items())
    (report,) = (folder / "out").glob("run_id=*/report.json")
    rows = json.loads(report.read_text())["rows"]
    assert rows["ok"] + rows["failed"] == NUM_ROWS
    for number in slow:
        assert f"row {number:03d} was too slow in matte" in done.stderr
    return seconds


@pytest.mark.timeout(900 * 2 * NUM_PAIRS)
def test_slow_rows_cost_a_run_less_than_as_much_again_and_every_row_comes_out(tmp_path):
    ratios = []
    with served() as host:
        for number in range(NUM_PAIRS):
            plain_s = run(tmp_path / f"plain-{number}", host, slow=(), dripping=())
            slow_s = run(tmp_path / f"slow-{number}", host, slow=SLOW, dripping=DRIPPING)
            ratios.append(slow_s / plain_s)
            logger.info("%.0f s without, %.0f s with: %.2f x", plain_s, slow_s, ratios[-1])
    assert statistics.median(ratios) <= MOST, ratios
