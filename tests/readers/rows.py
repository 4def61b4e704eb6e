"""Tables of every reader as plain rows, so that one expectation holds for all of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from PIL import Image

Row = dict[str, Any]

_TO_ROWS: Mapping[str, Callable[[Any], list[Row]]] = {
    "pandas": lambda frame: frame.to_dict("records"),
    "pyarrow": lambda table: table.to_pylist(),
    "polars": lambda frame: frame.to_dicts(),
    "duckdb": lambda relation: relation.to_arrow_table().to_pylist(),
    "_duckdb": lambda relation: relation.to_arrow_table().to_pylist(),
    "datasets": list,
    "ray": lambda dataset: dataset.take_all(),
    "lance": lambda dataset: dataset.to_table().to_pylist(),
    "deltalake": lambda table: table.to_pyarrow_table().to_pylist(),
    "pyspark": lambda frame: [row.asDict(recursive=True) for row in frame.collect()],
}


def rows_of(table: Any) -> list[Row]:
    """A reader's table as rows of Python values, None where there is none."""
    rows = _TO_ROWS[type(table).__module__.partition(".")[0]](table)
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def picture_of(row: Row) -> tuple[int, int] | None:
    """Width and height of the picture that a row holds, decoded; None where there is none."""
    image = row["image"]
    if isinstance(image, dict):
        data = image["bytes"]
        if data is None:
            return None
        image = Image.open(io.BytesIO(data))
    if image is None:
        return None
    image.load()
    size: tuple[int, int] = image.size
    return size


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(child) for name, child in value.items()}
    if hasattr(value, "tolist"):  # NumPy
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(child) for child in value]
    if type(value).__name__ in ("NAType", "NaTType") or value != value:
        return None
    if isinstance(value, bytes):  # ClickHouse has one type for text and bytes
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value
