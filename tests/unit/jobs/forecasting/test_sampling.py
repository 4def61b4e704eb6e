from __future__ import annotations

import random

import pytest

from jobs.forecasting.sampling import stratified, stratified_mean
from pipeline.manifest.reader import open_manifest


@pytest.fixture
def manifest(make_manifest):
    ids = [f"sku-{number:05d}" for number in range(2000)]
    return open_manifest(make_manifest(id=ids, image_uri=["1.jpg"] * 2000, n=list(range(2000))))


def test_every_part_of_the_manifest_is_drawn_from(manifest):
    sample = stratified(manifest, 64)
    assert len(sample.strata) == 64
    assert sample.num_rows == 2000
    positions = sorted(int(id_.removeprefix("sku-")) for id_ in sample.strata)
    assert [position // 125 for position in positions] == [n // 4 for n in range(64)]


def test_the_same_manifest_gives_the_same_sample(manifest):
    assert stratified(manifest, 64) == stratified(manifest, 64)


def test_a_small_selection_is_taken_whole(make_manifest):
    manifest = open_manifest(make_manifest(id=["a", "b'c"], image_uri=["1.jpg"] * 2))
    assert set(stratified(manifest, 64).strata) == {"a", "b'c"}
    values = {"a": 1.0, "b'c": 3.0}
    mean = stratified_mean(values, stratified(manifest, 64))
    assert (mean.value, mean.half_width) == (2.0, 0.0)  # nothing is unseen


def test_the_interval_holds_the_mean_about_as_often_as_it_says(manifest):
    sample = stratified(manifest, 64)
    hits = 0
    for trial in range(200):
        draw = random.Random(trial)
        truth = {f"sku-{n:05d}": n / 500 + draw.lognormvariate(0, 0.5) for n in range(2000)}
        mean = stratified_mean({id_: truth[id_] for id_ in sample.strata}, sample)
        hits += abs(mean.value - sum(truth.values()) / 2000) <= mean.half_width
    assert 0.88 <= hits / 200 <= 0.99


def test_a_trend_costs_a_stratified_sample_nothing(manifest):
    sample = stratified(manifest, 64)
    trend = {id_: float(id_.removeprefix("sku-")) for id_ in sample.strata}
    mean = stratified_mean(trend, sample)
    assert mean.value == pytest.approx(999.5, abs=15)
    assert mean.half_width < 20  # of 64 rows drawn from anywhere: 140


def test_nothing_measured_is_said(manifest):
    with pytest.raises(ValueError, match="no value to go by"):
        stratified_mean({}, stratified(manifest, 64))
