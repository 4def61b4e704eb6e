"""Manifests as the tools people use make them, each with what should become of it."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from tests.manifests import lakes

IDS = ["00123", "9007199254740993", "NA", "1e5", "Ärmel-1"]
TITLES = ["Mug, 0.3 l", 'The "big" one', "Zwei\nZeilen", "x;y|z", "Küche"]
FRAME = pd.DataFrame(
    {
        "id": IDS,
        "image_uri": [f"{number}.jpg" for number in range(len(IDS))],
        "prompt": ["oak"] * len(IDS),
        "gtin": ["0012", "7", "008", "12", "0"],
        "title": TITLES,
    }
)
ROWS: list[dict[str, Any]] = FRAME.to_dict("records")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A manifest, and what should become of it."""

    tool: str
    package: str | None
    """Whose version is shown; None: written here as the tool writes it."""
    what: str
    write: Callable[[Path], None]
    name: str = ""
    """Of the file in the folder, or a pattern; nothing: the folder."""
    maps: Sequence[str] = ()
    delimiter: str | None = None
    encoding: str | None = None
    where: str | None = None
    ids: Sequence[str] = tuple(IDS)
    columns: tuple[str, ...] = ("gtin", "title")
    """Whose values must be what was written."""
    refused: str | None = None
    """What is said where it is not read."""

    @property
    def version(self) -> str | None:
        """Of the tool; None: it is not installed."""
        if self.package is None:
            return "layout"
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None


