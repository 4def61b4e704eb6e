"""Reading a manifest: finding its files, checking its columns, filtering its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as pads

from pipeline import storage
from pipeline.brief import COLUMNS, TEXT_COLUMNS, ColumnKind
from pipeline.sql import check_condition, query, quoted

_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
}
_TEXT_COLUMNS = ("id", "image_uri", "mask_uri", "prompt")
"""Always text, whatever a CSV file's values look like: an id of 00123 is not the number 123."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """An opened manifest. Nothing but schemas has been read."""

    uri: str
    root: str
    """Folder that relative image URIs start from."""
    dataset: pads.Dataset
    where: str | None
    limit: int | None

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The selected rows, in the manifest's order."""
        yield from self._query(self._selection(columns))

    def count(self) -> int:
        """How many rows are selected."""
        selection = self._selection(["id"])
        (batch,) = self._query(f"SELECT count(*) AS n FROM ({selection})")
        return int(batch["n"][0].as_py())

    def is_empty(self) -> bool:
        """Whether no row is selected."""
        selection = self._selection(["id"])
        (batch,) = self._query(f"SELECT count(*) AS n FROM (SELECT 1 FROM ({selection}) LIMIT 1)")
        return not batch["n"][0].as_py()

    def unsound_ids(self) -> list[tuple[str | None, int]]:
        """Ids that are null or not unique among the selected rows, with how often; at most 5."""
        selection = self._selection(["id"])
        batches = self._query(
            f"SELECT id, count(*) AS times FROM ({selection}) GROUP BY id "
            "HAVING count(*) > 1 OR id IS NULL ORDER BY times DESC, id LIMIT 5"
        )
        return [(row["id"], row["times"]) for batch in batches for row in batch.to_pylist()]

    def clashing_ids(self) -> tuple[str, str] | None:
        """Two selected ids of which one could name a result of the other; None if there are none.

        A result is called `id/placement`, `id/number` or `id/placement/number`.
        """
        selection = self._selection(["id"])
        shorter = " UNION ALL ".join(
            # 's': an id may hold line breaks, which a dot would not match otherwise.
            f"SELECT id, regexp_extract(id, '{pattern}', 1, 's') AS of FROM selected "
            f"WHERE regexp_full_match(id, '{pattern}', 's')"
            for pattern in ("(.*)/[a-z0-9_:,]+", "(.*)/[a-z0-9_:,]+/[0-9]+")
        )
        batches = self._query(
            f"WITH selected AS ({selection}), named AS ({shorter}) SELECT named.of, named.id "
            "FROM named JOIN selected ON named.of = selected.id ORDER BY ALL LIMIT 1"
        )
        found = [row for batch in batches for row in batch.to_pylist()]
        return (found[0]["of"], found[0]["id"]) if found else None

    def _query(self, sql: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from query(sql, manifest=self.dataset)
        except ValueError as error:
            condition = "" if self.where is None else f", --where {self.where!r}"
            raise ValueError(f"manifest {self.uri}{condition}: {error}") from None

    def _selection(self, columns: Sequence[str]) -> str:
        names = ", ".join(quoted(name) for name in columns)
        where = "" if self.where is None else f" WHERE ({self.where})"
        limit = "" if self.limit is None else f" LIMIT {self.limit:d}"
        return f"SELECT {names} FROM manifest{where}{limit}"


def open_manifest(uri: str, *, where: str | None = None, limit: int | None = None) -> Manifest:
    """Find the files of a manifest and read their schema.

    Args:
        uri: a file, a folder or a glob pattern; Parquet, CSV or JSON Lines.
        where: SQL condition over its columns; only rows that meet it are selected.
        limit: at most so many rows are selected.

    Raises:
        ValueError: one line saying what is wrong with which field, and the fix.
    """
    uri = storage.absolute(uri)
    files, root = _files(uri)
    format_name = _format(uri, files)
    filesystem, _ = storage.arrow_filesystem(uri)
    paths = [storage.arrow_filesystem(file)[1] for file in files]
    try:
        dataset = pads.dataset(paths, filesystem=filesystem, format=_reader(format_name))
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"manifest {uri}: not readable as {format_name}: {_first_line(error)}"
        ) from None
    manifest = Manifest(uri=uri, root=root, dataset=dataset, where=where, limit=limit)
    _check_columns(manifest)
    if where is not None:
        try:
            check_condition(where, dataset.schema)
        except ValueError as error:
            raise ValueError(f"--where {where!r}: {error}") from None
    return manifest


