"""Parquet files as one table. Nothing but footers is read until rows are asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.storage.parallel import in_threads
from pipeline.tables.formats import head
from pipeline.tables.table import UNTYPED, FileTable
from pipeline.tables.text_files.streams import BATCH_BYTES, BUFFER_BYTES, what_it_is
from pipeline.tables.values.cell_sizes import unfolded
from pipeline.tables.values.union import check_key, fitted, is_coded_text, is_text, union
from pipeline.text.printable import first_line

_FOOTERS_AT_ONCE = 32
_BATCH_ROWS = 4096
_HEAVY_BATCH_ROWS = 64
"""The rows of a batch where bytes are asked for, which are photographs."""
_LIGHT_ROW_BYTES = 8192
_FILES_AHEAD = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parquet:
    numbers: Mapping[str, int]
    """The index of each file's schema among the distinct ones, in the order of the files."""
    distinct: Sequence[pa.Schema]
    schema: pa.Schema
    conflicts: Mapping[str, str]
    untyped: frozenset[str]
    doubtful: frozenset[str]
    num_rows: int
    weights: Mapping[str, Mapping[str, float]]
    """The bytes that a row of each column takes, for files with large rows."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return (batch for _, batch in self.batches_by_file(columns))

    def columns_of(self, file: str) -> Collection[str]:
        return frozenset(self.distinct[self.numbers[file]].names)

    def batches_by_file(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        wanted = [self.schema.field(name) for name in columns]
        # Files of one schema are scanned together: Arrow reads ahead from one to the next.
        files_by_schema = groupby(
            self.numbers, lambda file: (self.numbers[file], self._weight(file, columns))
        )
        for (number, weight), files in files_by_schema:
            schema = self.distinct[number]
            if weight is None:
                yield from _scanned(list(files), schema, wanted)
                continue
            for file in files:
                yield from _read_slowly(file, schema, wanted, weight)

    def count(self) -> int:
        return self.num_rows

    def _weight(self, file: str, columns: Sequence[str]) -> float | None:
        """Bytes that a row of these columns takes; None: few, as far as the footer says."""
        weights, schema = self.weights.get(file, {}), self.distinct[self.numbers[file]]
        weight = sum(weights.get(name, 0.0) for name in columns)
        # What comes from a dictionary is larger than it is in the file.
        present = (name for name in columns if name in schema.names)
        is_heavy = weight > _LIGHT_ROW_BYTES or any(
            _is_of_bytes(schema.field(name).type) for name in present
        )
        return weight if is_heavy else None


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
    weights: dict[str, Mapping[str, float]] = {}
    for file, (schema, rows, heavy) in zip(files, footers, strict=True):
        if heavy:
            weights[file] = heavy
        if schema not in kinds:
            kinds[schema] = len(kinds)
            firsts.append(file)
        numbers.append(kinds[schema])
        num_rows += rows
    distinct = list(kinds)
    check_key(key, {file: own.names for file, own in zip(firsts, distinct, strict=True)})
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
        doubtful=united.doubtful,
        num_rows=num_rows,
        weights=weights,
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


def _footer(fragments: _Fragments, file: str) -> tuple[pa.Schema, int, dict[str, float]]:
    try:
        fragment = fragments.of(file)
        schema, metadata = fragment.physical_schema, fragment.metadata
        schema = _with_uuids(schema.remove_metadata(), metadata.schema)
        return schema, int(metadata.num_rows), _weights(metadata)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _no_parquet(file, error) from None
    except (pa.ArrowException, OSError) as error:
        raise _refusal(file, error) from None


def _with_uuids(schema: pa.Schema, stored: Any) -> pa.Schema:
    """The columns, of which Arrow tells those that hold UUIDs only where Arrow has written them."""
    if pa.binary(16) not in schema.types:
        return schema
    leaves = map(stored.column, range(len(stored)))
    uuids = {leaf.path for leaf in leaves if leaf.logical_type.type == "UUID"}
    return pa.schema(
        [
            field.with_type(pa.uuid())
            if field.name in uuids and field.type == pa.binary(16)
            else field
            for field in schema
        ]
    )


def _scanned(
    files: Sequence[str], schema: pa.Schema, wanted: Sequence[pa.Field]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of files of one schema, read ahead from one file to the next."""
    # To narrow the indices of a dictionary, Arrow looks at its text, which may be no UTF-8.
    coded = _coded(schema, [field.name for field in wanted])
    fragments = _fragments(files[0], list(coded))
    dataset = pads.FileSystemDataset(
        [fragments.of(file) for file in files],
        pa.schema(
            [
                field.with_type(coded[field.name]) if field.name in coded else field
                for field in schema
            ]
        ),
        fragments.file_format,
        fragments.filesystem,
    )
    present = [field.name for field in wanted if field.name in schema.names]
    paths = {storage.arrow_path(file): file for file in files}
    where = (
        ", ".join(files) if len(files) < 3 else f"{files[0]} and {len(files) - 1} files after it"
    )
    scanner = dataset.scanner(
        columns=present, batch_size=_BATCH_ROWS, fragment_readahead=_FILES_AHEAD
    )
    try:
        for scanned in scanner.scan_batches():
            if scanned.record_batch.num_rows:
                file = paths[scanned.fragment.path]
                yield file, fitted(_unfolded(scanned.record_batch, schema), wanted, file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _refusal(where, error) from None


def _read_slowly(
    file: str, schema: pa.Schema, wanted: Sequence[pa.Field], weight: float
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of a file that are photographs or as large: few at a time, and nothing ahead of them.

    A page of the file is in memory whole, twice where it is packed: how large those are, whoever
    wrote it has decided.
    """
    present = [field.name for field in wanted if field.name in schema.names]
    coded = list(_coded(schema, present))
    filesystem, path = storage.arrow_filesystem(file)
    num_rows = max(1, min(_HEAVY_BATCH_ROWS, int(BATCH_BYTES / max(1.0, weight))))
    try:
        with pq.ParquetFile(
            path,
            filesystem=filesystem,
            pre_buffer=False,
            buffer_size=BUFFER_BYTES,
            read_dictionary=coded,
            coerce_int96_timestamp_unit="us",
        ) as opened:
            for batch in opened.iter_batches(batch_size=num_rows, columns=present):
                if batch.num_rows:
                    yield file, fitted(_unfolded(batch, schema), wanted, file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _refusal(file, error) from None


def _coded(schema: pa.Schema, names: Sequence[str]) -> dict[str, pa.DataType]:
    """The columns of text, under the type in which a file has each text once.

    Files that were written from dictionaries have those anyway, and all others are unfolded by us.
    """
    types = {name: schema.field(name).type for name in names if name in schema.names}
    return {
        name: pa.dictionary(pa.int32(), type_.value_type if is_coded_text(type_) else type_)
        for name, type_ in types.items()
        if is_coded_text(type_) or is_text(type_)
    }


def _unfolded(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with no text that is larger than any is taken, under the types of the file."""
    if not batch.num_columns:  # it has rows all the same
        return batch
    arrays = [
        unfolded(array, schema.field(name).type)
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _weights(metadata: Any) -> dict[str, float]:
    """Bytes that a row of each column takes, at most over the groups; nothing where all are few."""
    weights: dict[str, float] = defaultdict(float)
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        if not group.num_rows or group.total_byte_size <= _LIGHT_ROW_BYTES * group.num_rows:
            continue
        own: dict[str, float] = defaultdict(float)
        for chunk in map(group.column, range(group.num_columns)):
            name = chunk.path_in_schema.partition(".")[0]
            own[name] += chunk.total_uncompressed_size / group.num_rows
        for name, weight in own.items():
            weights[name] = max(weights[name], weight)
    return dict(weights)


def _is_of_bytes(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return any(_is_of_bytes(field.type) for field in type_)
    return bool(
        pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_binary_view(type_)
    )


def _refusal(file: str, error: Exception) -> ValueError:
    return ValueError(f"{file}: not readable as parquet: {first_line(error)}")


def _no_parquet(file: str, error: Exception) -> ValueError:
    """The refusal of a file of which not even the footer can be read."""
    start = head(file, 64)
    if not start:
        return ValueError(f"{file}: not readable as parquet: it is empty: copy it here again")
    if start.startswith(b"PAR1"):
        return ValueError(
            f"{file}: not readable as parquet: it is cut off, or damaged: copy it here again "
            f"({first_line(error)})"
        )
    if start.startswith(b"PARE"):
        return ValueError(
            f"{file}: not readable as parquet: it is encrypted: write it in the clear"
        )
    fault = what_it_is(start) or "is no Parquet file: call it what it is, such as .csv or .jsonl"
    return ValueError(f"{file}: not readable as parquet: it {fault}")
