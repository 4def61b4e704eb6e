from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.engine.actor_memory import PROCESS_MB, Need, bound
from pipeline.engine.capacity import check_memory, explained, limited_by_memory, room_for
from pipeline.engine.pools import Pool, pools
from pipeline.engine.stage import Resources, Stage

GIGABYTE = 2**30


def pool(*needs: Need, **resources) -> Pool:
    listed = [
        Stage(
            name=f"s{number}",
            mapper=dict,
            config=None,
            reads=(),
            adds=pa.schema([]),
            resources=Resources(pool="x", **resources),
            need=need,
        )
        for number, need in enumerate(needs or [Need()])
    ]
    (made,) = pools(listed)
    return made


def node(*, cpus: float = 4, memory_gb: float = 8) -> dict[str, float]:
    return {"CPU": cpus, "memory": memory_gb * GIGABYTE}


def decoding(megapixels: float, **more) -> Need:
    return Need(megapixels=megapixels, mb_per_megapixel=50, loaded_mb=200, **more)


def test_stages_load_together_and_work_one_after_another():
    one, other = decoding(10), Need(megapixels=10, mb_per_megapixel=80, loaded_mb=100)
    together = bound([one, other])
    assert together.loaded_mb == PROCESS_MB + 300
    assert together.working_mb == 800
    assert together.total_mb == bound([other, one]).total_mb


def test_pictures_that_wait_count_beside_those_that_are_worked_on():
    found = bound([decoding(10, worked_on=2, waiting=3, waiting_mb_per_megapixel=10)])
    assert found.working_mb == 10 * (2 * 50 + 3 * 10)
    assert found.because == "10 Mpx x 2 at once and 3 decoded"


def test_files_count_at_a_mean_size_unless_photographs_are_smaller():
    def files_mb(megapixels: float) -> float:
        return bound([decoding(megapixels, has_photographs=True)]).files_mb

    assert files_mb(1) == pytest.approx(files_mb(2) / 2)
    assert files_mb(60) == files_mb(30)


def test_small_pictures_are_held_most_while_their_file_is_written():
    found = bound([decoding(1, has_pictures=True)])
    assert found.working_mb > 50
    assert found.because == "files of 64 rows of 1 Mpx"


def test_what_the_recipe_says_comes_before_what_is_computed():
    assert pool(decoding(10)).memory_mb == PROCESS_MB + 200 + 500
    assert explained(pool(decoding(10))) == "1.1 GB (10 Mpx x 1 at once)"
    assert pool(decoding(10), memory_mb=300).memory_mb == 300
    assert explained(pool(decoding(10), memory_mb=300)) == "300 MB (as the recipe says)"
    assert pool(decoding(10), memory_mb=0).memory_mb == 0


def test_room_is_what_cores_and_memory_leave_on_each_node():
    large = pool(decoding(60))  # 3.5 GB
    assert room_for(large, [node(memory_gb=8), node(memory_gb=3), node(memory_gb=100)]) == 2 + 0 + 4
    assert room_for(pool(decoding(60), memory_mb=0), [node(memory_gb=3)]) == 4
    (note,) = limited_by_memory([large], [node()])
    assert note.startswith("s0: room for 2 of 4 actors, for an actor reserves 3.5 GB")
    assert limited_by_memory([pool(decoding(60), max_actors=2)], [node()]) == []
    assert limited_by_memory([pool(num_gpus=1)], [node(memory_gb=0)]) == []


def test_an_actor_that_fits_no_node_is_refused_with_the_size_that_would():
    with pytest.raises(ValueError, match=r"no node has more than 3\.0 GB") as refused:
        check_memory([pool(decoding(60))], [node(memory_gb=3), node(memory_gb=2)])
    assert "lower input.max_megapixels to 49, or set resources.s0.memory_mb" in str(refused.value)
    check_memory([pool(decoding(49))], [node(memory_gb=3)])
    with pytest.raises(ValueError, match=r"lower resources\.s0\.memory_mb"):
        check_memory([pool(memory_mb=4000)], [node(memory_gb=3)])


def test_pools_that_fit_only_one_at_a_time_are_refused():
    listed = [pool(decoding(30)), pool(decoding(30), min_actors=2)]
    with pytest.raises(ValueError, match=r"6\.2 GB of memory at the least"):
        check_memory(listed, [node(memory_gb=4)])
    check_memory(listed, [node(memory_gb=4), node(memory_gb=4)])
