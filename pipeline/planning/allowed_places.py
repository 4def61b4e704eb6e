"""Rows that name objects outside what the recipe allows, counted before anything is planned."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.manifest.picture_columns import SINGLE_ADDRESS_COLUMNS
from pipeline.manifest.rows import Manifest
from pipeline.storage import Bounds

logger = logging.getLogger(__name__)


def check_places(manifest: Manifest, bounds: Bounds) -> None:
    """Say how many of the selected rows name objects that the manifest may not name.

    Each of them costs its row, whatever is said here; where there are no others, the request is
    wrong, and not the rows.

    Raises:
        ValueError: all rows do; one line with the entry that would allow the first of them.
    """
    columns = [name for name in SINGLE_ADDRESS_COLUMNS if name in manifest.schema.names]
    num_rows, num_outside, first = 0, 0, None
    for batch, _ in manifest.batches(["id", *columns]):
        outside = set[int]()
        for name in columns:
            for row, refusal in _refused(batch.column(name), manifest.root, bounds):
                outside.add(row)
                first = first or f"{batch.column('id')[row].as_py()}: {name} {refusal}"
        num_rows += batch.num_rows
        num_outside += len(outside)
    if not num_outside:
        return
    said = (
        f"{num_outside:,} of {num_rows:,} rows name photographs or masks outside the manifest's "
        f"folder and fetch.allowed_prefixes, the first: {first}"
    )
    if num_outside == num_rows:
        raise ValueError(said)
    logger.warning("%s", said)


def _refused(cells: pa.Array, root: str, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """The rows whose cells name an object that may not be named, and why not."""
    text = cells.cast(pa.large_string())
    doubtful = pc.match_substring(text, "s3", ignore_case=True)
    for beginning in bounds.beginnings:  # what most cells have, without a step that leads elsewhere
        inside = pc.and_(
            pc.starts_with(text, beginning),
            pc.invert(pc.match_substring_regex(text, r"[/\\]\.|\\")),
        )
        doubtful = pc.and_(doubtful, pc.invert(inside))
    rows = pc.indices_nonzero(pc.fill_null(doubtful, fill_value=False))
    for row, cell in zip(rows.to_pylist(), text.take(rows).to_pylist(), strict=True):
        try:
            uri = storage.resolve(cell, against=root)
        except ValueError:
            continue  # no address: the plan says so, and nothing is read
        is_object = storage.scheme_of(uri) == "s3" and storage.address_fault(uri) is None
        refusal = bounds.refusal(uri) if is_object else None
        if refusal is not None:
            yield row, refusal
