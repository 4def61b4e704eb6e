"""Rows as Parquet: how each kind of file that we write is encoded, and files of bounded size.

The only module that calls a Parquet writer. A file is encoded in memory and handed to the storage,
which has it whole or not at all; so files and their row groups end at sizes that fit.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How a kind of file is encoded. Readers rely on it: a change of any field changes bytes."""

    compression: str = "zstd"
    compression_level: int | None = None
    """None: what the codec takes for itself."""
    use_dictionary: bool = True
    rows_per_group: int | None = None
    """None: one group, unless there are more than a million rows."""

    @property
    def options(self) -> dict[str, Any]:
        """The options in the terms of pyarrow's writers."""
        return {
            "compression": self.compression,
            "compression_level": self.compression_level,
            "use_dictionary": self.use_dictionary,
        }


PICTURES = Encoding(compression_level=1, use_dictionary=False)
"""Most bytes are pictures, compressed already. Dictionaries of pictures help nobody."""
PLANNED_ROWS = Encoding(rows_per_group=256)
"""Small row groups: a unit of work reads little more than its own rows."""
WORDS = Encoding()
"""Text alone."""
PLAIN = Encoding(compression="snappy")
"""What every reader expects, and other people's programs write."""

_GROUP_BYTES = 32 * 2**20
_FILE_BYTES = 256 * 2**20
"""A file is in memory until it is written, which happens at once or not at all."""


def encoded(table: pa.Table, encoding: Encoding) -> bytes:
    """A table as one Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=encoding.rows_per_group, **encoding.options)
    return sink.getvalue()


def can_be_written(column: pa.Field) -> bool:
    """Whether a Parquet file can hold a column."""
    try:
        encoded(pa.schema([column]).empty_table(), PLAIN)
    except (pa.ArrowException, OSError):
        return False
    return True


@dataclass(kw_only=True, slots=True)
class PartFiles:
    """Small tables with pictures, gathered into row groups, and those into files of a folder."""

    folder: str
    schema: pa.Schema
    ending: str = ".parquet"
    names: list[str] = field(default_factory=list)
    """The names of the files that are on storage."""
    _waiting: list[pa.Table] = field(default_factory=list)
    _waiting_bytes: int = 0
    _open: _OpenFile | None = None

    def write(self, table: pa.Table) -> None:
        """Take rows over; they are on storage after `close` at the latest."""
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes >= _GROUP_BYTES:
            self._end_group()

    def close(self) -> None:
        """Put what is left on storage."""
        if self._waiting:
            self._end_group()
        if self._open is not None:
            self._end_file(self._open)

    def _end_group(self) -> None:
        file = self._open = self._open or _OpenFile.start(self.schema)
        file.writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._waiting_bytes = [], 0
        if file.sink.tell() >= _FILE_BYTES:
            self._end_file(file)

    def _end_file(self, file: _OpenFile) -> None:
        file.writer.close()
        name = f"part-{len(self.names):05d}{self.ending}"
        storage.write(storage.join(self.folder, name), file.sink.getvalue())
        self.names.append(name)
        self._open = None


class _OpenFile(NamedTuple):
    sink: io.BytesIO
    writer: pq.ParquetWriter

    @classmethod
    def start(cls, columns: pa.Schema) -> _OpenFile:
        sink = io.BytesIO()
        return cls(sink, pq.ParquetWriter(sink, columns, **PICTURES.options))


def common_schema(schemas: Sequence[pa.Schema], what: str) -> pa.Schema:
    """One schema with every column of several, by name.

    Args:
        schemas: of tables that are to be written together.
        what: they are, for the message.

    Raises:
        ValueError: they disagree on the type of a column.
    """
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{what} do not fit together: {reason}") from None


def conformed(table: pa.Table, columns: pa.Schema) -> pa.Table:
    """A table under a schema that `common_schema` made: what it lacks is null.

    Raises:
        ValueError: a column has a value that the common type cannot hold.
    """
    return pa.table([_conformed(table, wanted) for wanted in columns], schema=columns)


def _conformed(table: pa.Table, wanted: pa.Field) -> pa.ChunkedArray | pa.Array:
    if wanted.name not in table.column_names:
        return pa.nulls(table.num_rows, wanted.type)
    column = table[wanted.name]
    try:
        return column.cast(wanted.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"column {wanted.name!r} is {column.type} in one run and fits {wanted.type} of all "
            f"runs together not in every value: {reason}"
        ) from None
