"""The nodes of a cluster as plain data, and whether the pools of a recipe fit on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.engine.pools import Pool, pools
from pipeline.engine.stage import Stage

NODE_GROUP_LABEL = "ray.io/node-group"
"""The label that Ray's autoscaler and KubeRay set: a node's worker group, or node type."""
_SLACK = 1e-6
"""Fractions of a CPU do not add up exactly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A machine, or what is left of it."""

    node_id: str
    address: str
    group: str | None
    cpus: float
    gpus: float
    memory_bytes: float

    def __str__(self) -> str:
        return self.address if self.group is None else f"{self.address} ({self.group})"

    def takes(self, pool: Pool) -> bool:
        """Whether one actor of a pool has room here."""
        asked = pool.resources
        return (
            asked.node_group in (None, self.group)
            and self.cpus + _SLACK >= asked.num_cpus
            and self.gpus + _SLACK >= asked.num_gpus
            and self.memory_bytes >= pool.memory_mb * 2**20
        )

    def without(self, pool: Pool) -> Node:
        """What is left when one actor of a pool is here."""
        return replace(
            self,
            cpus=self.cpus - pool.resources.num_cpus,
            gpus=self.gpus - pool.resources.num_gpus,
            memory_bytes=self.memory_bytes - pool.memory_mb * 2**20,
        )


def place(pool: Pool, free: Sequence[Node]) -> list[Node] | None:
    """The nodes with one more actor of a pool on the first that takes it; None if none does."""
    for index, node in enumerate(free):
        if node.takes(pool):
            return [*free[:index], node.without(pool), *free[index + 1 :]]
    return None


def placed(stages: Sequence[Stage], there: Sequence[Node]) -> tuple[list[Node], list[str]]:
    """Put the smallest pools onto the nodes, the most demanding actors first.

    Returns:
        What is left of the nodes, and one line for each pool that has no room.
    """
    demanding = sorted(
        pools(stages),
        key=lambda pool: (pool.resources.num_gpus, pool.resources.num_cpus),
        reverse=True,
    )
    free, problems = list(there), []
    for pool in demanding:
        for count in range(pool.resources.min_actors):
            more = place(pool, free)
            if more is None:
                problems.append(_no_room(pool, count, there))
                break
            free = more
    return free, problems


def _no_room(lacking: Pool, count: int, there: Sequence[Node]) -> str:
    asked = lacking.resources
    if asked.node_group is not None and all(node.group != asked.node_group for node in there):
        groups = sorted({node.group for node in there if node.group})
        return f"{lacking.name}: no node of group {asked.node_group!r}; there are {groups}"
    need = f"{asked.num_cpus:g} CPU, {asked.num_gpus:g} GPU, {lacking.memory_mb} MB"
    if any(node.takes(lacking) for node in there):
        return (
            f"{lacking.name}: room for {count} of {asked.min_actors} actors ({need} each) beside "
            "the other pools"
        )
    return f"{lacking.name}: no node has {need} at once"
