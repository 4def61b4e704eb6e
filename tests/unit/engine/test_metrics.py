from __future__ import annotations

from pipeline.engine.metrics import METRICS, of_batch
from pipeline.errors import ErrorCode, RowError, TransientError

OUTCOMES = [
    {"image_bytes": b"x", "fetch_retries": 2, "decode_notes": ["cmyk"]},
    {"image_bytes": b"x", "fetch_retries": 1, "decode_notes": []},
    RowError(ErrorCode.NOT_FOUND, "gone"),
    RowError(ErrorCode.NOT_FOUND, "gone too"),
    TransientError(ErrorCode.STORAGE, "busy"),
]


def seen(outcomes):
    found = of_batch("fetch", outcomes, busy_s=10.0, idle_s=4.0)
    return {(one.metric.name, *one.tags.values()): one.value for one in found}


def test_a_batch_is_counted_by_outcome_and_code():
    assert seen(OUTCOMES) == {
        ("backlot_rows_total", "fetch", "ok", ""): 2,
        ("backlot_rows_total", "fetch", "failed", "not_found"): 2,
        ("backlot_rows_total", "fetch", "retryable", "storage"): 1,
        ("backlot_idle_seconds_total", "fetch"): 4.0,
        ("backlot_busy_seconds_total", "fetch"): 10.0,
        ("backlot_row_seconds", "fetch"): 2.0,
        ("backlot_storage_retries_total", "fetch"): 3,
        ("backlot_fallbacks_total", "fetch", "decode_notes"): 1,
    }


def test_a_batch_of_rows_that_failed_before_counts_as_waiting():
    assert seen([]) == {("backlot_idle_seconds_total", "fetch"): 4.0}


def test_observations_have_the_tags_that_their_metric_declares():
    declared = {metric.name: set(metric.tags) for metric in METRICS}
    found = list(of_batch("fetch", OUTCOMES, busy_s=1.0, idle_s=1.0))
    assert {one.metric.name for one in found} == set(declared)
    for one in found:
        assert set(one.tags) == declared[one.metric.name]
