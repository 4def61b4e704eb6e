"""Delta tables: the `deltalake` library (extra `delta`) says what is live, Arrow reads the files.

The library's own reader gives rows in no order, and its Arrow dataset refuses tables with deletion
vectors or mapped columns. So it is asked for the version, the schema, the files and the deletion
vectors, and their rows are read here, file after file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from pipeline import storage
from pipeline.tables.lakes.lake_table import BATCH_ROWS, LakeTable, is_bytes, laid_out, unreadable

_HEAVY_BATCH_ROWS = 16
"""The rows of a batch where bytes are asked for, which are photographs."""
_BUFFER_BYTES = 4 * 2**20
_KNOWN_FEATURES = frozenset(
    [
        "columnMapping",
        "deletionVectors",
        "domainMetadata",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
    ]
)
"""Features that readers of a Delta table have to know: those that decide which rows there are, and
are heeded here or by the library."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    path: str
    """The path of the file in the table's filesystem."""
    partition: Mapping[str, pa.Scalar]
    """Values of the columns that are not in the file, by their names in the table."""
    num_rows: int | None
    """The number of rows as written, deleted ones included; None: the log does not say."""
    live: np.ndarray | None
    """The live rows as packed bits; rows after these bits are live. None: all are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Delta:
    uri: str
    files: Sequence[_File]
    schema: pa.Schema
    names: Mapping[str, str]
    """The name of each column in the files, by its name in the table."""

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        inside = {self.names[name]: name for name in columns if not self._is_partition(name)}
        if not inside:  # of no column a file would have no rows
            name = self._column_of_files()
            inside = {self.names[name]: name}
        schema = pa.schema(
            [self.schema.field(name).with_name(physical) for physical, name in inside.items()]
        )
        filesystem, _ = storage.arrow_filesystem(self.uri)
        # Spark's old timestamps (INT96) reach further than nanoseconds do, and would wrap around.
        reading = pads.ParquetFileFormat(coerce_int96_timestamp_unit="us")
        fragments = [reading.make_fragment(file.path, filesystem) for file in self.files]
        known = {file.path: file for file in self.files}
        dataset = pads.FileSystemDataset(fragments, schema, reading, filesystem)
        heavy = any(is_bytes(field.type) for field in schema)
        scanner = dataset.scanner(
            columns=list(inside),
            batch_size=_HEAVY_BATCH_ROWS if heavy else BATCH_ROWS,
            batch_readahead=1 if heavy else 4,
            fragment_readahead=1 if heavy else 4,
            fragment_scan_options=pads.ParquetFragmentScanOptions(
                # Else a group's bytes are all there before the first row is.
                use_buffered_stream=heavy,
                buffer_size=_BUFFER_BYTES,
                pre_buffer=not heavy,
            ),
        )
        path, first = None, 0
        for tagged in scanner.scan_batches():
            file, batch = known[tagged.fragment.path], tagged.record_batch
            if file.path != path:
                path, first = file.path, 0
            rows = _live(file, first, batch.num_rows)
            first += batch.num_rows
            kept = batch if rows is None else batch.filter(rows)
            arrays = {
                **dict(zip(inside.values(), kept.columns, strict=True)),
                **{
                    name: pa.repeat(file.partition[name], len(kept))
                    for name in columns
                    if self._is_partition(name)
                },
            }
            if len(kept):
                yield pa.RecordBatch.from_arrays([arrays[name] for name in columns], list(columns))

    def num_rows(self) -> int:
        if any(file.num_rows is None for file in self.files):
            return sum(batch.num_rows for batch in self.read([self._column_of_files()]))
        return sum((file.num_rows or 0) - _num_dead(file) for file in self.files)

    def _column_of_files(self) -> str:
        return str(next(name for name in self.schema.names if not self._is_partition(name)))

    def _is_partition(self, name: str) -> bool:
        return bool(self.files) and name in self.files[0].partition


def open_delta(root: str) -> tuple[LakeTable, int]:
    """The newest version of a table, and its number.

    Raises:
        ModuleNotFoundError: the library is not installed.
        ValueError: it cannot be read, or not rightly; one line.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    where = f"{root} as a Delta table"
    errors = (DeltaError, OSError, ValueError, pa.ArrowException)
    try:
        table = DeltaTable(root, storage_options=storage.client_settings(root) or None)
        unknown = {*(table.protocol().reader_features or ())} - _KNOWN_FEATURES
        if unknown:
            raise ValueError(
                f"{where} needs {', '.join(sorted(unknown))}, which is not supported here: export "
                "its rows to Parquet"
            )
        names, conflicts = _mapping(where, json.loads(table.schema().to_json()))
        if table.metadata().configuration.get("delta.columnMapping.mode") == "id":
            raise ValueError(
                f"{where} maps its columns by number, which is not supported here: export its "
                "rows to Parquet"
            )
        columns = laid_out(pa.schema(table.schema().to_arrow()))
        delta = _Delta(
            uri=root,
            files=_files(root, table, columns),
            schema=columns,
            names=names,
        )
    except errors as error:
        raise unreadable(where, error) from None
    lake = LakeTable(
        where=where,
        schema=pa.schema([column for column in columns if column.name not in conflicts]),
        conflicts=conflicts,
        read=delta.read,
        num_rows=delta.num_rows,
        errors=errors,
    )
    return lake, int(table.version())


