"""Estimate: run a sample on the cluster itself, and say what the whole would take."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow.parquet as pq

from jobs.forecasting.forecast import Forecast, SampleRun, forecast
from jobs.forecasting.sampling import Mean, Sample, stratified, stratified_mean
from jobs.running.cluster_address import check_address
from jobs.terminal.quiet import quiet_cluster
from pipeline import storage
from pipeline.engine.on_ray.cluster_nodes import cluster_nodes
from pipeline.engine.on_ray.execution import block_rows
from pipeline.engine.stage import Stage
from pipeline.flow import run, stages
from pipeline.recipe import Budget
from pipeline.runs.output_checks import folders_as_before
from pipeline.runs.result_files import Tally, committed_files
from pipeline.runs.run_config import RunConfig, prepare
from pipeline.tables.sql import text

logger = logging.getLogger(__name__)

_EVERYTHING_MAY_FAIL = Budget(max_failures=1e12, max_unexpected=10**9)
"""A sample tells how much fails; it does not stop at it."""


@dataclass
class Clock:
    """Notes when blocks of rows come out."""

    blocks: list[tuple[float, int]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def __call__(self, counted: Tally, num_planned: int) -> None:
        """Note one."""
        self.blocks.append((time.monotonic() - self._started, counted.rows))
        logger.info("sample: %d of %d rows", counted.rows, num_planned)

    def passed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started


def estimate(config: RunConfig, *, sample: int, address: str | None) -> Forecast:
    """Run a sample of what is asked for, and forecast the whole.

    The sample goes through the whole pipeline, onto the output's own storage, and is removed.

    Args:
        config: what is asked for.
        sample: how many rows.
        address: of the cluster; None: one on this machine.

    Raises:
        ValueError: the request cannot be carried out.
        FatalError: no row can be finished.
    """
    check_address(address)
    # All of it, as a run would: of what is drawn, and below a folder of its own, less is wrong.
    planner, request = prepare(config)
    manifest, recipe = planner.manifest, config.recipe
    drawn = stratified(manifest, sample)
    with _scratch(config.output) as folder:
        asked = replace(
            config,
            recipe=recipe.model_copy(update={"budget": _EVERYTHING_MAY_FAIL}),
            where=f"id IN ({', '.join(text(id_) for id_ in drawn.strata)})",
            limit=None,
            output=folder,
            run_id="sample",
            assume_single_driver=True,  # in a folder that nobody else knows
        )
        listed = stages(recipe, manifest, folder, untrusted=request.untrusted)
        clock = Clock()
        with quiet_cluster(address):
            report = run(asked, on_progress=clock)
            return forecast(
                _sample_run(report.run_uri, drawn, listed, clock),
                num_rows=drawn.num_rows,
                rows_per_block=block_rows(drawn.num_rows),
                stages=listed,
                nodes=cluster_nodes(),
                prices=recipe.prices,
                objects=recipe.output.image_objects,
            )


def _sample_run(run_uri: str, drawn: Sample, listed: Sequence[Stage], clock: Clock) -> SampleRun:
    ended_s = clock.passed_s()
    rows = _rows(run_uri)
    zero_where_it_never_got = {
        stage.name: {id_: timings.get(f"{stage.name}_s") or 0.0 for id_, timings in rows.items()}
        for stage in listed
    }
    written = _bytes_below(run_uri)
    return SampleRun(
        rows=len(rows),
        stage_s={
            name: stratified_mean(values, drawn) for name, values in zero_where_it_never_got.items()
        },
        bytes_per_row=Mean(value=written / len(rows), half_width=0.0),
        start_s=clock.blocks[0][0],
        end_s=ended_s - clock.blocks[-1][0],
        blocks=clock.blocks,
        rows_per_block=block_rows(len(rows)),
    )


def _rows(run_uri: str) -> dict[str, dict[str, float | None]]:
    """The timings of every row, by its manifest id."""
    found = {}
    for uri in committed_files(run_uri):
        filesystem, path = storage.arrow_filesystem(uri)
        table = pq.read_table(
            path, columns=["id", "timings"], filesystem=filesystem, partitioning=None
        )
        found.update({row["id"]: row["timings"] for row in table.to_pylist()})
    return found


def _bytes_below(uri: str) -> int:
    """The size in bytes of the result files and the picture objects."""
    folders = (storage.join(uri, folder) for folder in ("results", "images"))
    return sum(size for folder in folders for size in storage.sizes(folder).values())


@contextmanager
def _scratch(output: str) -> Iterator[str]:
    """A folder below the output that is gone afterwards."""
    folder = storage.join(storage.absolute(output), f"estimate-{time.time_ns():x}")
    with folders_as_before(output):
        try:
            yield folder
        finally:
            _remove_all(folder)


def _remove_all(folder: str) -> None:
    for file in storage.list_files(folder):
        storage.remove(file)
    if storage.scheme_of(folder) == "file":
        shutil.rmtree(folder, ignore_errors=True)  # what is left of it is empty folders


def as_lines(made: Forecast, currency: str) -> list[str]:
    """A forecast for people."""
    how = "as measured" if made.measured else "from the stages' seconds; a larger --sample measures"
    pools = ", ".join(f"{name} {count}" for name, count in made.actors.items())
    balanced = ", ".join(f"{name} {count:.1f}" for name, count in made.balanced.items())
    cost = "unknown: fill in the recipe's prices"
    if made.cost is not None:
        cost = f"{_interval(made.cost)} {currency}"
    lines = {
        "rows": f"{made.rows:,}",
        "rate": f"{made.rate:.2f} images/s ({how})",
        "hours": _interval(made.hours),
        "GPU-hours": f"{made.gpu_hours:,.2f}",
        "cost": cost,
        "written": f"{_interval(made.gigabytes)} GB",
        "requests": f"{made.puts:,} PUT, {made.gets:,} GET, where storage is an object store",
        "bottleneck": f"{made.bottleneck}",
        "actors": pools,
        "needed": f"{balanced} keep up with it",
    }
    return [f"{name:<11} {value}" for name, value in lines.items()]


def as_json(made: Forecast) -> str:
    """A forecast for machines."""
    values: dict[str, Any] = asdict(made)
    return json.dumps(values, indent=1)


def _interval(mean: Mean) -> str:
    low, high = max(0.0, mean.value - mean.half_width), mean.value + mean.half_width
    return f"{mean.value:,.3g} ({low:,.3g} to {high:,.3g})"
