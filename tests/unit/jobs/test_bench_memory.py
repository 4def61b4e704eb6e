from __future__ import annotations

from jobs.bench.memory import measure, png


def test_an_actor_stays_within_what_it_reserves_and_comes_near_it():
    measured = measure(4, png)
    assert measured["reserved_mb"] / 3 < measured["peak_mb"] < measured["reserved_mb"]
