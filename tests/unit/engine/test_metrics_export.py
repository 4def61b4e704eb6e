from __future__ import annotations

import pickle

import pytest

from pipeline.engine.metrics import METRICS, Metric, Observation
from pipeline.engine.on_ray.metrics_export import RayMeter


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_ray_takes_every_metric_of_ours(metric: Metric, value: float) -> None:
    meter = pickle.loads(pickle.dumps(RayMeter()))  # as it comes to a worker
    tags = dict.fromkeys(metric.tags, "x")
    for _ in range(2):
        meter.record([Observation(metric=metric, value=value, tags=tags)])


def test_an_observation_without_its_tags_is_refused() -> None:
    with pytest.raises(ValueError, match="stage"):
        RayMeter().record([Observation(metric=METRICS[0], value=1)])
