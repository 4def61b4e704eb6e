"""Kill the driver at random moments, give the same command again, and count the rows."""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from tests.chaos.catalogue import Catalogue
from tests.chaos.drivers import Drivers, left_behind, wait_for_results

pytestmark = [pytest.mark.stores, pytest.mark.ray]

logger = logging.getLogger(__name__)

NUM_KILLS = int(os.environ.get("BACKLOT_STORES_KILLS", "1"))
NUM_ROWS = 24 if NUM_KILLS == 1 else 240
SEED = int(os.environ.get("BACKLOT_STORES_SEED", "26"))
_ANYWHERE_S = 20.0


@pytest.fixture
def catalogue(store) -> Iterator[Catalogue]:
    made = Catalogue.make(NUM_ROWS)
    yield made
    made.empty("")


@pytest.mark.timeout(3600)
def test_killed_drivers_lose_and_double_no_row(
    store, address, watched, catalogue, note, tmp_path
) -> None:
    dice = random.Random(SEED)
    drivers = Drivers(catalogue, address, tmp_path, options=store.options)
    totals: Counter[str] = Counter()
    num_kills = num_in_work = num_runs = 0
    while num_kills < NUM_KILLS:
        if not moment(catalogue, drivers, dice, is_in_work=num_kills % 3 == 0):
            # All done before enough was killed: once more from the start.
            assert drivers.process.returncode == 0, drivers.said()
            totals.update(catalogue.account())
            num_runs += 1
            catalogue.empty()
            drivers.start()
            continue
        num_in_work += catalogue.num_result_files() > 0
        victim = drivers.process
        children = psutil.Process(victim.pid).children(recursive=True)
        drivers.kill()
        num_kills += 1
        assert left_behind(children, drivers, victim.pid, catalogue)["processes"] == 0
        logger.info("%s: kill %d, of pid %d", store.name, num_kills, victim.pid)
    assert drivers.process.wait(timeout=600) == 0, drivers.said()
    totals.update(catalogue.account())
    num_runs += 1
    kills = "1 kill" if num_kills == 1 else f"{num_kills} kills"
    note(
        "scenarios",
        "kill -9 and again",
        f"{kills}, {num_in_work} with results already there: "
        f"lost {totals['lost']}, doubled {totals['doubled']}",
    )
    counted = json.dumps(totals)
    logger.info(
        "%s: seed %d: %d kills, %d runs: %s", store.name, SEED, num_kills, num_runs, counted
    )
    assert {what: count for what, count in totals.items() if count} == {}, totals


def moment(
    catalogue: Catalogue, drivers: Drivers, dice: random.Random, *, is_in_work: bool
) -> bool:
    """Wait for a moment to kill at; False if the driver ended before.

    Every third one is after a few more results; the others are anywhere from the first import on,
    the taking of the lease and the start of the workers included.
    """
    if is_in_work and not wait_for_results(catalogue, drivers.process, dice):
        return False
    deadline = time.monotonic() + dice.uniform(0, 1 if is_in_work else _ANYWHERE_S)
    while time.monotonic() < deadline:
        if drivers.process.poll() is not None:
            return False
        time.sleep(0.05)
    return True
