"""Parquet files that we have written, opened wherever they are stored."""

from __future__ import annotations

import io

import pyarrow.parquet as pq

from pipeline import storage


def open_parquet(uri: str, *, whole: bool = False) -> pq.ParquetFile:
    """A Parquet file on storage, to be closed by whoever asked for it.

    Args:
        uri: the file.
        whole: read all of it at once, so that what comes is from one answer of the storage.

    Raises:
        FileNotFoundError: it is not there.
        pyarrow.ArrowInvalid: it was cut off, or is something else.
    """
    if whole:
        return pq.ParquetFile(io.BytesIO(storage.read(uri)))
    filesystem, path = storage.arrow_filesystem(uri)
    return pq.ParquetFile(path, filesystem=filesystem)
