from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from pipeline.engine.stage import Resources, Stage, check_wiring


def stage(name: str, *, reads: tuple[str, ...], adds: tuple[str, ...], **more: Any) -> Stage:
    """A stage whose mapper nobody may build: wiring is checked before any actor starts."""
    return Stage(
        name=name,
        mapper=_never_built,
        config=None,
        reads=reads,
        adds=pa.schema([(column, pa.string()) for column in adds]),
        **more,
    )


def _never_built(config: Any) -> Any:
    raise AssertionError("a mapper was built while the wiring was checked")


READ = stage("read", reads=("uri",), adds=("bytes",), drops=("uri",))
DRAW = stage("draw", reads=("bytes", "prompt"), adds=("picture", "height"), drops=("bytes",))


def test_columns_are_followed_to_the_end() -> None:
    end = check_wiring([READ, DRAW], ["uri", "prompt", "error"])
    assert end == ["prompt", "error", "picture", "height"]


def test_no_stages_leave_the_columns_as_they_are() -> None:
    assert check_wiring([], ["uri"]) == ["uri"]


def test_the_columns_given_are_not_changed() -> None:
    columns = ["uri", "prompt"]
    check_wiring([READ, DRAW], columns)
    assert columns == ["uri", "prompt"]


@pytest.mark.parametrize(
    ("stages", "columns", "message"),
    [
        ([DRAW], ["uri", "prompt"], r"stage 'draw' reads \['bytes'\].*there are \['uri', 'prompt'"),
        ([DRAW, READ], ["uri", "prompt"], "stage 'draw' reads"),
        (
            [READ, replace(READ, name="again", adds=pa.schema([]))],
            ["uri"],
            r"stage 'again' reads \['uri'\]",
        ),
        ([replace(READ, drops=("url",))], ["uri"], r"stage 'read' drops \['url'\]"),
        ([READ], ["uri", "bytes"], r"stage 'read' adds \['bytes'\], which are already there"),
        ([READ, READ], ["uri"], "two stages are called 'read': rename one"),
        ([replace(READ, batch_size=0)], ["uri"], "stage 'read': batch_size must be at least 1"),
    ],
)
def test_stages_that_do_not_fit_are_refused_by_name(
    stages: list[Stage], columns: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_wiring(stages, columns)


def test_a_stage_may_drop_what_it_reads_and_no_later_one_may_read_it() -> None:
    late = stage("late", reads=("bytes",), adds=())
    with pytest.raises(ValueError, match="stage 'late' reads"):
        check_wiring([READ, DRAW, late], ["uri", "prompt"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_cpus": 0}, "greater than 0"),
        ({"num_gpus": -1}, "greater than or equal to 0"),
        ({"num_gpus": 1.5}, "must be a whole number above 1"),
        ({"num_gpus": float("inf")}, "finite"),
        ({"num_cpus": float("inf")}, "finite"),
        ({"memory_mb": -1}, "greater than or equal to 0"),
        ({"min_actors": 0}, "greater than or equal to 1"),
        ({"min_actors": 3, "max_actors": 2}, "max_actors 2 is below min_actors 3: raise it"),
        ({"gpus": 1}, "Extra inputs"),
    ],
)
def test_resources_that_no_cluster_could_give_are_refused(
    values: dict[str, float], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Resources.model_validate(values)


@pytest.mark.parametrize("num_gpus", [0, 0.25, 1, 2])
def test_a_fraction_of_a_gpu_or_several_whole_ones_are_accepted(num_gpus: float) -> None:
    assert Resources(num_gpus=num_gpus).num_gpus == num_gpus


@pytest.mark.parametrize(("num_cpus", "threads"), [(0.2, 1), (1, 1), (1.9, 1), (4, 4)])
def test_an_actor_has_at_least_one_thread_and_no_more_than_its_cpus(
    num_cpus: float, threads: int
) -> None:
    assert Resources(num_cpus=num_cpus).num_threads == threads