def _files(root: str, table: Any, columns: pa.Schema) -> list[_File]:
    """The live files, in the order of their names."""
    dead = {}
    for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()):
        for path, live in zip(
            batch["filepath"].to_pylist(), batch["selection_vector"], strict=True
        ):
            bits = np.packbits(live.values.to_numpy(zero_copy_only=False))
            dead[_path_of(root, path)] = (bits, len(live.values))
    actions = pa.table(table.get_add_actions())
    partitions = [name for name in columns.names if name in table.metadata().partition_columns]
    values = {
        name: _partition_values(actions, name, columns.field(name).type) for name in partitions
    }
    files = []
    for index, (path, num_rows) in enumerate(
        zip(actions["path"].to_pylist(), actions["num_records"].to_pylist(), strict=True)
    ):
        place = _path_of(root, unquote(path))
        live = dead.get(place)
        files.append(
            _File(
                path=place,
                partition={name: values[name][index] for name in partitions},
                num_rows=num_rows,
                live=None if live is None else np.unpackbits(live[0], count=live[1]).astype(bool),
            )
        )
    return sorted(files, key=lambda file: file.path)


def _partition_values(actions: pa.Table, name: str, type_: pa.DataType) -> list[pa.Scalar]:
    struct_values = pc.struct_field(actions["partition"], name)
    return list(struct_values.cast(type_))


def _path_of(root: str, path: str) -> str:
    """The path of a file of the log in the filesystem that reads it."""
    if path.startswith("file://"):
        return storage.arrow_path(path)
    if "://" in path:
        scheme, _, rest = path.partition("://")
        if scheme not in ("s3", "s3a", "s3n"):
            raise ValueError(f"{path[:200]} is neither a local path nor on S3")
        return storage.arrow_path(f"s3://{rest}")
    return path if path.startswith("/") else storage.arrow_path(f"{root.rstrip('/')}/{path}")


def _live(file: _File, first: int, count: int) -> pa.Array | None:
    if file.live is None:
        return None
    rows = np.ones(count, bool)
    known = file.live[first : first + count]
    rows[: len(known)] = known
    return pa.array(rows)


def _num_dead(file: _File) -> int:
    return 0 if file.live is None else int(np.count_nonzero(~file.live))


def _mapping(where: str, schema: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The names of columns in the files; and columns with renamed parts, each with why not."""
    names, conflicts = {}, {}
    for column in schema["fields"]:
        names[column["name"]] = _physical(column)
        if _is_mapped_inside(column["type"]):
            conflicts[column["name"]] = (
                f"column {column['name']!r} has parts that are called otherwise in the files of "
                f"{where}, which is not supported here: export its rows to Parquet"
            )
    return names, conflicts


def _physical(field: Mapping[str, Any]) -> str:
    return str(field.get("metadata", {}).get("delta.columnMapping.physicalName", field["name"]))


def _is_mapped_inside(type_: Any) -> bool:
    if not isinstance(type_, Mapping):
        return False
    if any(
        _physical(part) != part["name"] or _is_mapped_inside(part["type"])
        for part in type_.get("fields", ())
    ):
        return True
    return any(_is_mapped_inside(type_.get(k)) for k in ("elementType", "keyType", "valueType"))
