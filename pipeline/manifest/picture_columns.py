"""Which columns of a manifest hold pictures or their addresses, and what a value of one means.

The photograph is in `image`, or at the address in `image_uri`. A mask is at the address in
`mask_uri`, and pictures to draw like are at those in `reference_uri`, where a row may have several.
A value of `image` is the file's bytes or a Hugging Face `Image`: a struct of `bytes` and `path`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PICTURE_COLUMNS = ("image_uri", "image", "mask_uri", "reference_uri")
"""The columns that hold pictures or their addresses."""


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
