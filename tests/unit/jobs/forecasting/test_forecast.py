from __future__ import annotations

import pyarrow as pa
import pytest

from jobs.forecasting.forecast import SampleRun, allocated, forecast, requests, steady_rate
from jobs.forecasting.sampling import Mean
from pipeline.engine.nodes import Node, placed
from pipeline.engine.stage import Resources, Stage
from pipeline.recipe import Prices


def node(number: int, *, cpus=4.0, gpus=0.0, group=None, memory_mb=8192) -> Node:
    return Node(
        node_id=str(number),
        address=f"10.0.0.{number}",
        group=group,
        cpus=cpus,
        gpus=gpus,
        memory_bytes=memory_mb * 2**20,
    )


def stage(name: str, **pool) -> Stage:
    return Stage(
        name=name,
        mapper=dict,
        config=None,
        reads=(),
        adds=pa.schema([]),
        resources=Resources(**{"memory_mb": 0, **pool}),
    )


LIGHT, HEAVY = node(1, gpus=1, group="light"), node(2, gpus=1, group="heavy")


def test_pools_that_fit_leave_the_rest():
    listed = [
        stage("matte", num_gpus=0.5, min_actors=2, node_group="light"),
        stage("render", num_gpus=1, node_group="heavy"),
    ]
    free, problems = placed(listed, [LIGHT, HEAVY])
    assert problems == []
    assert {one.address: (one.cpus, one.gpus) for one in free} == {
        "10.0.0.1": (2, 0),
        "10.0.0.2": (3, 0),
    }


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ({"num_gpus": 2}, "no node has 1 CPU, 2 GPU, 0 MB at once"),
        ({"num_cpus": 5}, "no node has 5 CPU"),
        ({"memory_mb": 9000}, "no node has 1 CPU, 0 GPU, 9000 MB at once"),
        ({"num_gpus": 0.4, "min_actors": 5}, "room for 4 of 5 actors"),
        ({"node_group": "medium"}, "no node of group 'medium'; there are ['heavy', 'light']"),
        ({"num_gpus": 1, "node_group": "light", "min_actors": 2}, "room for 1 of 2 actors"),
    ],
)
def test_pools_that_do_not_fit_are_told(pool, said):
    _, (problem,) = placed([stage("render", **pool)], [LIGHT, HEAVY])
    assert problem.startswith("render: ")
    assert said in problem


def test_tenths_of_a_cpu_add_up():
    assert placed([stage("fetch", num_cpus=0.1, min_actors=40)], [node(1)])[1] == []


def test_the_slowest_pool_gets_the_room():
    listed = [stage("matte", num_cpus=1), stage("render", num_cpus=1)]
    assert allocated(listed, {"matte": 1.0, "render": 3.0}, [node(1)]) == {"matte": 1, "render": 3}
    capped = [listed[0], stage("render", num_cpus=1, max_actors=2)]
    assert allocated(capped, {"matte": 1.0, "render": 3.0}, [node(1)])["render"] == 2
    with pytest.raises(ValueError, match="render: no node has"):
        allocated([stage("render", num_gpus=1)], {"render": 1.0}, [node(1)])


def seen(blocks, rows=64) -> SampleRun:
    return SampleRun(
        rows=rows,
        stage_s={"matte": Mean(value=1.0, half_width=0.1), "render": Mean(value=0.5, half_width=0)},
        bytes_per_row=Mean(value=1e6, half_width=0),
        start_s=20.0,
        end_s=2.0,
        blocks=blocks,
        rows_per_block=8,
    )


STEADY = [(20.0 + 10 * number, 8 + 8 * number) for number in range(8)]
PAIR = [stage("matte", max_actors=1), stage("render", max_actors=1)]


def made(blocks=STEADY, rows=64, **more):
    return forecast(
        seen(blocks, rows),
        num_rows=more.pop("num_rows", 8008),
        rows_per_block=more.pop("rows_per_block", 8),
        stages=PAIR,
        nodes=[node(1, gpus=2, group="heavy")],
        prices=Prices(**more),
        objects=True,
    )


def test_a_full_pipeline_goes_on_at_the_rate_it_had():
    found = made()
    assert found.bottleneck == "matte"
    assert found.measured
    assert found.rate == pytest.approx(0.8)  # 8 rows every 10 s
    assert found.hours.value == pytest.approx((22 + 8000 / 0.8) / 3600)
    assert found.hours.half_width == pytest.approx(8000 / 0.8 / 3600 * 0.1)
    assert found.gpu_hours == pytest.approx(2 * found.hours.value)
    assert found.balanced == {"matte": pytest.approx(1.0), "render": pytest.approx(0.5)}
    assert found.gigabytes.value == pytest.approx(8.008)


def test_a_sample_that_was_too_short_counts_by_its_seconds():
    found = made(rows=7)
    assert not found.measured
    assert found.rate == pytest.approx(1.0)
    assert steady_rate(seen(STEADY[:3]), 1) is None


def test_larger_blocks_start_later():
    longer = made(rows_per_block=64, num_rows=8064)
    assert longer.hours.value == pytest.approx((22 + 56 * 1.5 + 8000 / 0.8) / 3600)


def test_an_uneven_sample_widens_the_interval():
    uneven = [(at + (4 if number % 2 else 0), rows) for number, (at, rows) in enumerate(STEADY)]
    assert made(uneven).hours.half_width > 2 * made().hours.half_width


def test_cost_is_machines_and_requests_and_storage():
    assert made().cost is None
    found = made(cpu_hour=0.5, gpu_hour={"heavy": 2.0, "*": 9.0}, put_1000=1.0, gb_month=0.1)
    hours = found.hours.value
    assert found.puts == 1001 + 9 + 8008
    expected = hours * (4 * 0.5 + 2 * 2.0) + found.puts / 1000 + 8.008 * 0.1
    assert found.cost.value == pytest.approx(expected)
    assert made(gpu_hour={"*": 9.0}).cost.value == pytest.approx(hours * 18)


def test_pictures_in_the_table_alone_need_few_requests():
    puts, gets = requests(6400, 64, objects=False)
    assert (puts, gets) == (107, 6400 + 1700)
