"""Which columns of a manifest hold pictures or their addresses, and what a value of one means.

The photograph is in `image`, or at the address in `image_uri`. A mask is at the address in
`mask_uri`, and pictures to draw like are at those in `reference_uri`, where a row may have several.
A value of `image` is the file's bytes or a Hugging Face `Image`: a struct of `bytes` and `path`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from pipeline.tables import is_text

PHOTOGRAPH_COLUMNS = ("image_uri", "image")
"""The columns of which a row's photograph is in one."""
SINGLE_ADDRESS_COLUMNS = ("image_uri", "mask_uri")
"""The columns of text whose values are an address, or nothing."""
ADDRESS_COLUMNS = (*SINGLE_ADDRESS_COLUMNS, "reference_uri")
"""The columns that hold addresses and nothing else."""
NESTED_ADDRESS_COLUMNS = ("image", "reference_uri")
"""The columns whose values may have an address within them."""
PICTURE_COLUMNS = ("image_uri", "image", "mask_uri", "reference_uri")
"""The columns that hold pictures or their addresses."""


def holds_text(type_: pa.DataType) -> bool:
    """Whether values are text, in a dictionary or not, or there are none."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return is_text(type_) or bool(pa.types.is_null(type_))


def holds_photographs(type_: pa.DataType) -> bool:
    """Whether values are files' bytes or Hugging Face `Image`s, or there are none."""
    if pa.types.is_struct(type_):  # an `Image`: bytes, a path, or both
        held, named = (type_.get_field_index(name) for name in ("bytes", "path"))
        is_named = named >= 0 and holds_text(type_.field(named).type)
        if held < 0 or pa.types.is_null(type_.field(held).type):
            return is_named
        return holds_photographs(type_.field(held).type)
    return bool(
        pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_null(type_)
    )


def photograph_bytes(value: bytes | Mapping[str, Any] | None) -> bytes | None:
    """The file in a value of `image`; None where that holds none."""
    return value.get("bytes") if isinstance(value, Mapping) else value


def photograph_path(value: bytes | Mapping[str, Any] | None) -> str | None:
    """The path in a value of `image`; None where that is no Hugging Face `Image` or names none."""
    path = value.get("path") if isinstance(value, Mapping) else None
    return path if isinstance(path, str) else None


def address_cells(row: Mapping[str, Any]) -> Iterator[str]:
    """The texts in a row that stand where an address belongs, as they are written."""
    references = row.get("reference_uri") or []
    cells = [row.get("image_uri"), photograph_path(row.get("image")), row.get("mask_uri")]
    cells += [references] if isinstance(references, str) else references
    return (cell for cell in cells if isinstance(cell, str))


def change_nested_addresses(
    column: pa.ChunkedArray, change: Callable[[str], str | None]
) -> pa.ChunkedArray:
    """A column of `NESTED_ADDRESS_COLUMNS` under the same type, with `change` applied to addresses.

    Text and lists of text are addresses, and so is the `path` of an `Image`. Bytes stay
    as they are.
    """
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column
    values = [_changed(value, change) for value in column.to_pylist()]
    return pa.chunked_array([pa.array(values, column.type)])


def _changed(value: Any, change: Callable[[str], str | None]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, Mapping) and photograph_path(value) is not None:
        return {**value, "path": change(value["path"])}
    return value
