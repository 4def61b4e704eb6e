"""Real photographs at the sizes of cameras: the demo's, enlarged, with their own file each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from jobs.demo.catalogue import PHOTOGRAPHS, cut_out_dahlia, opened

_QUALITY = 92


def catalogue(folder: Path, *, num_rows: int, megapixels: float | None) -> Path:
    """Write JPEGs of so many pixels and a manifest of so many rows; returns the manifest.

    None leaves photographs the sizes they have, which differ. Rows take turns with them, and each
    is a file of its own: nothing is read twice.
    """
    (folder / "images").mkdir(parents=True)
    sources = [opened(name) for name in PHOTOGRAPHS]
    rows: list[dict[str, str]] = []
    for number in range(num_rows):
        name = f"images/{number:05d}.jpg"
        if number < len(sources):
            _enlarged(sources[number], megapixels).save(folder / name, quality=_QUALITY)
        else:
            (folder / name).write_bytes(
                (folder / rows[number - len(sources)]["image_uri"]).read_bytes()
            )
        rows.append({"id": f"sku-{number:05d}", "image_uri": name, "prompt": _PROMPTS[number % 3]})
    path = folder / "manifest.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


_PROMPTS = (
    "oak table, plaster wall, morning light",
    "pale concrete floor, soft light from the left",
    "dark slate, warm lamp light",
)


def _enlarged(image: Image.Image, megapixels: float | None) -> Image.Image:
    if megapixels is None:
        return image.convert("RGB")
    scale = math.sqrt(megapixels * 1e6 / (image.width * image.height))
    size = round(image.width * scale), round(image.height * scale)
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def truths() -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    """A bloom of known coverage on six grounds: JPEG, and alpha (H, W) in [0, 1]."""
    cutout = cut_out_dahlia(opened("dahlia"))
    cutout = cutout.resize((cutout.width * 3, cutout.height * 3), Image.Resampling.LANCZOS)
    alpha_HW = np.asarray(cutout.getchannel("A")).astype(np.float32)
    alpha_HW /= 255
    for color in _GROUNDS:
        ground = Image.new("RGB", cutout.size, color)
        ground.paste(cutout.convert("RGB"), mask=cutout.getchannel("A"))
        sink = BytesIO()
        ground.save(sink, "JPEG", quality=_QUALITY)
        yield sink.getvalue(), alpha_HW


_GROUNDS = ("white", "#d8d8d8", "#808080", "#303030", "#b8c8d8", "#d8c8a8")
