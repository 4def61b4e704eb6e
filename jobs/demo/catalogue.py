"""The demo catalogue: a few colour photographs that ship with the project, and rows for them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.tables.writing import PLAIN, encoded

# Shape suffixes: H height, W width, C colour channel.


@dataclass(frozen=True, kw_only=True, slots=True)
class Photograph:
    """A photograph of others that ships in `jobs/demo/photographs/`; NOTICE says the same."""

    author: str
    source: str
    """Where the original is."""
    licence: str
    changes: str
    """What was done to the original."""


_DAHLIA_SOURCE = "https://www.flickr.com/photos/vultilion/6056698931/, by way of scikit-learn"
_DAHLIA_LICENCE = "CC BY 2.0, https://creativecommons.org/licenses/by/2.0/"

PHOTOGRAPHS = {
    "espresso": Photograph(
        author="Rachel Michetti, courtesy of Pikolo Espresso Bar",
        source="coffee.png of scikit-image",
        licence="CC0 1.0",
        changes="saved as JPEG",
    ),
    "cat": Photograph(
        author="Stefan van der Walt",
        source="chelsea.png of scikit-image",
        licence="CC0 1.0",
        changes="saved as JPEG",
    ),
    # Without the flag on the left, which a small network takes for part of the suit.
    "astronaut": Photograph(
        author="NASA, portrait of Eileen Collins",
        source="https://flic.kr/p/r9qvLn, by way of scikit-image",
        licence="public domain",
        changes="cropped, saved as JPEG",
    ),
    # Two crops of one picture; both end above the second bloom at the bottom.
    "dahlia": Photograph(
        author="vultilion",
        source=_DAHLIA_SOURCE,
        licence=_DAHLIA_LICENCE,
        changes="cropped, saved as JPEG",
    ),
    "dahlia-wide": Photograph(
        author="vultilion",
        source=_DAHLIA_SOURCE,
        licence=_DAHLIA_LICENCE,
        changes="cropped, saved as JPEG",
    ),
    "officer": Photograph(
        author="US Navy, portrait of Grace Hopper",
        source="https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg, by way of matplotlib",
        licence="public domain, a work of the US government",
        changes="cropped, saved as JPEG",
    ),
}
"""The entries of the catalogue, by the name of the file without its ending."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One row of the catalogue."""

    id: str
    image: str
    """File name in `images/`."""
    prompt: str
    title: str
    category: str
    seed: int | None = None
    """None: derived from the id by the run."""


ITEMS = (
    # First: it needs no network, so it is there soonest.
    Item(
        id="dahlia-pond",
        image="dahlia-cutout.png",
        prompt="still water at sunset",
        title="Dahlia, apricot, cut out",
        category="flowers",
    ),
    Item(
        id="espresso-marble",
        image="espresso.jpg",
        prompt="white marble counter, soft morning window light",
        title="Espresso cup and saucer, red",
        category="tableware",
    ),
    Item(
        id="espresso-walnut",
        image="espresso.jpg",
        prompt="dark walnut wood table, warm bokeh lights, golden hour",
        title="Espresso cup and saucer, red",
        category="tableware",
    ),
    Item(
        id="espresso-slate",
        image="espresso.jpg",
        prompt="slate, plaster wall, moody",
        title="Espresso cup and saucer, red",
        category="tableware",
        seed=7,
    ),
    Item(
        id="espresso-beach",
        image="espresso.jpg",
        prompt="sand, sea horizon, golden hour",
        title="Espresso cup and saucer, red",
        category="tableware",
    ),
    Item(
        id="dahlia-linen",
        image="dahlia-wide.jpg",
        prompt="natural linen, bright morning light",
        title="Dahlia, apricot",
        category="flowers",
    ),
    Item(
        id="dahlia-lavender",
        image="dahlia.jpg",
        prompt="seamless lavender sweep, pastel",
        title="Dahlia, apricot, close",
        category="flowers",
    ),
    Item(
        id="officer-plaster",
        image="officer.jpg",
        prompt="warm grey plaster wall, soft window light",
        title="Portrait, service dress",
        category="portraits",
    ),
    Item(
        id="officer-sky",
        image="officer.jpg",
        prompt="blue sky, bright noon light",
        title="Portrait, service dress",
        category="portraits",
    ),
    Item(
        id="astronaut-midnight",
        image="astronaut.jpg",
        prompt="seamless midnightblue backdrop, moody studio light",
        title="Portrait, flight suit",
        category="portraits",
    ),
    Item(
        id="astronaut-meadow",
        image="astronaut.jpg",
        prompt="green foliage, bright noon light",
        title="Portrait, flight suit",
        category="portraits",
    ),
    Item(
        id="cat-evening",
        image="cat.jpg",
        prompt="bokeh lights on a warm evening",
        title="Chelsea the cat",
        category="pets",
    ),
    Item(
        id="espresso-torn",
        image="espresso-torn.jpg",
        prompt="white marble counter",
        title="Espresso cup, upload broken off",
        category="tableware",
    ),
    Item(
        id="teapot-lost",
        image="teapot.jpg",
        prompt="oak wood table, morning light",
        title="Teapot, never photographed",
        category="tableware",
    ),
)
"""The last two are broken on purpose: a file cut off in the middle and one that is not there."""

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("image_uri", pa.string()),
        pa.field("prompt", pa.string()),
        pa.field("title", pa.string()),
        pa.field("category", pa.string()),
        pa.field("seed", pa.int64()),
    ]
)


