"""Lance datasets, through Lance's own library (extra `lance`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline import storage
from pipeline.tables.lakes.lake_table import BATCH_ROWS, LakeTable, laid_out, unreadable

_BUFFERED_BYTES = 128 * 2**20
"""Read ahead of what has been decoded; Lance's own choice is gigabytes."""
_BATCH_BYTES = 32 * 2**20
_ERRORS = (OSError, RuntimeError, ValueError, pa.ArrowException)


def open_lance(root: str) -> tuple[LakeTable, int]:
    """The newest version of a dataset, and its number.

    Raises:
        ModuleNotFoundError: the library is not installed.
        ValueError: it cannot be read; one line.
    """
    import lance

    where = f"{root} as a Lance dataset"
    try:
        dataset = lance.dataset(root, storage_options=storage.client_settings(root) or None)
        schema = laid_out(dataset.schema)
    except _ERRORS as error:
        raise unreadable(where, error) from None

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        scanner = dataset.scanner(
            columns=list(columns),
            batch_size=BATCH_ROWS,
            batch_size_bytes=_BATCH_BYTES,
            batch_readahead=2,
            fragment_readahead=2,
            io_buffer_size=_BUFFERED_BYTES,
            scan_in_order=True,
            blob_handling="all_binary",
        )
        yield from scanner.to_batches()

    table = LakeTable(
        where=where, schema=schema, read=read, num_rows=dataset.count_rows, errors=_ERRORS
    )
    return table, int(dataset.version)
