"""What a table is to those who read it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

UNTYPED = {b"untyped": b"1"}
"""Metadata of a Parquet column that was written from text without a declared type."""


class Table(Protocol):
    """Rows of many files in their order, under the columns of all of them."""

    @property
    def schema(self) -> pa.Schema:
        """The columns. One that a file does not have is null in its rows."""

    @property
    def conflicts(self) -> Mapping[str, str]:
        """Columns that are there and cannot be read, each with why, in a sentence."""

    @property
    def untyped(self) -> frozenset[str]:
        """Columns of text whose values may mean numbers: nobody has said what they are."""

    @property
    def doubtful(self) -> frozenset[str]:
        """Columns of which a value may not fit their type: that is found out by reading them."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, as they are; text may hold bytes that are no UTF-8.

        Raises:
            ValueError: one line that names the file, the line and the fix.
        """

    def count(self) -> int:
        """The number of rows. Raises as `batches`."""


class FileTable(Table, Protocol):
    """A table of which it is known what each file holds."""

    def batches_by_file(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield what `batches` does, each with its file. At least one column is asked for."""

    def columns_of(self, file: str) -> Collection[str]:
        """The columns that a file itself has."""
