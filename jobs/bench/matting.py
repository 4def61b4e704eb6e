"""Matting alone, against the loop of `rembg p`: the same network, the same file of weights.

One process each, one thread each, taking turns within one run. Both read a file, cut out and write
a mask of the photograph's size. rembg is timed a second time as it comes, writing the cut-out
itself, which the pipeline never does. Needs the extra `bench`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.bench.measuring import show
from jobs.bench.photographs import catalogue, truths
from jobs.recipes import load_recipe
from pipeline.errors import RowError
from pipeline.models.matting.config import EMBEDDED_WEIGHTS
from pipeline.stages.matte import MatteMapper

_MEGAPIXELS = (1, 4)

Cut = Callable[[bytes], bytes]
"""A photograph's file to a mask's, 8-bit grey PNG of its size."""


def run_matting(num_rows: int, *, repeats: int) -> None:
    """Measure photographs of 1 and 4 megapixels, and masks against known ones; print both."""
    ways = {"backlot": _backlot(), **_rembg()}
    rows = []
    for megapixels in _MEGAPIXELS:
        with tempfile.TemporaryDirectory(prefix="backlot-bench-") as folder:
            count = max(7, num_rows // megapixels)
            catalogue(Path(folder) / "in", num_rows=count, megapixels=megapixels)
            files = sorted((Path(folder) / "in" / "images").iterdir())
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(repeats):
                for name, cut in ways.items():
                    seconds[name].append(_time(cut, files, Path(folder)))
        per_s = {name: len(files) / median(times) for name, times in seconds.items()}
        rows.append(
            {
                "megapixels": megapixels,
                "photographs": len(files),
                **{f"{name}_per_s": round(value, 2) for name, value in per_s.items()},
                "over_rembg_mask": round(per_s["backlot"] / per_s["rembg_mask"], 2),
                "over_rembg": round(per_s["backlot"] / per_s["rembg"], 2),
                "iou": round(_iou(ways["backlot"]), 4),
                "rembg_iou": round(_iou(ways["rembg_mask"]), 4),
            }
        )
    show(rows)


def _time(cut: Cut, files: list[Path], folder: Path) -> float:
    started = time.perf_counter()
    for file in files:
        (folder / f"{file.stem}.png").write_bytes(cut(file.read_bytes()))
    return time.perf_counter() - started


def _backlot() -> Cut:
    recipe = load_recipe("studio")
    mapper = MatteMapper(recipe.matte, limits=recipe.input, num_threads=1)

    def cut(data: bytes) -> bytes:
        (outcome,) = mapper.map_batch([{"image_bytes": data, "mask_bytes": None}])
        if isinstance(outcome, RowError):
            raise outcome
        alpha: bytes = outcome["alpha"]
        return alpha

    return cut


def _rembg() -> dict[str, Cut]:
    """What rembg calls, told to use our copy of the weights and one thread.

    Raises:
        ValueError: it is not installed.
    """
    # It takes both from the environment alone.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["U2NET_HOME"] = str(EMBEDDED_WEIGHTS.parent)
    try:
        import rembg
    except ImportError:
        raise ValueError("rembg is not installed: pip install 'backlot[bench]'") from None
    session = rembg.new_session("u2netp", providers=["CPUExecutionProvider"])

    def cut_with(**options: Any) -> Cut:
        def cut(data: bytes) -> bytes:
            made: bytes = rembg.remove(data, session=session, **options)
            return made

        return cut

    return {"rembg_mask": cut_with(only_mask=True), "rembg": cut_with()}


def _iou(cut: Cut) -> float:
    """Mean soft intersection over union, sum of minima over sum of maxima, with known mattes."""
    found = []
    for photograph, alpha_HW in truths():
        mask_HW = _mask(cut(photograph))
        found.append(np.minimum(mask_HW, alpha_HW).sum() / np.maximum(mask_HW, alpha_HW).sum())
    return float(np.mean(found))


def _mask(data: bytes) -> NDArray[np.float32]:
    with Image.open(BytesIO(data)) as image:
        mask_HW = np.asarray(image.convert("L")).astype(np.float32)
    mask_HW /= 255
    return mask_HW
