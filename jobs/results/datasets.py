"""What a terminal shows of a dataset and of a run."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from pipeline.runs.earlier_runs import current
from pipeline.runs.merged_view import materialise
from pipeline.runs.verify import verify


def current_as_json(output: str) -> str:
    """How many rows of each file are in the merged view, by run. Raises as `show_current`."""
    view = current(output)
    return json.dumps({"rows": view.num_rows, "runs": _by_run(view)}, indent=1)


def show_current(output: str) -> list[str]:
    """How many rows each run contributes to the merged view, and the files they are in; lines.

    Raises:
        ValueError: the dataset cannot be read.
    """
    view = current(output)
    runs = _by_run(view)
    lines = [f"{view.num_rows:,} samples with a picture, from {len(runs)} runs"]
    for run_id, files in runs.items():
        lines.append(f"{sum(files.values()):>10,}  {run_id}")
        lines += [f"{rows:>10,}    {file}" for file, rows in files.items()]
    return lines


def write_current(output: str, target: str) -> str:
    """Write the merged view as a dataset of its own; says what was written.

    Raises:
        ValueError: the target is taken, or the runs do not fit together.
    """
    view = current(output)
    names = materialise(view, target)
    return f"{view.num_rows:,} rows in {len(names)} files: {target}"


def show_verdict(run_uri: str) -> tuple[list[str], int]:
    """What recounting a run came to, in lines, and the exit code.

    Raises:
        ValueError: there is no run there.
    """
    verdict = verify(run_uri)
    counted = (
        f"{verdict.num_planned:,} rows planned, {verdict.num_rows:,} in {verdict.num_files:,} "
        f"result files, {verdict.num_objects:,} picture objects"
    )
    if not verdict.findings:
        return [f"{counted}: all there, once and whole"], 0
    return [counted, *map(str, verdict.findings)], 1


def _by_run(view: pa.Table) -> dict[str, dict[str, int]]:
    """Rows by file by run, oldest first."""
    counted = view.group_by(["run_id", "file"], use_threads=False).aggregate([("row", "count")])
    runs: dict[str, dict[str, Any]] = {}
    for row in counted.to_pylist():
        runs.setdefault(row["run_id"], {})[row["file"]] = row["row_count"]
    return runs
