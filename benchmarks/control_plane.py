"""What the machinery costs by itself: rows through the whole flow with stages that do nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import peak_memory, show
from jobs.recipes import load_recipe
from jobs.terminal.quiet import quiet_cluster
from pipeline.engine.on_ray.execution import execute
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import Columns, Row
from pipeline.flow import stages
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.runs.result_files import ResultWriter
from pipeline.runs.run_config import RunConfig, find_run, prepare
from pipeline.runs.run_folder import Ledger, read_unit, start_ledger

_MEGABYTE = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlPlane:
    """One measurement of the control plane."""

    rows: int
    rows_per_block: int
    plan_s: float
    run_s: float
    rows_per_s: float
    driver_peak_mb: float
    """Largest resident memory of the driver while rows went through."""
    resume_s: float
    """From reading the results of a run that is 90 % done to knowing what is left of it."""
    resumed_s: float
    """Doing those last 10 %."""


class NoWork:
    """Returns nulls."""

    def __init__(self, config: tuple[str, ...]) -> None:
        self._nothing: Columns = dict.fromkeys(config)

    def map_batch(self, rows: Sequence[Row]) -> list[Columns]:
        """One dictionary of nulls for each row."""
        return [self._nothing] * len(rows)


def no_work(listed: Sequence[Stage]) -> Stage:
    """One stage with the columns of all the others."""
    gone = {name for stage in listed for name in stage.drops}
    added = [column for stage in listed for column in stage.adds if column.name not in gone]
    names = {name for stage in listed for name in stage.adds.names}
    return Stage(
        name="nothing",
        mapper=NoWork,
        config=tuple(column.name for column in added),
        reads=("seed",),
        adds=pa.schema(added),
        drops=tuple(gone - names),
        batch_size=512,
        resources=Resources(num_cpus=1),
    )


def control_plane(num_rows: int, rows_per_block: int, folder: Path) -> ControlPlane:
    """Measure planning, running, and resuming with 90 % done."""
    config = RunConfig(
        recipe=load_recipe("studio", overrides=["fetch.versions=none"]),
        manifest=str(_manifest(num_rows, folder)),
        output=str(folder / "out"),
    )
    started = time.perf_counter()
    planner, request = prepare(config)
    uri = find_run(config, request, planner).uri
    ledger = start_ledger(uri, request=request, recipe=config.recipe, planner=planner)
    plan_s = time.perf_counter() - started
    stage = no_work(stages(config.recipe, planner.manifest, uri))

    with peak_memory() as memory:
        run_s = _work(ledger, stage, config.recipe, planner, rows_per_block)
    files = sorted((Path(uri) / "results").glob("*.parquet"))
    for file in files[: len(files) // 10]:
        file.unlink()
    started = time.perf_counter()
    left = ledger.pending(ledger.committed(), rows_per_block)
    resume_s = time.perf_counter() - started
    resumed_s = _work(ledger, stage, config.recipe, planner, rows_per_block)
    assert left, "nothing was left to resume"
    assert not ledger.discrepancies(ledger.committed())
    return ControlPlane(
        rows=num_rows,
        rows_per_block=rows_per_block,
        plan_s=round(plan_s, 2),
        run_s=round(run_s, 2),
        rows_per_s=round(num_rows / run_s, 1),
        driver_peak_mb=round(memory.peak_bytes / _MEGABYTE, 1),
        resume_s=round(resume_s, 2),
        resumed_s=round(resumed_s, 2),
    )


def _work(
    ledger: Ledger, stage: Stage, recipe: Recipe, planner: Planner, rows_per_block: int
) -> float:
    started = time.perf_counter()
    receipts = execute(
        ledger.pending(ledger.committed(), rows_per_block),
        partial(read_unit, ledger.uri),
        [stage],
        ResultWriter(ledger.uri, ledger.run_id, recipe),
        columns=planner.columns,
        most_rows=rows_per_block,
        max_strikes=recipe.budget.max_strikes,
        max_row_seconds=recipe.budget.max_row_seconds,
    )
    for _ in receipts:
        pass
    return time.perf_counter() - started


def _manifest(num_rows: int, folder: Path) -> Path:
    path = folder / "manifest.parquet"
    numbers = range(num_rows)
    table = pa.table(
        {
            "id": [f"sku-{number:09d}" for number in numbers],
            "image_uri": [f"images/{number:09d}.jpg" for number in numbers],
            "prompt": ["oak table, plaster wall, morning light"] * num_rows,
        }
    )
    pq.write_table(table, path)
    return path


def run_control_plane(sizes: Sequence[int], rows_per_block: int) -> None:
    """Measure several sizes in one process and print a table and its JSON."""
    measured = []
    with quiet_cluster(None):
        for num_rows in sizes:
            with tempfile.TemporaryDirectory(prefix="backlot-bench-") as folder:
                measured.append(control_plane(num_rows, rows_per_block, Path(folder)))
    show([asdict(measurement) for measurement in measured])
