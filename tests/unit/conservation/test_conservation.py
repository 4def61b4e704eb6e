from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.conservation.machine import COUNTS, Conservation

QUICK = settings(
    max_examples=20,
    stateful_step_count=12,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_it():
    run_state_machine_as_test(Conservation, settings=QUICK)
    print(COUNTS)
