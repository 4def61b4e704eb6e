"""What is measured while a run goes on: declared as data, derived from the outcomes of a batch.

`on_ray/metrics_export.py` hands it to Ray, whose nodes offer it to Prometheus as `ray_<name>`. Ray
itself measures queues and the memory of GPUs. Counts that must be exact are in `report.json`: what
a worker has not yet sent when its machine is lost is missing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Literal, Protocol

from pipeline.errors import Outcome, RowError


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A family of time series."""

    name: str
    kind: Literal["counter", "histogram"]
    description: str
    tags: tuple[str, ...]
    boundaries: tuple[float, ...] = ()
    """The upper ends of a histogram's buckets; empty: it is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """A value for one time series: an increment, or an observed value."""

    metric: Metric
    value: float
    tags: dict[str, str] = field(default_factory=dict)


class Meter(Protocol):
    """Where a worker's observations go."""

    def record(self, observations: Iterable[Observation]) -> None:
        """Take what one batch adds."""
        ...


class Unmetered:
    """A `Meter` for workers that nobody watches: it takes observations and forgets them."""

    def record(self, observations: Iterable[Observation]) -> None:
        """See `Meter`."""


ROWS = Metric(
    name="backlot_rows_total",
    kind="counter",
    description="Rows a stage has worked on, by outcome ('ok', 'failed', 'retryable') and code.",
    tags=("stage", "outcome", "code"),
)
BUSY = Metric(
    name="backlot_busy_seconds_total",
    kind="counter",
    description="Seconds that a stage's actors worked.",
    tags=("stage",),
)
IDLE = Metric(
    name="backlot_idle_seconds_total",
    kind="counter",
    description="Seconds that a stage's actors waited for rows between two batches.",
    tags=("stage",),
)
ROW_SECONDS = Metric(
    name="backlot_row_seconds",
    kind="histogram",
    description="Seconds of work on a row, its share of the batch.",
    tags=("stage",),
    boundaries=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
)
RETRIES = Metric(
    name="backlot_storage_retries_total",
    kind="counter",
    description="Times that storage had to be asked again.",
    tags=("stage",),
)
FALLBACKS = Metric(
    name="backlot_fallbacks_total",
    kind="counter",
    description="Rows for which something else than asked was used; `column` says what.",
    tags=("stage", "column"),
)
METRICS = (ROWS, BUSY, IDLE, ROW_SECONDS, RETRIES, FALLBACKS)


def of_batch(
    stage: str, outcomes: Sequence[Outcome], *, busy_s: float, idle_s: float
) -> Iterator[Observation]:
    """What one batch adds to the metrics.

    Args:
        stage: its name.
        outcomes: of the rows that the stage worked on.
        busy_s: what they took together.
        idle_s: what the actor waited for them.
    """
    tags = {"stage": stage}
    for (outcome, code), count in Counter(map(_outcome, outcomes)).items():
        yield Observation(metric=ROWS, value=count, tags={**tags, "outcome": outcome, "code": code})
    yield Observation(metric=IDLE, value=idle_s, tags=tags)
    if outcomes:
        yield Observation(metric=BUSY, value=busy_s, tags=tags)
        yield Observation(metric=ROW_SECONDS, value=busy_s / len(outcomes), tags=tags)
    added = [outcome for outcome in outcomes if not isinstance(outcome, RowError)]
    names = list(added[0]) if added else []  # the same of each: what the stage declares
    counts = [name for name in names if name.endswith("_retries")]
    retries = sum(columns[name] or 0 for name in counts for columns in added)
    if retries:
        yield Observation(metric=RETRIES, value=retries, tags=tags)
    for name in names:
        # Columns that say that something was converted, changed or replaced.
        noted = sum(map(bool, map(itemgetter(name), added))) if name.endswith("_notes") else 0
        if noted:
            yield Observation(metric=FALLBACKS, value=noted, tags={**tags, "column": name})


def _outcome(outcome: Outcome) -> tuple[str, str]:
    if isinstance(outcome, RowError):
        return ("retryable" if outcome.retryable else "failed"), str(outcome.code)
    return "ok", ""
