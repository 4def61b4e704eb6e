"""Whatever happens, every row is there exactly once; and the machine that says so can tell."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.conservation.actors import Fault
from tests.unit.conservation.machine import COUNTS, Conservation
from tests.unit.conservation.mutations import MUTATIONS, Mutate

_SHARES, _IN_A_SHARE, _ON_DISK = 5, 100, 40
_LARGE_SHARES, _IN_A_LARGE_SHARE = 4, 2_500
_ENOUGH = 500
"""Sequences in which any mutation is found."""


class OnDisk(Conservation):
    """A dataset in a local folder."""

    is_local = True


@pytest.fixture(autouse=True)
def counts() -> Iterator[Counter[str]]:
    """What happens in a test. What the product says of it is not worth the time that it takes."""
    COUNTS.clear()
    logging.disable(logging.CRITICAL)
    yield COUNTS
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("share", range(_SHARES))
def test_no_row_is_lost_or_doubled_whatever_happens(share: int, counts: Counter[str]) -> None:
    _run(Conservation, share, _IN_A_SHARE, num_steps=5)

    assert counts["sequences"] >= _IN_A_SHARE
    assert _num_faults(counts) >= _IN_A_SHARE


@pytest.mark.timeout(1200)
def test_no_row_on_a_disk_is_lost_or_doubled_whatever_happens(counts: Counter[str]) -> None:
    _run(OnDisk, _SHARES, _ON_DISK, num_steps=5)

    assert counts["sequences"] >= _ON_DISK
    assert _num_faults(counts) >= _ON_DISK


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("share", range(_LARGE_SHARES))
def test_no_row_is_lost_or_doubled_in_ten_thousand_sequences(
    share: int, counts: Counter[str], request: pytest.FixtureRequest
) -> None:
    try:
        _run(Conservation, _SHARES + 1 + share, _IN_A_LARGE_SHARE, num_steps=8)
    finally:
        request.config.get_terminal_writer().line(_told(counts))

    assert counts["sequences"] >= _IN_A_LARGE_SHARE
    assert not [fault for fault in Fault if not counts[fault]], "some fault never happened"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_ledger_that_is_wrong_is_found_out(
    mutate: Mutate, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)

    with pytest.raises((AssertionError, ValueError)):
        _run(Conservation, 0, _ENOUGH, num_steps=12)


def _run(machine: type[Conservation], share: int, num_sequences: int, *, num_steps: int) -> None:
    """Try sequences that depend on the share alone.

    What fails is not made smaller: that takes longer than a test may. It is told step by step.
    """
    how = settings(
        max_examples=num_sequences,
        stateful_step_count=num_steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(share)(machine), settings=how)


def _num_faults(counts: Counter[str]) -> int:
    return sum(counts[fault] for fault in Fault)


def _told(counts: Counter[str]) -> str:
    names = ("sequences", "steps", "requests")
    parts = [f"{counts[name]} {name}" for name in names]
    parts.append(f"{_num_faults(counts)} faults")
    return f"{', '.join(parts)}: {', '.join(f'{counts[fault]} {fault}' for fault in Fault)}"