def _sql(statement: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with duckdb.connect() as connection:
            connection.register("rows", pa.Table.from_pandas(FRAME, preserve_index=False))
            connection.sql(statement.format(folder=folder))

    return write


def _polars(method: str, name: str, **options: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        frame = importlib.import_module("polars").DataFrame(ROWS)
        getattr(frame, method)(folder / name, **options)

    return write


def _spark_parquet(folder: Path) -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    dates = pa.array([datetime(9999, 12, 31)] * len(IDS), pa.timestamp("us"))
    table = table.append_column("until", dates)
    options = {"use_deprecated_int96_timestamps": True, "store_schema": False}
    for number in range(len(IDS)):
        name = f"part-{number:05}-9d1f-c000.snappy.parquet"
        pq.write_table(table.slice(number, 1), folder / name, **options)
        (folder / f".{name}.crc").write_bytes(b"crc\0")
    (folder / "_SUCCESS").touch()
    stale = folder / "_temporary" / "0" / "task_1"
    stale.mkdir(parents=True)
    pq.write_table(table, stale / "part-00000-c000.snappy.parquet", **options)


def _spark_json(folder: Path) -> None:
    (folder / "part-00000-c000.json").touch()  # a partition without rows
    for number, row in enumerate(ROWS, start=1):
        text = json.dumps(row, ensure_ascii=False) + "\n"
        (folder / f"part-{number:05}-c000.json").write_text(text)
    (folder / "_SUCCESS").touch()


def _spark_partitions(folder: Path) -> None:
    for number, row in enumerate(ROWS):
        place = folder / f"gtin={row['gtin']}"
        place.mkdir(exist_ok=True)
        table = pa.Table.from_pylist([{k: v for k, v in row.items() if k != "gtin"}])
        pq.write_table(table, place / f"part-{number:05}.c000.snappy.parquet")


def _text(name: str, delimiter: str, encoding: str, before: str = "", after: str = "") -> Any:
    def write(folder: Path) -> None:
        rows = FRAME.to_csv(index=False, sep=delimiter, lineterminator="\r\n")
        with (folder / name).open("w", newline="", encoding=encoding) as file:
            file.write(before + rows + after)

    return write


def _merchant(folder: Path) -> None:
    header = ["id", "title", "description", "link", "image link", "price", "gtin", "prompt"]
    lines = ["\t".join(header)]
    lines += [
        "\t".join([row["id"], "Mug", "A mug", "https://shop.test/m", row["image_uri"], "9.90 EUR",
                   row["gtin"], "oak"])
        for row in ROWS
    ]  # fmt: skip
    (folder / "feed.tsv").write_text("\n".join(lines) + "\n")


def _shopify(folder: Path) -> None:
    rows = []
    for row in ROWS:
        body = f'<p>{row["title"]}</p>\n<ul>\n<li>350 ml, "ceramic"</li>\n</ul>'
        common = {"Handle": row["id"], "Variant Barcode": row["gtin"]}
        rows.append({**common, "Title": row["title"], "Body (HTML)": body,
                     "Image Src": row["image_uri"], "Image Position": "1"})  # fmt: skip
        rows.append({**common, "Image Src": "side.jpg", "Image Position": "2"})
    pd.DataFrame(rows).to_csv(folder / "products_export.csv", index=False)


_SHOPIFY_MAPS = ("id=Handle", "image_uri=Image Src", "title=Title", "gtin=Variant Barcode")
_MERCHANT_MAPS = ("image_uri=image link",)


def _datasets(method: str, name: str, **options: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        getattr(Dataset.from_list(ROWS), method)(str(folder / name), **options)

    return write


def _lake(
    write: Callable[..., None], name: str = "products", **options: Any
) -> Callable[[Path], None]:
    rows = pa.Table.from_pandas(FRAME, preserve_index=False)
    rows = rows.cast(pa.schema([(column, pa.string()) for column in rows.column_names]))
    return lambda folder: write(folder / name, rows, **options)


def _pandas(method: str, name: str, **options: Any) -> Callable[[Path], None]:
    return lambda folder: getattr(FRAME, method)(folder / name, **options)


MADE = [
    *(
        Made(tool="pandas", package="pandas", what=what, write=write, name=name)
        for what, name, write in (
            ("to_parquet", "m.parquet", _pandas("to_parquet", "m.parquet")),
            ("to_parquet, df.parquet.gzip", "df.parquet.gzip",
             _pandas("to_parquet", "df.parquet.gzip", compression="gzip")),
            ("to_parquet by partition", "p", _pandas("to_parquet", "p", partition_cols=["gtin"])),
            ("to_csv with its index", "m.csv", _pandas("to_csv", "m.csv")),
            ("to_csv, tabs, UTF-16", "m.tsv",
             _pandas("to_csv", "m.tsv", sep="\t", encoding="utf-16", index=False)),
            ("to_csv, packed", "m.csv.gz", _pandas("to_csv", "m.csv.gz", index=False)),
            ("to_json by lines", "m.jsonl",
             _pandas("to_json", "m.jsonl", orient="records", lines=True)),
            ("to_json as a list", "m.json", _pandas("to_json", "m.json", orient="records")),
        )
    ),
    Made(tool="pandas", package="pandas", what="to_json by columns", name="m.json",
         write=_pandas("to_json", "m.json"), refused="is an object of objects and no row"),
    *(
        Made(tool="DuckDB", package="duckdb", what=what, write=_sql(sql), name=name)
        for what, name, sql in (
            ("COPY to Parquet", "m.parquet", "COPY rows TO '{folder}/m.parquet'"),
            ("COPY to CSV, semicolons", "m.csv", "COPY rows TO '{folder}/m.csv' (DELIM ';')"),
            ("COPY to JSON", "m.json", "COPY rows TO '{folder}/m.json'"),
            ("COPY to JSON, ARRAY", "m.json", "COPY rows TO '{folder}/m.json' (ARRAY)"),
            ("COPY, PARTITION_BY", "p", "COPY rows TO '{folder}/p' "
             "(FORMAT parquet, PARTITION_BY (gtin))"),
        )
    ),
    *(
        Made(tool="datasets", package="datasets", what=what, write=write, name=name)
        for what, name, write in (
            ("to_parquet", "m.parquet", _datasets("to_parquet", "m.parquet")),
            ("to_csv", "m.csv", _datasets("to_csv", "m.csv")),
            ("to_json", "m.jsonl", _datasets("to_json", "m.jsonl")),
        )
    ),
    Made(tool="datasets", package="datasets", what="save_to_disk", name="d",
         write=_datasets("save_to_disk", "d"), refused="load_from_disk(...).to_parquet"),
    *(
        Made(tool="Polars", package="polars", what=method, name=name,
             write=_polars(method, name))
        for method, name in (
            ("write_parquet", "m.parquet"), ("write_csv", "m.csv"), ("write_ndjson", "m.ndjson"),
            ("write_json", "m.json"),
        )
    ),
    Made(tool="Delta", package="deltalake", what="after a delete, an append", name="products",
         write=_lake(lakes.delta)),
    Made(tool="Delta", package="deltalake", what="with a checkpoint", name="products",
         write=_lake(lakes.delta, checkpoint=True)),
    Made(tool="Iceberg", package="pyiceberg", what="after a delete, an append",
         name=lakes.ICEBERG, write=_lake(lakes.iceberg, name="")),
    Made(tool="Lance", package="pylance", what="after a delete, an append", name="products.lance",
         write=_lake(lakes.lance, "products.lance")),
    Made(tool="Spark", package=None, what="Parquet with INT96, a killed writer's _temporary",
         write=_spark_parquet),
    Made(tool="Spark", package=None, what="JSON, a partition of no rows", write=_spark_json),
    Made(tool="Spark", package=None, what="partitionBy", write=_spark_partitions),
    Made(tool="Excel", package=None, what="CSV UTF-8, semicolons, empty rows and columns",
         name="m.csv", write=_text("m.csv", ";", "utf-8-sig", after=";;;;\r\n;;;;\r\n")),
    Made(tool="Excel", package=None, what="sep=; as its first line", name="m.csv",
         write=_text("m.csv", ";", "utf-8", before="sep=;\r\n")),
    Made(tool="Excel", package=None, what="Unicode text", name="m.txt",
         write=_text("m.txt", "\t", "utf-16")),
    Made(tool="Excel", package=None, what="CSV in cp1252, --csv-encoding", name="m.csv",
         encoding="cp1252", write=_text("m.csv", ";", "cp1252")),
    Made(tool="Excel", package=None, what="a workbook", name="m.xlsx",
         write=lambda folder: (folder / "m.xlsx").write_bytes(b"PK\3\4") and None,
         refused="save it as CSV in UTF-8"),
    Made(tool="Google Merchant", package=None, what="feed.tsv, --map", name="feed.tsv",
         write=_merchant, maps=_MERCHANT_MAPS, columns=("gtin",)),
    Made(tool="Google Merchant", package=None, what="feed.tsv without --map", name="feed.tsv",
         write=_merchant, refused="--map image_uri='image link', did you mean 'image link'"),
    Made(tool="Shopify", package=None, what="products_export.csv, a row for each picture",
         name="products_export.csv", write=_shopify, maps=_SHOPIFY_MAPS,
         refused="select one row of each with --where"),
    Made(tool="Shopify", package=None, what="products_export.csv, --map and --where",
         name="products_export.csv", write=_shopify, maps=_SHOPIFY_MAPS,
         where='"Image Position" = 1'),
    Made(tool="JavaScript", package=None, what="JSON.stringify(rows, null, 2)", name="m.json",
         write=lambda folder: (folder / "m.json").write_text(json.dumps(ROWS, indent=2)) and None),
]  # fmt: skip
