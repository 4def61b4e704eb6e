"""Delta, Iceberg and Lance tables out of which rows were deleted, and into which others came."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pyarrow as pa

ICEBERG = "warehouse/shop/products"
"""Where `iceberg` puts its table in the folder that it is given."""


def delta(folder: Path, rows: pa.Table, *, checkpoint: bool = False) -> None:
    """Five rows of which two are old, replaced by those that are meant, in two more versions."""
    deltalake = importlib.import_module("deltalake")
    uri = str(folder)
    deltalake.write_deltalake(uri, _old(rows))
    deltalake.DeltaTable(uri).delete("prompt = 'old'")
    deltalake.write_deltalake(uri, rows.slice(0, 2), mode="append")
    if checkpoint:
        deltalake.DeltaTable(uri).create_checkpoint()


def iceberg(folder: Path, rows: pa.Table) -> None:
    """The same, through a catalog that is gone afterwards."""
    memory: Any = importlib.import_module("pyiceberg.catalog.memory")
    catalog = memory.InMemoryCatalog("made", warehouse=f"file://{folder}/warehouse")
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.products", schema=rows.schema)
    table.append(_old(rows))
    table.delete("prompt == 'old'")
    table.append(rows.slice(0, 2))
    catalog.close()


def lance(folder: Path, rows: pa.Table) -> None:
    """The same."""
    module = importlib.import_module("lance")
    made = module.write_dataset(_old(rows), str(folder), max_rows_per_file=2)
    made.delete("prompt = 'old'")
    module.write_dataset(rows.slice(0, 2), str(folder), mode="append")


def _old(rows: pa.Table) -> pa.Table:
    """The first two rows have words that nobody means any more."""
    words = ["old", "old", *rows["prompt"].to_pylist()[2:]]
    place = rows.column_names.index("prompt")
    return rows.set_column(place, "prompt", pa.array(words))
