"""Two runs of one dataset that differ in all that may differ, made without a cluster."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.recipes import load_recipe
from pipeline import schema, storage
from pipeline.engine.on_ray.execution import _packed
from pipeline.engine.pools import pools
from pipeline.engine.strikes import Strikes
from pipeline.engine.worker import PoolWorker, Reader, Work
from pipeline.flow import stages
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.runs.earlier_runs import current
from pipeline.runs.identity import Request, run_uri
from pipeline.runs.merged_view import materialise
from pipeline.runs.result_files import ResultWriter
from pipeline.runs.run_folder import read_unit, start_ledger
from tests.flow import pictures

_MONDAY = ("0007", "b", "c", "broken", "lost", "f")
_TUESDAY = ("b", "c", "lost", "g")
SEEN = datetime.datetime(2024, 2, 29, 12, 34, 56, 123456)
KEPT = {
    "title": "Küche",
    "gtin": "0012",
    "price": Decimal("12.50"),
    "category": "tableware",
    "tags": ["new", "oak"],
    "attrs": [{"key": "colour", "value": "red"}],
    "since": datetime.date(2024, 2, 29),
    "seen": SEEN,
    "size": {"w": 1, "h": 2.5},
    "stock": 2**53 + 1,
}
"""What every reader has of the row g; of the row b all is null but the first three."""


def make_dataset(folder: Path) -> None:
    """Write `dataset`, of two runs, and `merged`, its view of the newest pictures."""
    catalogue, output = folder / "catalogue", folder / "dataset"
    names = {f"{sample}.jpg" for sample in (*_MONDAY, *_TUESDAY)} - {"lost.jpg"}
    files = {name: pictures.jpeg((160, 120)) for name in names}
    pictures.write_all(catalogue, {**files, "broken.jpg": b"no picture"})
    _run(output, "monday", _manifest(catalogue, _MONDAY, {}), ["keep=[title, gtin, price]"])
    (catalogue / "lost.jpg").write_bytes(files["b.jpg"])
    tuesday = _manifest(catalogue, _TUESDAY, {"c": "broken.jpg"})
    _run(output, "tuesday", tuesday, [f"keep=[{', '.join(KEPT)}]", "output.alpha=true"])
    materialise(current(str(output)), str(folder / "merged"))


def _manifest(catalogue: Path, samples: Sequence[str], files: dict[str, str]) -> Path:
    count = len(samples)
    full = [sample != "b" for sample in samples]

    def of(value: object, kind: pa.DataType) -> pa.Array:
        return pa.array([value if there else None for there in full], kind)

    table = pa.table(
        {
            "id": samples,
            "image_uri": [files.get(sample, f"{sample}.jpg") for sample in samples],
            "prompt": ["oak table"] * count,
            "title": [KEPT["title"]] * count,
            "gtin": [KEPT["gtin"]] * count,
            "price": pa.array([KEPT["price"]] * count, pa.decimal128(10, 2)),
            "category": of("tableware", pa.string()).dictionary_encode(),
            "tags": of(KEPT["tags"], pa.list_(pa.string())),
            "attrs": of([("colour", "red")], pa.map_(pa.string(), pa.string())),
            "since": of(KEPT["since"], pa.date32()),
            "seen": of(SEEN, pa.timestamp("us")).cast(pa.timestamp("ns")),
            "size": of(KEPT["size"], pa.struct([("w", pa.int32()), ("h", pa.float64())])),
            "stock": of(KEPT["stock"], pa.int64()),
        }
    )
    path = catalogue / f"{len(list(catalogue.glob('*.parquet')))}.parquet"
    pq.write_table(table, path)
    return path


def _run(output: Path, run_id: str, manifest: Path, settings: list[str]) -> None:
    """All stages of `studio`, in this process, by the code of a real run: Ray alone is missing."""
    recipe = load_recipe("studio", overrides=settings)
    opened, uri = open_manifest(str(manifest)), run_uri(str(output), run_id)
    planner = Planner(recipe=recipe, manifest=opened)
    planner.check()
    asked = Request(
        manifest=storage.absolute(str(manifest)),
        where=None,
        limit=None,
        config_hash=recipe.config_hash,
    )
    ledger = start_ledger(uri, request=asked, recipe=recipe, planner=planner)
    listed = stages(recipe, opened, uri)
    (pool,) = pools(listed)
    timings = schema.timings(tuple(stage.name for stage in listed))
    worker = PoolWorker(Work(pool, Strikes(), 10**9, read=Reader(partial(read_unit, uri), timings)))
    write = ResultWriter(uri, run_id, recipe)
    for unit in ledger.pending([], rows_per_block=2):
        write(pa.concat_tables(worker(_packed([unit]))))
    ledger.succeed(ledger.committed())