def build_catalogue(folder: Path) -> Path:
    """Write the demo catalogue: `manifest.parquet`, `images/` and `SOURCES.md`.

    Building twice gives the same files.

    Returns:
        The manifest. Its `image_uri` are relative to it.
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        (images / f"{name}.jpg").write_bytes(_jpeg(name))
    (images / "dahlia-cutout.png").write_bytes(_png(cut_out_dahlia(opened("dahlia"))))
    whole = _jpeg("espresso")
    (images / "espresso-torn.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "SOURCES.md").write_text(_sources(), encoding="utf-8")
    manifest = folder / "manifest.parquet"
    manifest.write_bytes(encoded(_manifest(), PLAIN))
    return manifest


def _manifest() -> pa.Table:
    rows = [
        {
            "id": item.id,
            "image_uri": f"images/{item.image}",
            "prompt": item.prompt,
            "title": item.title,
            "category": item.category,
            "seed": item.seed,
        }
        for item in ITEMS
    ]
    return pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA)


def opened(name: str) -> Image.Image:
    """A photograph of `PHOTOGRAPHS`, sRGB."""
    with Image.open(BytesIO(_jpeg(name))) as picture:
        return picture.convert("RGB")


def _jpeg(name: str) -> bytes:
    return files("jobs.demo").joinpath("photographs", f"{name}.jpg").read_bytes()


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def cut_out_dahlia(picture: Image.Image) -> Image.Image:
    """The bloom with its own alpha channel (straight), as a retoucher would deliver it."""
    rgb_HWC = np.asarray(picture, dtype=np.float32) / np.float32(255)
    alpha_HW = _dahlia_alpha(rgb_HWC)
    rgba_HWC = np.dstack([rgb_HWC, alpha_HW])
    return Image.fromarray(np.rint(rgba_HWC * 255).astype(np.uint8), "RGBA")


DAHLIA_CENTRE_XY = (187.0, 192.0)
DAHLIA_HEART_PX = (105.0, 120.0)
"""Radii between which the fully taken heart gives way to the key."""
DAHLIA_RIM_PX = (140.0, 144.0)
"""Radii between which everything ends: the stems beyond are as bright as petals in shade."""
DAHLIA_RED = (0.32, 0.56)
"""Red, sRGB-encoded: teal leaves are below, apricot petals above."""


def _dahlia_alpha(rgb_HWC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coverage of the bloom: a red key at the rim, whole inside it, nothing outside."""
    height, width, _ = rgb_HWC.shape
    y_HW, x_HW = np.mgrid[:height, :width].astype(np.float32)
    radius_HW = np.hypot(x_HW - DAHLIA_CENTRE_XY[0], y_HW - DAHLIA_CENTRE_XY[1])
    key_HW = _ramp(rgb_HWC[..., 0], *DAHLIA_RED)
    heart_HW = 1 - _ramp(radius_HW, *DAHLIA_HEART_PX)
    disc_HW = 1 - _ramp(radius_HW, *DAHLIA_RIM_PX)
    return np.maximum(key_HW, heart_HW) * disc_HW


def _ramp(value: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """0 below `low`, 1 above `high`, a smooth cubic between them."""
    t: NDArray[np.float32] = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _sources() -> str:
    lines = [
        "# Where these pictures come from",
        "",
        "| file | by | from | licence | changes |",
        "|---|---|---|---|---|",
        *(
            f"| images/{name}.jpg | {photo.author} | {photo.source} | {photo.licence} "
            f"| {photo.changes} |"
            for name, photo in PHOTOGRAPHS.items()
        ),
        "",
        "`dahlia-cutout.png` is `dahlia.jpg` with an alpha channel added; `espresso-torn.jpg` is "
        "the first half of",
        "`espresso.jpg`'s bytes. Neither `teapot.jpg` nor its photograph exists.",
        "",
    ]
    return "\n".join(lines)
