"""Matting alone, against the loop of `rembg p`: the same network, the same file of weights.

Every way reads files, cuts out and writes masks of the photographs' size, or, as rembg comes, whole
cut-outs, which the pipeline never writes. First with one thread each, then with the whole machine:
a process with one thread on each core, as the pipeline's actors are, against rembg's one process
with as many threads. Ways take turns within one run. Needs the extra `bench`; with the extra
`openvino` and a CPU that computes in bfloat16, that is measured too.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from statistics import median
from threading import Barrier
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from benchmarks.measuring import show
from benchmarks.photographs import catalogue, truths
from jobs.recipes import load_recipe
from pipeline.errors import FatalError, RowError
from pipeline.models.matting.matting_config import EMBEDDED_WEIGHTS
from pipeline.models.matting.openvino_session import capabilities
from pipeline.stages.matte import MatteMapper

_MEGAPIXELS = (1, 4)

Cut = Callable[[bytes], bytes]
"""A photograph's file to that of an 8-bit grey mask, or of a cut-out with alpha; of its size."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to cut out."""

    name: str
    build: Callable[[int], Cut]
    """Called with the number of threads, in each process that will cut out."""
    processes: int = 1
    threads: int = 1
    """Of each process."""

    @contextmanager
    def opened(self) -> Iterator[Executor]:
        """Its processes, each of which has built it and has cut out once."""
        context = multiprocessing.get_context("spawn")  # not forked: libraries have threads
        barrier = context.Barrier(self.processes)
        with ProcessPoolExecutor(self.processes, context, _set_up, (self, barrier)) as executor:
            list(executor.map(_meet, range(self.processes)))
            yield executor


def run_matting(num_rows: int, *, repeats: int) -> None:
    """Measure photographs of 1 and 4 megapixels, and masks against known ones; print all.

    Raises:
        ValueError: rembg is not installed.
    """
    if find_spec("rembg") is None:
        raise ValueError("rembg is not installed: pip install 'backlot[bench]'")
    for cores in sorted({1, len(os.sched_getaffinity(0))}):
        ways = _ways(cores)
        iou = {way.name: _iou(way) for way in ways}
        for megapixels in _MEGAPIXELS:
            count = max(7, num_rows // megapixels)
            seconds = _seconds(ways, count, megapixels, repeats)
            speed = {name: count / elapsed_s for name, elapsed_s in seconds.items()}
            show(
                [
                    {
                        "way": way.name,
                        "megapixels": megapixels,
                        "photographs": count,
                        **_compared(way, speed),
                        "iou": round(iou[way.name], 4),
                    }
                    for way in ways
                ]
            )


def _compared(way: Way, per_s: Mapping[str, float]) -> dict[str, float]:
    mine = per_s[way.name]
    return {
        "processes": way.processes,
        "threads": way.threads,
        "per_s": round(mine, 2),
        "over_rembg_mask": round(mine / per_s["rembg_mask"], 2),
        "over_rembg": round(mine / per_s["rembg"], 2),
    }


def _ways(cores: int) -> list[Way]:
    """All that can be run here, each with as many threads in all."""
    ways = [Way(name="backlot", build=_backlot, processes=cores)]
    if _has_bfloat16():
        chosen = ("matte.network.runtime=openvino", "matte.network.precision=bfloat16")
        build = partial(_backlot, overrides=chosen)
        ways.append(Way(name="bfloat16", build=build, processes=cores))
    return [
        *ways,
        Way(name="rembg_mask", build=partial(_rembg, only_mask=True), threads=cores),
        Way(name="rembg", build=_rembg, threads=cores),
    ]


def _has_bfloat16() -> bool:
    try:
        return "BF16" in capabilities()
    except FatalError:  # OpenVINO is not installed
        return False


def _backlot(threads: int, *, overrides: Sequence[str] = ()) -> Cut:
    recipe = load_recipe("studio", overrides=overrides)
    mapper = MatteMapper(recipe.matte, limits=recipe.input, num_threads=threads)

    def cut(data: bytes) -> bytes:
        (outcome,) = mapper.map_batch(
            [{"image_bytes": data, "mask_bytes": None, "clipping_path": None}]
        )
        if isinstance(outcome, RowError):
            raise outcome
        alpha: bytes = outcome["alpha"]
        return alpha

    return cut


def _rembg(threads: int, **options: Any) -> Cut:
    """What `rembg p` calls for each file, told to use our copy of the weights."""
    # It takes both from the environment alone.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["U2NET_HOME"] = str(EMBEDDED_WEIGHTS.parent)
    import rembg

    session = rembg.new_session("u2netp", providers=["CPUExecutionProvider"])

    def cut(data: bytes) -> bytes:
        made: bytes = rembg.remove(data, session=session, **options)
        return made

    return cut


@dataclass(frozen=True)
class _Worker:
    cut: Cut
    barrier: Barrier


_worker: list[_Worker] = []
"""In a process of a way: what it is."""


def _set_up(way: Way, barrier: Barrier) -> None:
    threadpool_limits(way.threads)
    cut = way.build(way.threads)
    cut(next(truths())[0])  # some libraries compile or allocate only then
    _worker.append(_Worker(cut, barrier))


def _meet(_: int) -> None:
    """Holds its process until all the others are here too."""
    _worker[0].barrier.wait()


def _cut(data: bytes) -> bytes:
    return _worker[0].cut(data)


def _cut_file(file: Path, folder: Path) -> None:
    (folder / f"{file.stem}.png").write_bytes(_cut(file.read_bytes()))


def _seconds(ways: Sequence[Way], count: int, megapixels: int, repeats: int) -> dict[str, float]:
    """How long each way takes, by name, the start of its processes apart; medians."""
    with tempfile.TemporaryDirectory(prefix="backlot-bench-") as name:
        folder = Path(name)
        catalogue(folder / "in", num_rows=count, megapixels=megapixels)
        files = sorted((folder / "in" / "images").iterdir())
        rounds = [{way.name: _time(way, files, folder) for way in ways} for _ in range(repeats)]
    return {way.name: median(times[way.name] for times in rounds) for way in ways}


def _time(way: Way, files: Sequence[Path], folder: Path) -> float:
    with way.opened() as processes:
        started = time.perf_counter()
        for _ in processes.map(partial(_cut_file, folder=folder), files):
            pass
        return time.perf_counter() - started


def _iou(way: Way) -> float:
    """Mean soft intersection over union, sum of minima over sum of maxima, with known mattes."""
    photographs, alphas = zip(*truths(), strict=True)
    with way.opened() as processes:
        masks = [_mask(data) for data in processes.map(_cut, photographs)]
    pairs = zip(masks, alphas, strict=True)
    return float(np.mean([np.minimum(*pair).sum() / np.maximum(*pair).sum() for pair in pairs]))


def _mask(data: bytes) -> NDArray[np.float32]:
    with Image.open(BytesIO(data)) as image:
        channel = image.getchannel("A") if image.mode == "RGBA" else image.convert("L")
        mask_HW = np.asarray(channel).astype(np.float32)
    mask_HW /= 255
    return mask_HW
