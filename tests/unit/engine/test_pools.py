from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.engine.on_ray.execution import _packed, _tasks_ahead
from pipeline.engine.pools import Pool, pools
from pipeline.engine.stage import Resources, Stage
from pipeline.engine.strikes import Strikes
from pipeline.engine.worker import PoolWorker, Reader, Work, batched
from pipeline.errors import Columns, Row


class Successor:
    """Adds one; remembers the sizes of its batches."""

    def __init__(self, config: tuple[str, str, list[int]]) -> None:
        self._reads, self._adds, self._sizes = config

    def map_batch(self, rows: Sequence[Row]) -> list[Columns]:
        self._sizes.append(len(rows))
        return [{self._adds: row[self._reads] + 1} for row in rows]


def stage(name: str, reads: str = "n", *, batch_size: int = 1, **resources) -> Stage:
    return Stage(
        name=name,
        mapper=Successor,
        config=(reads, name, []),
        reads=(reads,),
        adds=pa.schema([pa.field(name, pa.int64())]),
        batch_size=batch_size,
        resources=Resources(**resources),
    )


def names(listed: Sequence[Stage]) -> list[str]:
    return [pool.name for pool in pools(listed)]


def test_only_neighbours_of_one_name_share_actors():
    listed = [
        stage("a", pool="x"),
        stage("b", pool="x"),
        stage("c"),
        stage("d"),
        stage("e", pool="x"),
    ]
    assert names(listed) == ["a+b", "c", "d", "e"]


def test_a_pool_takes_the_most_that_any_stage_asks_for():
    listed = [
        stage("a", pool="x", num_cpus=0.2, max_actors=2, memory_mb=100),
        stage("b", pool="x", num_cpus=1, min_actors=3, num_gpus=0.5),
    ]
    (pool,) = pools(listed)
    found = pool.resources
    assert (found.num_cpus, found.num_gpus, found.memory_mb) == (1, 0.5, 100)
    assert (found.min_actors, found.max_actors) == (3, None)
    assert pools(listed[:1])[0].resources.max_actors == 2


def test_a_pool_on_two_groups_of_nodes_is_refused():
    listed = [stage("a", pool="x", node_group="cpu"), stage("b", pool="x", node_group="gpu")]
    with pytest.raises(ValueError, match=r"pool .x. have different node groups .a cpu, b gpu."):
        pools(listed)


def test_rows_go_through_all_stages_under_their_own_batch_sizes_and_are_written_as_one():
    listed = (stage("a", batch_size=64, pool="x"), stage("b", "a", batch_size=8, pool="x"))
    (pool,) = pools(listed)
    written = []

    def write(table: pa.Table) -> str:
        written.append(table)
        return f"{table.num_rows} rows"

    def read(numbers: Sequence[int]) -> pa.Table:
        ids = [f"s{number}" for number in numbers]
        return pa.table(
            {"sample_id": ids, "n": numbers, "error": pa.nulls(len(ids), schema.ERROR_TYPE)}
        )

    reader = Reader(read, schema.timings(("a", "b")))
    worker = PoolWorker(Work(pool, Strikes(), 3, read=reader, write=write))
    (out,) = worker(_packed([list(range(40))]))
    assert out["receipt"].to_pylist() == ["40 rows"]
    assert written[0]["b"].to_pylist() == [number + 2 for number in range(40)]
    assert listed[0].config[2] == [16, 16, 8]
    assert listed[1].config[2] == [8] * 5
    timed = written[0]["timings"].to_pylist()
    assert all(one["a_s"] > 0 and one["b_s"] > 0 for one in timed)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_come_back_in_order(size):
    table = pa.table({"n": list(range(7))})
    assert batched(table, size, lambda part: part).equals(table)


@pytest.mark.parametrize(("num_gpus", "groups"), [(0, [16, 2, 8, 16]), (1, [16, 16, 16, 16])])
def test_what_goes_on_together(num_gpus, groups):
    sizes = {"a": 64, "b": 2, "c": 8, "d": 32}
    listed = [stage(name, batch_size=size, pool="x") for name, size in sizes.items()]
    pool = Pool(stages=tuple(listed), resources=Resources(num_gpus=num_gpus))
    assert pool.groups == groups


def test_on_cpus_the_first_rows_are_done_before_the_last_are_begun():
    listed = (
        stage("a", batch_size=64, pool="x"),
        stage("b", "a", batch_size=2, pool="x"),
        stage("c", "b", batch_size=8, pool="x"),
    )
    (pool,) = pools(listed)
    worker = PoolWorker(Work(pool, Strikes(), 3))
    ids = [f"s{number}" for number in range(5)]
    table = pa.table({"sample_id": ids, "n": range(5), "error": pa.nulls(5, schema.ERROR_TYPE)})
    field = schema.timings(("a", "b", "c"))
    table = table.append_column(field, pa.array([{}] * 5, field.type))
    (out,) = worker(table)
    assert out["c"].to_pylist() == [3, 4, 5, 6, 7]
    assert [listed[n].config[2] for n in range(3)] == [[5], [2, 2, 1], [2, 2, 1]]


def test_a_pool_of_one_stage_keeps_its_batch_size():
    assert Pool(stages=(stage("a", batch_size=64),), resources=Resources()).groups == [64]


def test_a_stage_that_asks_a_model_leaves_the_pool():
    assert Resources(pool="cores", num_cpus=0.5).alone() == Resources(num_cpus=0.5)


@pytest.mark.parametrize(
    ("num_tasks", "num_actors", "ahead"), [(3, 2, 2), (256, 2, 4), (20_000, 2, 8), (20_000, 300, 2)]
)
def test_few_tasks_wait_at_an_actor_and_more_where_there_are_many(num_tasks, num_actors, ahead):
    assert _tasks_ahead(num_tasks, num_actors) == ahead
