"""Which neighbouring stages share actors. Data alone: `execution.py` starts the actors.

A block that moves to another stage's actors costs the driver a task and the nodes a copy, and every
pool costs its start. Where several stages compute on the same kind of machine they gain nothing by
standing apart: one actor for each core that takes a row through all of them keeps every core busy
until the last block, whatever the stages take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pipeline.engine.actor_memory import Bound, bound
from pipeline.engine.stage import Resources, Stage

_MOST_TOGETHER = 16
"""Rows that go through a pool of several stages before the next do: enough for the batches of a
network, and for requests to storage to overlap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Stages that follow each other inside the same actors."""

    stages: tuple[Stage, ...]
    resources: Resources
    """The resources of one actor, and the number of actors: the most that any of its stages asks
    for."""

    @property
    def name(self) -> str:
        """The stages' names."""
        return "+".join(stage.name for stage in self.stages)

    @property
    def bound(self) -> Bound:
        """The most memory that one actor may need."""
        return bound([stage.need for stage in self.stages])

    @property
    def memory_mb(self) -> int:
        """What one actor reserves: what the recipe says, else the most that it may need."""
        said = self.resources.memory_mb
        return self.bound.total_mb if said is None else said

    @property
    def hungriest(self) -> Stage:
        """The stage whose work takes the most memory."""
        return max(self.stages, key=lambda stage: stage.need.working_mb)

    @property
    def groups(self) -> list[int]:
        """Rows that go on together, with each stage and to the next.

        On CPUs each stage hands on what it was given at a time, two rows of which each takes
        seconds, so that the first pictures are there soon. On GPUs they stay together, for the
        batches of a generator are larger than those of a matting network.
        """
        sizes = [stage.batch_size for stage in self.stages]
        if len(sizes) == 1:
            return sizes
        if self.resources.num_gpus:
            sizes = [max(sizes[number:]) for number in range(len(sizes))]
        return [min(size, _MOST_TOGETHER) for size in sizes]


def pools(stages: Sequence[Stage]) -> list[Pool]:
    """The stages by the actors they share, in order.

    Raises:
        ValueError: stages of one pool belong on different nodes.
    """
    numbered = enumerate(stages)
    groups = groupby(numbered, key=lambda item: item[1].resources.pool or item[0])
    return [_pool(tuple(stage for _, stage in group)) for _, group in groups]


def _pool(stages: tuple[Stage, ...]) -> Pool:
    asked = [stage.resources for stage in stages]
    if len({one.node_group for one in asked}) > 1:
        listed = ", ".join(f"{stage.name} {stage.resources.node_group}" for stage in stages)
        raise ValueError(
            f"resources: stages of the pool {asked[0].pool!r} have different node groups "
            f"({listed}): give them the same, or take one of them out of the pool"
        )
    unbounded = any(one.max_actors is None for one in asked)
    return Pool(
        stages=stages,
        resources=Resources(
            num_cpus=max(one.num_cpus for one in asked),
            num_gpus=max(one.num_gpus for one in asked),
            memory_mb=max(
                (one.memory_mb for one in asked if one.memory_mb is not None), default=None
            ),
            gpu_memory_mb=max(one.gpu_memory_mb for one in asked),
            node_group=asked[0].node_group,
            pool=asked[0].pool,
            min_actors=max(one.min_actors for one in asked),
            max_actors=None if unbounded else max(one.max_actors or 1 for one in asked),
        ),
    )