def brief_columns(manifest: Manifest, ignored: Sequence[str]) -> list[str]:
    """The columns in which a manifest's rows say what they ask for.

    Raises:
        ValueError: one is of a type that no value of it could have.
    """
    fields = [
        manifest.dataset.schema.field(name)
        for name in COLUMNS
        if name not in ignored and name in manifest.dataset.schema.names
    ]
    for field in fields:
        kind = COLUMNS[field.name]
        if not _holds(field.type, kind):
            raise ValueError(
                f"manifest {manifest.uri}: column {field.name!r} must be {_KINDS[kind]}, is "
                f"{field.type}: cast it, or put it into ignore_columns if it means something else"
            )
    return [field.name for field in fields]


_KINDS: dict[ColumnKind, str] = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "boolean",
    "text": "string",
    "texts": "string or a list of strings",
}


def _holds(type_: pa.DataType, kind: ColumnKind) -> bool:
    if pa.types.is_null(type_):
        return True
    if kind == "boolean":
        return bool(pa.types.is_boolean(type_))
    if kind in ("integer", "number"):
        # Whole numbers with nulls leave pandas as floats; fractions are refused row by row.
        return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))
    if kind == "texts" and (pa.types.is_list(type_) or pa.types.is_large_list(type_)):
        return _is_text(type_.value_type)
    return _is_text(type_)


def _files(uri: str) -> tuple[list[str], str]:
    try:
        if any(character in uri for character in "*?["):
            found = storage.glob_files(uri)
            fixed = uri[: min(uri.find(c) for c in "*?[" if c in uri)]
            root = fixed.rpartition("/")[0]
        elif storage.is_folder(uri):
            found = [
                f for f in storage.list_files(uri) if PurePosixPath(f).suffix.lower() in _FORMATS
            ]
            root = uri
        else:
            found = [uri] if storage.exists(uri) else []
            root = storage.parent(uri)
    except (PermissionError, OSError) as error:
        raise ValueError(f"manifest {uri}: cannot be listed: {_first_line(error)}") from None
    if not found:
        raise ValueError(
            f"manifest {uri}: nothing there; name a Parquet, CSV or JSON Lines file, a folder of "
            "them, or a pattern such as 'catalog/*.parquet'"
        )
    return found, root


def _format(uri: str, files: Sequence[str]) -> str:
    suffixes = {PurePosixPath(file).suffix.lower() for file in files}
    formats = {_FORMATS.get(suffix) for suffix in suffixes}
    if None in formats:
        raise ValueError(
            f"manifest {uri}: {sorted(suffixes)} is not a manifest format: use "
            f"{', '.join(_FORMATS)}"
        )
    if len(formats) > 1:
        raise ValueError(f"manifest {uri}: mixes {sorted(suffixes)}: keep one format per manifest")
    return str(formats.pop())


def _reader(format_name: str) -> Any:
    if format_name == "csv":
        as_text = dict.fromkeys((*_TEXT_COLUMNS, *TEXT_COLUMNS), pa.string())
        return pads.CsvFileFormat(
            # Only nothing is null: an id or a brand may well be called NA.
            convert_options=pacsv.ConvertOptions(
                column_types=as_text, strings_can_be_null=True, null_values=[""]
            )
        )
    return format_name


def _check_columns(manifest: Manifest) -> None:
    schema = manifest.dataset.schema
    # SQL does not tell apart names that differ in case only.
    folded = [name.casefold() for name in schema.names]
    twice = sorted(name for name in schema.names if folded.count(name.casefold()) > 1)
    if twice:
        raise ValueError(f"manifest {manifest.uri}: columns {twice} share a name: rename one")
    if "id" not in schema.names:
        raise ValueError(
            f"manifest {manifest.uri}: column 'id' is missing (there are {schema.names}): "
            "add one unique string per row"
        )
    if "image_uri" not in schema.names and "image" not in schema.names:
        raise ValueError(
            f"manifest {manifest.uri}: column 'image_uri' (or 'image' with the bytes) is missing; "
            f"there are {schema.names}"
        )
    for name in _TEXT_COLUMNS:
        if name in schema.names and not _is_text(schema.field(name).type):
            raise ValueError(
                f"manifest {manifest.uri}: column {name!r} must be string, is "
                f"{schema.field(name).type}: cast it"
            )
    if "image" in schema.names and not _is_bytes(schema.field("image").type):
        raise ValueError(
            f"manifest {manifest.uri}: column 'image' must be binary (or a struct with binary "
            f"'bytes'), is {schema.field('image').type}"
        )
    if "seed" in schema.names and not pa.types.is_integer(schema.field("seed").type):
        raise ValueError(
            f"manifest {manifest.uri}: column 'seed' must be an integer, is "
            f"{schema.field('seed').type}: cast it"
        )


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
        or pa.types.is_null(type_)
    )


def _is_bytes(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        index = type_.get_field_index("bytes")
        return index >= 0 and _is_bytes(type_.field(index).type)
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _first_line(error: Exception) -> str:
    """What a library says before it starts to quote and draw: one line."""
    said = str(error).strip().partition("\n\n")[0]
    return " ".join(said.split())
