"""How many actors a cluster has room for, by its cores and by its memory. Data alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.engine.actor_memory import bound, gigabytes
from pipeline.engine.pools import Pool

Node = Mapping[str, float]
"""What Ray says a node has: `CPU`, and `memory` in bytes, which is what its object store leaves."""

_MB = 2**20


def by_cores(pool: Pool, nodes: Sequence[Node]) -> int:
    """Actors of a pool that the nodes have cores and GPUs for."""
    asked = {"CPU": pool.resources.num_cpus, "GPU": pool.resources.num_gpus}
    return sum(
        min(int(node.get(key, 0) / need + 1e-6) for key, need in asked.items() if need)
        for node in nodes
    )


def room_for(pool: Pool, nodes: Sequence[Node]) -> int:
    """Actors of a pool that the nodes have cores and memory for."""
    if not pool.memory_mb:
        return by_cores(pool, nodes)
    return sum(min(by_cores(pool, [node]), int(_there(node) / pool.memory_mb)) for node in nodes)


def limited_by_memory(listed: Sequence[Pool], nodes: Sequence[Node]) -> list[str]:
    """What to tell a user whose cores stay idle: a line for each pool that lacks the memory."""
    notes = []
    for pool in listed:
        most = by_cores(pool, nodes)
        wanted = most if pool.resources.max_actors is None else min(most, pool.resources.max_actors)
        held = room_for(pool, nodes)
        if held < wanted:
            notes.append(
                f"{pool.name}: room for {held} of {wanted} actors, for an actor reserves "
                f"{explained(pool)}: {_remedy(pool)}"
            )
    return notes


def check_memory(listed: Sequence[Pool], nodes: Sequence[Node]) -> None:
    """Refuse pools whose smallest number of actors the nodes have no memory for.

    Raises:
        ValueError: an actor does not fit any node, or they do not all fit.
    """
    largest_mb = max((_there(node) for node in nodes), default=0.0)
    for pool in listed:
        if pool.memory_mb > largest_mb:
            raise ValueError(
                f"resources: an actor of {pool.name} reserves {explained(pool)}, and no node has "
                f"more than {gigabytes(largest_mb)} for actors: {_remedy(pool, largest_mb)}"
            )
    needs = [(pool.name, pool.memory_mb * pool.resources.min_actors) for pool in listed]
    total_mb, there_mb = sum(need for _, need in needs), sum(_there(node) for node in nodes)
    if total_mb > there_mb:
        parts = ", ".join(f"{name} {gigabytes(need)}" for name, need in needs if need)
        raise ValueError(
            f"resources: the stages reserve {gigabytes(total_mb)} of memory at the least ({parts}),"
            f" the cluster has {gigabytes(there_mb)} for actors: lower input.max_megapixels or "
            f"min_actors, set resources.<stage>.memory_mb, or use a larger one"
        )


def explained(pool: Pool) -> str:
    """What an actor reserves, and how it comes about, in a few words."""
    found = pool.bound
    if pool.resources.memory_mb is not None:
        said = gigabytes(pool.memory_mb) if pool.memory_mb else "none"
        return f"{said} (as the recipe says)"
    because = f" ({found.because})" if found.because else ""
    return f"{gigabytes(found.total_mb)}{because}"


def _there(node: Node) -> float:
    """MB that actors may reserve."""
    return node.get("memory", 0.0) / _MB


def _remedy(pool: Pool, there_mb: float | None = None) -> str:
    stage = pool.hungriest.name
    if pool.resources.memory_mb is not None:
        return f"lower resources.{stage}.memory_mb, or use a larger one"
    fitting = None if there_mb is None else _largest_fitting(pool, there_mb)
    size = "" if fitting is None else f" to {fitting}"
    return (
        f"lower input.max_megapixels{size}, or set resources.{stage}.memory_mb to what your "
        f"photographs take"
    )


def _largest_fitting(pool: Pool, there_mb: float) -> int | None:
    """The largest photographs, in whole megapixels, whose actor has room; None: not even small."""
    needs = [stage.need for stage in pool.stages]
    for megapixels in range(int(max(need.megapixels for need in needs)), 0, -1):
        smaller = [replace(n, megapixels=min(n.megapixels, megapixels)) for n in needs]
        if bound(smaller).total_mb <= there_mb:
            return megapixels
    return None
