from __future__ import annotations

import subprocess
import sys

import numpy as np

from benchmarks.memory import measure, png


def test_an_actor_stays_within_what_it_reserves_and_comes_near_it():
    measured = measure(4, png)
    assert measured["reserved_mb"] / 3 < measured["peak_mb"] < measured["reserved_mb"]


def test_what_the_measuring_process_holds_is_not_counted():
    held = np.ones(1 << 30, dtype=np.uint8)
    program = "from benchmarks.memory import peak_mb; print(peak_mb())"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) < held.nbytes / 2**20
