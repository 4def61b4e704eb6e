"""A long run: whether the actors stay as large as they were after their first photographs."""

from __future__ import annotations

import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import mean

import psutil

from benchmarks.measuring import show
from benchmarks.photographs import catalogue
from jobs.recipes import load_recipe
from jobs.terminal.quiet import quiet_cluster
from pipeline.flow import run
from pipeline.runs.run_config import RunConfig

_EVERY_S = 0.25
_FEWEST_SAMPLES = 10
"""A process with fewer was a probe that Ray started, or the run was too short."""
_WORKER = "ray::MapWorker"
"""How Ray calls the processes of its actor pools."""
_MEGABYTE = 2**20


def run_soak(num_rows: int) -> None:
    """Run the studio recipe over so many small photographs of several sizes; print a row per actor.

    Each tenth of the run is summed up by its mean resident memory. Growth is the last tenth's over
    that of the third, by which every size of photograph has been seen.

    Raises:
        ValueError: no actor lived long enough to be measured: ask for more rows.
    """
    with tempfile.TemporaryDirectory(prefix="backlot-bench-") as folder:
        manifest = catalogue(Path(folder) / "in", num_rows=num_rows, megapixels=None)
        config = RunConfig(
            recipe=load_recipe("studio"), manifest=str(manifest), output=str(Path(folder) / "out")
        )
        with quiet_cluster(None), _watched() as samples:
            report = run(config, on_progress=lambda *_: None)
    assert report.total.rows == num_rows
    actors = [one for one in samples.values() if len(one) >= _FEWEST_SAMPLES]
    if not actors:
        raise ValueError(
            f"--rows: {num_rows} were done before an actor was measured {_FEWEST_SAMPLES} times, "
            f"once in {_EVERY_S} s: ask for more"
        )
    show(
        [
            {
                "actor": number,
                "photographs": num_rows,
                "failed": report.total.failed,
                **{f"mb_{10 * (tenth + 1)}": size for tenth, size in enumerate(sizes)},
                "growth": round(sizes[-1] / sizes[2] - 1, 3),
            }
            for number, sizes in enumerate(map(_tenths, actors))
        ]
    )


def _tenths(samples: Sequence[int]) -> list[int]:
    """Mean resident memory of each tenth of the run, MB."""
    edges = [len(samples) * tenth // 10 for tenth in range(11)]
    return [round(mean(samples[first:last]) / _MEGABYTE) for first, last in pairwise(edges)]


@contextmanager
def _watched() -> Iterator[dict[int, list[int]]]:
    """Resident memory of this machine's actors by process, sampled for the length of a block."""
    samples: dict[int, list[int]] = defaultdict(list)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_EVERY_S):
            for process in psutil.Process().children(recursive=True):
                try:
                    if " ".join(process.cmdline()).startswith(_WORKER):
                        samples[process.pid].append(process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue  # it ended between the two questions

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
