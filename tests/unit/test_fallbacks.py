from __future__ import annotations

import pytest

from pipeline.recipe import Budget
from pipeline.runs.report import exceeded
from pipeline.runs.result_files import Tally


@pytest.mark.parametrize(
    ("most", "count", "over"), [(0.2, 20, False), (0.2, 21, True), (3, 4, True)]
)
def test_too_many_prompts_that_fell_back_fail_a_run(most: float, count: int, over: bool) -> None:
    counted = Tally(rows=100, fallbacks={"timeout": count - 1}) + Tally(fallbacks={"policy": 1})
    said = exceeded(counted, Budget(max_fallbacks=most), 100)
    assert (said is not None) == over
    assert said is None or "budget.max_fallbacks" in said
