"""Parquet files as one table. Nothing but footers is read until rows are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from pipeline import storage
from pipeline.tables.table import UNTYPED, FileTable
from pipeline.tables.union import check_key, fitted, is_coded_text, union
from pipeline.threads import in_threads
from pipeline.wording import first_line

_FOOTERS_AT_ONCE = 32
_BATCH_ROWS = 4096
_HEAVY_BATCH_ROWS = 64
"""Where bytes are asked for, which are photographs."""
_FILES_AHEAD, _HEAVY_FILES_AHEAD = 16, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parquet:
    numbers: Mapping[str, int]
    """Of each file, in their order: which of the distinct schemas it has."""
    distinct: Sequence[pa.Schema]
    schema: pa.Schema
    conflicts: Mapping[str, str]
    untyped: frozenset[str]
    num_rows: int

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return (batch for _, batch in self.batches_by_file(columns))

    def columns_of(self, file: str) -> Collection[str]:
        return frozenset(self.distinct[self.numbers[file]].names)

    def batches_by_file(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        wanted = [self.schema.field(name) for name in columns]
        # Files of one schema are scanned together: Arrow reads ahead from one to the next.
        for kind, run in groupby(self.numbers.items(), lambda pair: pair[1]):
            files = [file for file, _ in run]
            yield from _scanned(files, self.distinct[kind], wanted)

    def count(self) -> int:
        return self.num_rows


def open_parquet(files: Sequence[str], *, key: str | None = None) -> FileTable:
    """Read the footers of all files.

    Args:
        files: in their order.
        key: a column that every file must have if one has it.

    Raises:
        ValueError: which names the file.
    """
    kinds: dict[pa.Schema, int] = {}
    firsts: list[str] = []
    numbers, num_rows = [], 0
    footer = partial(_footer, _fragments(files[0]))
    footers = in_threads(footer, files, at_once=_FOOTERS_AT_ONCE)
    for file, (schema, rows) in zip(files, footers, strict=True):
        if schema not in kinds:
            kinds[schema] = len(kinds)
            firsts.append(file)
        numbers.append(kinds[schema])
        num_rows += rows
    distinct = list(kinds)
    check_key(key, {file: one.names for file, one in zip(firsts, distinct, strict=True)})
    united = union(zip(firsts, distinct, strict=True))
    untyped = frozenset(
        field.name
        for schema in distinct
        for field in schema
        if (field.metadata or {}).items() >= UNTYPED.items()
    )
    return _Parquet(
        numbers=dict(zip(files, numbers, strict=True)),
        distinct=distinct,
        schema=united.schema,
        conflicts=united.conflicts,
        untyped=untyped,
        num_rows=num_rows,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fragments:
    """How files of one storage are opened, for Arrow to read them as parts of one dataset."""

    filesystem: Any
    file_format: pads.ParquetFileFormat

    def of(self, file: str) -> Any:
        return self.file_format.make_fragment(storage.arrow_path(file), self.filesystem)


def _fragments(file: str, coded: Sequence[str] = ()) -> _Fragments:
    filesystem, _ = storage.arrow_filesystem(file)
    file_format = pads.ParquetFileFormat(
        # Spark's old timestamps (INT96) reach further than nanoseconds do, and would wrap around.
        coerce_int96_timestamp_unit="us",
        dictionary_columns=coded,
    )
    return _Fragments(filesystem=filesystem, file_format=file_format)


def _footer(fragments: _Fragments, file: str) -> tuple[pa.Schema, int]:
    try:
        fragment = fragments.of(file)
        schema, num_rows = fragment.physical_schema, fragment.metadata.num_rows
        return schema.remove_metadata(), int(num_rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _refusal(file, error) from None


def _scanned(
    files: Sequence[str], schema: pa.Schema, wanted: Sequence[pa.Field]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    # To narrow the indices of a dictionary, Arrow looks at its text, which may be no UTF-8.
    coded = [field.name for field in schema if is_coded_text(field.type)]
    fragments = _fragments(files[0], coded)
    dataset = pads.FileSystemDataset(
        [fragments.of(file) for file in files],
        pa.schema(
            [
                field.with_type(pa.dictionary(pa.int32(), field.type.value_type))
                if field.name in coded
                else field
                for field in schema
            ]
        ),
        fragments.file_format,
        fragments.filesystem,
    )
    present = [field.name for field in wanted if field.name in schema.names]
    heavy = any(_is_heavy(schema.field(name).type) for name in present)
    paths = {storage.arrow_path(file): file for file in files}
    where = (
        ", ".join(files) if len(files) < 3 else f"{files[0]} and {len(files) - 1} files after it"
    )
    scanner = dataset.scanner(
        columns=present,
        batch_size=_HEAVY_BATCH_ROWS if heavy else _BATCH_ROWS,
        fragment_readahead=_HEAVY_FILES_AHEAD if heavy else _FILES_AHEAD,
    )
    try:
        for found in scanner.scan_batches():
            if found.record_batch.num_rows:
                file = paths[found.fragment.path]
                yield file, fitted(found.record_batch, wanted, file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _refusal(where, error) from None


def _is_heavy(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return any(_is_heavy(field.type) for field in type_)
    return bool(
        pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_binary_view(type_)
    )


def _refusal(file: str, error: Exception) -> ValueError:
    return ValueError(f"{file}: not readable as parquet: {first_line(error)}")
