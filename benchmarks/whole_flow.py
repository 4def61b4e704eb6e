"""The studio recipe from manifest to pictures, against its mappers without Backlot around them.

Three ways over the same photographs: the pipeline; one process that calls the mappers in a loop;
and a pool of processes, one for each core, that do. The two others write pictures and no table,
know no strikes and could not be resumed. All are measured from the call to the last picture, with
the start of their processes; a cluster is there already, as a job would find it.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.measuring import show
from benchmarks.photographs import catalogue
from jobs.recipes import load_recipe
from jobs.terminal.quiet import quiet_cluster
from pipeline.engine.stage import Mapper, Stage
from pipeline.errors import RowError
from pipeline.flow import run, stages
from pipeline.runs.run_config import RunConfig, prepare

_MEGAPIXELS = (1, 4, 12)
_AT_ONCE = 4
"""Rows that a process of the pool takes at a time."""


def run_studio(sizes: Sequence[int], *, repeats: int) -> None:
    """Measure and print what came of it, a column for each size of photograph.

    Args:
        sizes: number of photographs of 1, 4 and 12 megapixels, in this order.
        repeats: of each way; medians are shown.
    """
    with quiet_cluster(None):
        rows = [
            _measure(count, megapixels, repeats)
            for count, megapixels in zip(sizes, _MEGAPIXELS, strict=False)
        ]
    show(rows)


def _measure(num_rows: int, megapixels: int, repeats: int) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0))
    pipeline_s, pool_s, first_s, utilisation = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="backlot-bench-") as folder:
        manifest = catalogue(Path(folder) / "in", num_rows=num_rows, megapixels=megapixels)
        for number in range(repeats):
            out = Path(folder) / f"out-{number}"
            # With the default limit, memory and not cores would decide how many actors there are.
            recipe = load_recipe("studio", overrides=[f"input.max_megapixels={megapixels + 1}"])
            config = RunConfig(recipe=recipe, manifest=str(manifest), output=str(out))
            started, clock = time.time(), time.perf_counter()
            report = run(config, on_progress=lambda *_: None)
            pipeline_s.append(time.perf_counter() - clock)
            assert report.total.rows == num_rows
            first_s.append(min(f.stat().st_mtime for f in out.glob("*/images/*/*")) - started)
            utilisation.append(sum(report.total.seconds.values()) / (pipeline_s[-1] * cores))
            seconds = report.total.seconds
            pool_s.append(_in_processes(config, Path(folder) / f"pool-{number}", cores))
        loop_s = _in_a_loop(config, Path(folder) / "loop", num_rows)
    best = median(pipeline_s)
    return {
        "megapixels": megapixels,
        "photographs": num_rows,
        "failed": report.total.failed,
        "pipeline_s": round(best, 1),
        "processes_s": round(median(pool_s), 1),
        "loop_s": round(loop_s, 1),
        "pipeline_per_s": round(num_rows / best, 2),
        "over_processes": round(best / median(pool_s), 2),
        "speed_up_over_loop": round(loop_s / best, 2),
        "utilisation": round(median(utilisation), 2),
        "first_picture_s": round(median(first_s), 1),
        "stage_s": ", ".join(f"{name} {s / num_rows:.3f}" for name, s in seconds.items()),
    }


class Plain:
    """The stages' mappers, called one after another."""

    def __init__(self, listed: Sequence[Stage]) -> None:
        threadpool_limits(1)
        self._steps: list[tuple[Stage, Mapper]] = [
            (stage, stage.mapper(stage.config)) for stage in listed
        ]

    def take(self, rows: Sequence[dict[str, Any]]) -> Counter[str]:
        """Rows through all the stages; counts what became of them."""
        whole = [dict(row) for row in rows]
        failed = 0
        for stage, mapper in self._steps:
            outcomes = mapper.map_batch([{n: row[n] for n in stage.reads} for row in whole])
            alive = []
            for row, outcome in zip(whole, outcomes, strict=True):
                if isinstance(outcome, RowError):
                    failed += 1
                else:
                    alive.append(row | outcome)
            whole = alive
        return Counter(done=len(whole), failed=failed)


_plain: list[Plain] = []
"""In a process of the pool: its own."""


def _set_up(listed: Sequence[Stage]) -> None:
    _plain.append(Plain(listed))


def _take(rows: Sequence[dict[str, Any]]) -> Counter[str]:
    return _plain[0].take(rows)


def planned(config: RunConfig, output: Path) -> tuple[list[Stage], list[dict[str, Any]]]:
    """The stages of a run, and its rows; the run's folder is there afterwards."""
    planner, _ = prepare(config)
    Path(output).mkdir(parents=True, exist_ok=True)  # stages make none: it may have been deleted
    rows = [row for table in planner.tables() for row in table.to_pylist()]
    return stages(config.recipe, planner.manifest, str(output)), rows


def _in_processes(config: RunConfig, output: Path, num_processes: int) -> float:
    started = time.perf_counter()
    listed, rows = planned(config, output)
    parts = [rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE)]
    # Not forked: the driver has threads.
    context = multiprocessing.get_context("spawn")
    with context.Pool(num_processes, initializer=_set_up, initargs=(listed,)) as pool:
        _check(pool.imap_unordered(_take, parts), len(rows))
    return time.perf_counter() - started


def _in_a_loop(config: RunConfig, output: Path, num_rows: int) -> float:
    started = time.perf_counter()
    listed, rows = planned(config, output)
    plain = Plain(listed)
    _check((plain.take([row]) for row in rows), num_rows)
    return time.perf_counter() - started


def _check(counts: Iterable[Counter[str]], num_rows: int) -> None:
    total = sum(counts, Counter[str]())
    assert total["done"] + total["failed"] == num_rows
