"""Forecasts: arithmetic from what a sample took to what the whole takes.

A pipeline is as fast as its slowest stage: a stage with `a` actors that take `t` seconds a row
passes `a / t` rows a second. Where the sample was long enough to see the pipeline run full, its own
rate counts; where not, that arithmetic does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.forecasting.sampling import Mean
from pipeline.engine.nodes import Node, place, placed
from pipeline.engine.pools import Pool, pools
from pipeline.engine.stage import Stage
from pipeline.recipe import Prices

_HOUR_S = 3600.0
_FULL = 8
"""Rows for each actor of the slowest stage, from which on a sample has seen the pipeline full."""
_LIST_SIZE = 1000
_GETS_PER_BLOCK = 17
"""Parquet from an object store, as counted at one: 3 for a block of the plan, and 7 for footer and
small columns of a result file, which is read twice when a run is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRun:
    """What the sample took."""

    rows: int
    stage_s: Mapping[str, Mean]
    """The seconds in an actor for a row of the manifest, by stage."""
    bytes_per_row: Mean
    start_s: float
    """The seconds until the first block of rows was written."""
    end_s: float
    """The seconds after the last block."""
    blocks: Sequence[tuple[float, int]]
    """When a block was written, seconds after the start, and how many rows were done then."""
    rows_per_block: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What the whole takes."""

    rows: int
    actors: Mapping[str, int]
    """The actors of each stage: as many as the cluster has room for within the recipe's bounds."""
    bottleneck: str
    rate: float
    """Rows a second, all stages full."""
    measured: bool
    """Whether the sample saw that rate, or it follows from the stages' seconds."""
    hours: Mean
    gpu_hours: float
    cost: Mean | None
    gigabytes: Mean
    puts: int
    gets: int
    balanced: Mapping[str, float]
    """The actors of each pool that would keep up with the bottleneck's."""


def forecast(
    sample: SampleRun,
    *,
    num_rows: int,
    rows_per_block: int,
    stages: Sequence[Stage],
    nodes: Sequence[Node],
    prices: Prices,
    objects: bool,
) -> Forecast:
    """What `num_rows` take on these nodes.

    Args:
        sample: what the sample took.
        num_rows: of the whole.
        rows_per_block: of the whole.
        stages: of the recipe.
        nodes: of the cluster.
        prices: of its machines and of requests.
        objects: whether each picture becomes an object of its own.

    Raises:
        ValueError: the pools do not fit the nodes.
    """
    means = {pool.name: _together(pool, sample.stage_s) for pool in pools(stages)}
    seconds = {name: mean.value for name, mean in means.items()}
    actors = allocated(stages, seconds, nodes)
    rates = {name: count / max(seconds[name], 1e-9) for name, count in actors.items()}
    bottleneck = min(rates, key=lambda name: rates[name])
    measured = steady_rate(sample, actors[bottleneck])
    rate = measured or rates[bottleneck]
    # A block passes all stages before its rows count, and blocks of the whole may be larger.
    latency_s = (rows_per_block - sample.rows_per_block) * sum(seconds.values())
    fixed_s = max(0.0, sample.start_s + latency_s) + sample.end_s
    work_s = max(0, num_rows - rows_per_block) / rate
    slowest = means[bottleneck]
    spread = math.hypot(slowest.half_width / max(slowest.value, 1e-9), unevenness(sample))
    hours = Mean(value=(fixed_s + work_s) / _HOUR_S, half_width=work_s * spread / _HOUR_S)
    puts, gets = requests(num_rows, rows_per_block, objects=objects)
    per_hour = sum(
        node.cpus * prices.cpu_hour + node.gpus * prices.gpu(node.group) for node in nodes
    )
    scale = num_rows / 1e9
    gigabytes = Mean(
        value=sample.bytes_per_row.value * scale, half_width=sample.bytes_per_row.half_width * scale
    )
    cost = Mean(
        value=hours.value * per_hour
        + puts / 1000 * prices.put_1000
        + gets / 1000 * prices.get_1000
        + gigabytes.value * prices.gb_month,
        half_width=hours.half_width * per_hour + gigabytes.half_width * prices.gb_month,
    )
    return Forecast(
        rows=num_rows,
        actors=actors,
        bottleneck=bottleneck,
        rate=rate,
        measured=measured is not None,
        hours=hours,
        gpu_hours=hours.value * sum(node.gpus for node in nodes),
        cost=cost if prices.known else None,
        gigabytes=gigabytes,
        puts=puts,
        gets=gets,
        balanced={name: rates[bottleneck] * seconds[name] for name in actors},
    )


def allocated(
    stages: Sequence[Stage], seconds: Mapping[str, float], nodes: Sequence[Node]
) -> dict[str, int]:
    """How many actors each pool comes to have: the slowest grows as long as there is room.

    Raises:
        ValueError: the smallest pools do not fit.
    """
    free, problems = placed(stages, nodes)
    if problems:
        raise ValueError(f"resources: {problems[0]}: run 'backlot preflight'")
    listed = pools(stages)
    actors = {pool.name: pool.resources.min_actors for pool in listed}
    while True:
        slowest = min(listed, key=lambda pool: actors[pool.name] / max(seconds[pool.name], 1e-9))
        count, most = actors[slowest.name], slowest.resources.max_actors
        more = None if most is not None and count >= most else place(slowest, free)
        if more is None:
            return actors
        free = more
        actors[slowest.name] = count + 1


def _together(pool: Pool, stage_s: Mapping[str, Mean]) -> Mean:
    """Seconds a row takes in all of a pool's stages."""
    parts = [stage_s[stage.name] for stage in pool.stages]
    return Mean(
        value=sum(part.value for part in parts),
        half_width=math.hypot(*(part.half_width for part in parts)),
    )


def steady_rate(sample: SampleRun, actors: int) -> float | None:
    """Rows a second between the first and the last block; None if the sample was too short.

    All blocks pass the same stages, so that the gaps between them are those of the slowest one.
    """
    if sample.rows < _FULL * actors or len(sample.blocks) < 4:
        return None
    (first_s, first_rows), *_, (last_s, last_rows) = sample.blocks
    return (last_rows - first_rows) / (last_s - first_s) if last_s > first_s else None


def unevenness(sample: SampleRun) -> float:
    """How uneven the rate of the sample was: half the 95 % interval of its mean, as a share."""
    pairs = zip(sample.blocks, sample.blocks[1:], strict=False)
    gaps = [(later - sooner) / max(1, more - less) for (sooner, less), (later, more) in pairs]
    if len(gaps) < 2 or not sum(gaps):
        return 0.0
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1))
    return 1.96 * deviation / mean / math.sqrt(len(gaps))


def requests(num_rows: int, rows_per_block: int, *, objects: bool) -> tuple[int, int]:
    """PUT (and LIST) and GET (and HEAD) requests, if everything lies on an object store."""
    blocks = math.ceil(num_rows / rows_per_block)
    lists = math.ceil(num_rows / _LIST_SIZE)
    return blocks + lists + (num_rows if objects else 0), num_rows + _GETS_PER_BLOCK * blocks
