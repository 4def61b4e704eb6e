"""Metrics of the workers as Ray takes them: its agents on the nodes offer them to Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ray.util.metrics

from pipeline.engine.metrics import Metric, Observation


class RayMeter:
    """A `Meter` that hands observations to Ray. Travels to a worker as long as it is unused."""

    def __init__(self) -> None:
        self._series: dict[str, Any] = {}
        """Ray's own objects by the name of their metric, made in the process that uses them."""

    def record(self, observations: Iterable[Observation]) -> None:
        """See `Meter`."""
        for observation in observations:
            series = self._series_of(observation.metric)
            if observation.metric.kind == "histogram":
                series.observe(observation.value, tags=observation.tags)
            elif observation.value > 0:  # Ray refuses a count that counts nothing
                series.inc(observation.value, tags=observation.tags)

    def _series_of(self, metric: Metric) -> Any:
        if metric.name not in self._series:
            options: dict[str, Any] = {"description": metric.description, "tag_keys": metric.tags}
            if metric.kind == "histogram":
                options["boundaries"] = list(metric.boundaries)
            kinds = {"histogram": ray.util.metrics.Histogram, "counter": ray.util.metrics.Counter}
            self._series[metric.name] = kinds[metric.kind](metric.name, **options)
        return self._series[metric.name]
