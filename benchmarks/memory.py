"""What photographs take of an actor's memory, against what is reserved for them.

The figures of `pipeline/engine/actor_memory.py` and of the stages come from here. Each photograph
goes through all the stages of `studio` in a process of its own, since a peak is a process's largest
ever.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.measuring import show
from benchmarks.photographs import catalogue
from benchmarks.whole_flow import Plain, planned
from jobs.recipes import load_recipe
from pipeline.engine.pools import pools
from pipeline.runs.run_config import RunConfig

_MEGAPIXELS = (1, 12, 24)
_KIBIBYTE = 1024


def run_memory() -> None:
    """Measure and print, a column for each photograph."""
    show(
        [
            {"photograph": name, "megapixels": megapixels, **measure(megapixels, write)}
            for name, write in PHOTOGRAPHS.items()
            for megapixels in _MEGAPIXELS
        ]
    )


def measure(
    megapixels: float, write: Callable[[Path, float], Path], *, settings: Sequence[str] = ()
) -> dict[str, Any]:
    """One photograph through the stages.

    Args:
        megapixels: of the photograph; it is also the largest that the recipe accepts.
        write: makes its manifest in a folder.
        settings: of the recipe, as for `--set`.

    Returns:
        `peak_mb`, and what was `reserved_mb`.

    Raises:
        ValueError: it did not become a picture.
    """
    accepts = f"input.max_megapixels={megapixels * 1.01}"  # sides are whole pixels
    with tempfile.TemporaryDirectory(prefix="backlot-bench-") as folder:
        manifest = write(Path(folder) / "in", megapixels)
        command = [sys.executable, "-m", __name__, str(manifest), accepts, *settings]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{megapixels:g} Mpx: {done.stderr.strip().splitlines()[-1]}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def jpeg(folder: Path, megapixels: float) -> Path:
    """As most photographs come; returns the manifest."""
    return catalogue(folder, num_rows=1, megapixels=megapixels)


def png(folder: Path, megapixels: float) -> Path:
    """The same, in a file that cannot be decoded at a smaller size."""
    return _rewritten(catalogue(folder, num_rows=1, megapixels=megapixels), alpha=False)


def full(folder: Path, megapixels: float) -> Path:
    """The most that one can ask for: a product that fills its frame and is soft throughout."""
    return _rewritten(catalogue(folder, num_rows=1, megapixels=megapixels), alpha=True)


PHOTOGRAPHS = {"jpeg": jpeg, "png": png, "full": full}


def _rewritten(manifest: Path, *, alpha: bool) -> Path:
    rows = pq.read_table(manifest).to_pylist()
    for row in rows:
        source = manifest.parent / row["image_uri"]
        row["image_uri"] = str(Path(row["image_uri"]).with_suffix(".png"))
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        if alpha:
            picture.putalpha(_soft(*picture.size))
        picture.save(source.with_suffix(".png"), compress_level=1)
    pq.write_table(pa.Table.from_pylist(rows), manifest)
    return manifest


def _soft(width: int, height: int) -> Image.Image:
    """Coverage that is nowhere whole for long, and reaches the frame."""
    y_H1 = np.linspace(0, 20, height, dtype=np.float32)[:, np.newaxis]
    x_1W = np.linspace(0, 20, width, dtype=np.float32)[np.newaxis]
    return Image.fromarray((127 + 100 * np.sin(y_H1) * np.sin(x_1W)).astype(np.uint8))


def _once(manifest: str, settings: Sequence[str]) -> dict[str, Any]:
    """In a process of its own: take the photograph through; what that took, and was to take."""
    output = Path(manifest).parent / "out"
    recipe = load_recipe("studio", overrides=settings)
    listed, rows = planned(RunConfig(recipe=recipe, manifest=manifest, output=str(output)), output)
    counts = Plain(listed).take(rows)
    if counts["failed"]:
        raise ValueError("the photograph was refused")
    (pool,) = pools(listed)
    return {"peak_mb": round(peak_mb()), "reserved_mb": pool.memory_mb}


def peak_mb() -> float:
    """The most memory that this process has held at once, as Linux counts it.

    Not from `getrusage`: its `ru_maxrss` begins at what the process held that started this one,
    which counts as its own until its program is replaced.
    """
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmHWM"].removesuffix("kB")) / _KIBIBYTE


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_once(sys.argv[1], sys.argv[2:])))
