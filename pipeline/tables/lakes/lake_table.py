"""The live rows of one version of a table that some format keeps, as a `Table`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.tables.values.union import fitted, plain
from pipeline.text.printable import first_line

BATCH_ROWS = 4096
_BATCH_BYTES = 32 * 2**20

Batches = Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, kw_only=True, slots=True)
class LakeTable:
    """Rows of a pinned version: the same in the same order, however often they are asked for."""

    where: str
    """The table in words for messages: `s3://bucket/products as a Delta table`."""
    schema: pa.Schema
    read: Batches
    """The live rows of some columns, under whatever types the format's library has them."""
    num_rows: Callable[[], int]
    errors: tuple[type[Exception], ...]
    """The errors that the library raises."""
    conflicts: Mapping[str, str] = field(default_factory=dict)
    untyped: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, a few rows at a time."""
        wanted = [self.schema.field(name) for name in columns]
        try:
            for batch in self.read(columns):
                for part in _parts(batch):
                    yield fitted(part, wanted, self.where)
        except self.errors as error:
            raise self.refusal(error) from None

    def count(self) -> int:
        """The number of live rows."""
        try:
            return self.num_rows()
        except self.errors as error:
            raise self.refusal(error) from None

    def refusal(self, error: Exception) -> ValueError:
        """The refusal that stands for an error of the library."""
        return unreadable(self.where, error)


def unreadable(where: str, error: Exception) -> ValueError:
    """The refusal of a table that its library cannot read."""
    if isinstance(error, ValueError) and str(error).startswith(where):
        return error  # in our own words already
    return ValueError(
        f"{where} cannot be read: {first_line(error)}; if it is sound, export its rows to Parquet"
    )


def laid_out(schema: pa.Schema) -> pa.Schema:
    """The columns under types that Arrow can take rows out of, without what formats note there."""
    return pa.schema([pa.field(column.name, plain(column.type)) for column in schema])


def is_bytes(type_: pa.DataType) -> bool:
    """Whether values are bytes of any length, or hold some."""
    if pa.types.is_struct(type_):
        return any(is_bytes(part.type) for part in type_)
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if not batch.num_rows:
        return
    fitting = int(_BATCH_BYTES * batch.num_rows / max(1, batch.nbytes))
    max_rows = max(1, min(BATCH_ROWS, fitting))
    for first in range(0, batch.num_rows, max_rows):
        yield batch.slice(first, max_rows)
