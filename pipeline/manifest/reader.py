"""Reading a manifest: finding its files, checking its columns, selecting its rows."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa

from pipeline import storage
from pipeline.manifest.shots import COLUMNS, ColumnKind
from pipeline.tables import (
    AS_IT_IS,
    NO_UTF8,
    Faults,
    Reading,
    Table,
    bare,
    bounded,
    is_kind,
    is_number,
    is_text,
    nearest,
    open_named,
    readable,
    spelled,
    types_of,
)
from pipeline.tables.sql import Stream, check_condition, columns_of, query

logger = logging.getLogger(__name__)

_TEXT_COLUMNS = ("id", "image_uri", "mask_uri", "prompt")
_OURS = frozenset({*_TEXT_COLUMNS, "image", "seed", *COLUMNS})
_ADDRESSES = frozenset({"image_uri", "mask_uri", "reference_uri"})
"""Their length is looked at where they are resolved."""
_NOTHING = pa.schema([])


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """An opened manifest: which rows it selects is found out when they are asked for."""

    uri: str
    root: str
    """Folder that relative image URIs start from."""
    table: Table
    version: str | None = None
    """Which version of a table was read, of a format that has versions."""
    where: str | None = None
    limit: int | None = None
    passed_over: str | None = None
    """Which files of its folder were passed over, in words; None: none was."""
    no_text: str = NO_UTF8
    """What bytes of text are that cannot be read, and what to do, for the message."""
    asked: pa.Schema = field(default=_NOTHING)
    """The columns that the condition reads, under the types in which it reads them."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of all files that can be read."""
        return self.table.schema

    def field(self, name: str) -> pa.Field:
        """A column.

        Raises:
            ValueError: it is not there, or its files do not agree on what it is.
        """
        if name in self.table.conflicts:
            raise ValueError(f"manifest {self.uri}: {self.table.conflicts[name]}")
        if name not in self.schema.names:
            raise ValueError(f"the manifest has no column {name!r}; it has {self.schema.names}")
        return self.schema.field(name)

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, Faults]]:
        """The selected rows in the manifest's order, and in which of them a column cannot be used.

        It cannot be read, or its text is longer than any is taken: that is cut then.

        Raises:
            ValueError: one line; a file or a value in it cannot be read, or the condition stumbles
                over a value.
        """
        for batch in self._selected(columns):
            clean, unreadable = readable(batch, no_text=self.no_text)
            short, too_long = bounded(clean, besides=_ADDRESSES)
            yield short, {**too_long, **unreadable}

    def raw_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows, selected or not, with text as it is even where that is no UTF-8."""
        try:
            yield from self.table.batches(columns)
        except ValueError as error:
            raise _about(self.uri, error) from None

    def count(self) -> int:
        """How many rows are selected. Raises as `batches`."""
        if self.where is None:
            found = self.table.count()
        else:
            found = sum(map(len, self._positions(self.where)))
        return found if self.limit is None else min(found, self.limit)

    def ids(self) -> Stream:
        """The ids of the selected rows, in order."""
        columns = pa.schema([("id", pa.large_string())])
        return Stream(columns, (batch.cast(columns) for batch, _ in self.batches(["id"])))

    def is_empty(self) -> bool:
        """Whether no row is selected. Raises as `batches`."""
        return next(self._selected(["id"]), None) is None

    def unsound_ids(self) -> list[tuple[str | None, int]]:
        """Ids that are null or not unique among the selected rows, with how often; at most 5."""
        found = query(
            "SELECT id, count(*) AS times FROM selected GROUP BY id "
            "HAVING count(*) > 1 OR id IS NULL ORDER BY times DESC, id LIMIT 5",
            selected=self.ids(),
        )
        return [(row["id"], row["times"]) for row in found.read_all().to_pylist()]

    def clashing_ids(self) -> tuple[str, str] | None:
        """Two selected ids of which one could name a result of the other; None if there are none.

        A result is called `id/placement`, `id/number` or `id/placement/number`.
        """
        shorter = " UNION ALL ".join(
            # 's': an id may hold line breaks, which a dot would not match otherwise.
            f"SELECT id, regexp_extract(id, '{pattern}', 1, 's') AS of FROM selected "
            f"WHERE regexp_full_match(id, '{pattern}', 's')"
            for pattern in ("(.*)/[a-z0-9_:,]+", "(.*)/[a-z0-9_:,]+/[0-9]+")
        )
        answer = query(
            # Materialised: the rows come once.
            f"WITH selected AS MATERIALIZED (SELECT id FROM stream), named AS ({shorter}) "
            "SELECT named.of, named.id FROM named JOIN selected ON named.of = selected.id "
            "ORDER BY ALL LIMIT 1",
            stream=self.ids(),
        )
        found = answer.read_all().to_pylist()
        return (found[0]["of"], found[0]["id"]) if found else None

    def sql_columns(self, condition: str, *, besides: Collection[str] = ()) -> pa.Schema:
        """The columns that a condition reads, under types that SQL can compare.

        Text without a declared type has the type that all of its values have, for which all rows
        are read.

        Args:
            condition: one expression.
            besides: columns in small letters that are somebody else's.

        Raises:
            ValueError: the condition is no expression, or reads a column that SQL has no type for.
        """
        there = [*self.schema.names, *self.table.conflicts]
        names = columns_of(condition, [name for name in there if name.casefold() not in besides])
        if names is None:  # by a pattern, such as COLUMNS('price.*'): any that can be read
            names = [
                column.name
                for column in self.schema
                if column.name.casefold() not in besides and sql_type(column.type)
            ]
        found = types_of(self.table, [name for name in names if name in self.table.untyped])
        fields = []
        for name in names:
            column = self.field(name)
            type_ = found.get(name) or sql_type(column.type)
            if type_ is None:
                raise ValueError(
                    f"column {name!r} is {column.type}, which a condition cannot read: cast it, or "
                    "leave it out of the condition"
                )
            fields.append(pa.field(name, type_))
        return pa.schema(fields)

    def sql_stream(self, columns: pa.Schema) -> Stream:
        """All rows, selected or not, of what `sql_columns` gave and of `id`."""
        others = [column for column in columns if column.name != "id"]
        wanted = pa.schema([pa.field("id", pa.large_string()), *others])
        return Stream(wanted, self._sql_rows(wanted))

    def _sql_rows(self, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in self.raw_batches(columns.names):
            clean, _ = readable(batch)
            arrays = [
                array.cast(column.type)
                for array, column in zip(clean.columns, columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=columns)

    def _selected(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        first, left = 0, self.limit
        found = None if self.where is None else _Ascending(self._positions(self.where))
        for batch in self.raw_batches(columns):
            num_rows = batch.num_rows
            if found is not None:
                batch = batch.take(found.within(first, first + num_rows))  # noqa: PLW2901
            first += num_rows
            if left is not None:
                batch = batch.slice(0, left)  # noqa: PLW2901
                left -= batch.num_rows
            if batch.num_rows:
                yield batch
            if left == 0 or (found is not None and found.is_done):
                return

    def _positions(self, where: str) -> Iterator[np.ndarray]:
        """Of the rows that meet the condition, ascending.

        SQL sees the columns of the condition and nothing else: what becomes of a row's other values
        is no business of its.
        """
        try:
            for batch in self._asked_of_sql(where):
                yield batch.column(0).to_numpy()
        except ValueError as error:
            if str(error).startswith("manifest "):  # a file that cannot be read
                raise
            raise ValueError(f"manifest {self.uri}, --where {where!r}: {error}") from None

    def _asked_of_sql(self, where: str) -> pa.RecordBatchReader:
        if columns_of(where, ()) is None:  # a pattern must not match a column of ours
            return query(
                "CREATE TEMP TABLE manifest AS SELECT * FROM stream",
                f"SELECT rowid FROM manifest WHERE ({where})",
                stream=Stream(self.asked, self._sql_rows(self.asked)),
            )
        position = "position"
        while position in self.asked.names:
            position += "_"
        columns = self.asked.append(pa.field(position, pa.int64()))
        return query(
            f"SELECT {position} FROM manifest WHERE ({where})",
            manifest=Stream(columns, self._numbered(columns)),
        )

    def _numbered(self, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The columns of the condition, and the position of the row."""
        first = 0
        # Of no column a table would have no rows.
        read = self.asked if len(self.asked) else pa.schema([self.schema.field("id")])
        for batch in self._sql_rows(read):
            numbers = pa.array(np.arange(first, first + batch.num_rows))
            first += batch.num_rows
            arrays = [*batch.columns[: len(self.asked)], numbers]
            yield pa.RecordBatch.from_arrays(arrays, schema=columns)


class _Ascending:
    """Positions in a table, handed out for one stretch of it after another."""

    def __init__(self, positions: Iterator[np.ndarray]) -> None:
        self._positions = positions
        self._waiting = np.empty(0, np.int64)
        self._last = -1
        self._fill()

    @property
    def is_done(self) -> bool:
        return not len(self._waiting)

    def within(self, start: int, stop: int) -> pa.Array:
        """Those from `start` up to and without `stop`, counted from `start`."""
        parts = []
        while len(self._waiting):
            cut = int(np.searchsorted(self._waiting, stop))
            parts.append(self._waiting[:cut])
            self._waiting = self._waiting[cut:]
            if len(self._waiting):
                break
            self._fill()
        return pa.array(np.concatenate([np.empty(0, np.int64), *parts]) - start)

    def _fill(self) -> None:
        self._waiting = next((some for some in self._positions if len(some)), self._waiting[:0])
        if len(self._waiting):
            assert self._last < self._waiting[0], "rows left SQL in another order"
            assert (np.diff(self._waiting) > 0).all(), "rows left SQL in another order"
            self._last = int(self._waiting[-1])


def open_manifest(
    uri: str,
    *,
    where: str | None = None,
    limit: int | None = None,
    reading: Reading = AS_IT_IS,
) -> Manifest:
    """Find the files of a manifest and read their columns.

    Of Parquet files the footers are read, of CSV files the headers, of JSON Lines files every line.

    Args:
        uri: a file, a folder or a glob pattern; Parquet, CSV or JSON Lines. Or the folder of a
            table in the format of Delta, Iceberg or Lance, of which the newest version is read.
        where: SQL condition over its columns; only rows that meet it are selected.
        limit: at most so many rows are selected.
        reading: what is to be known of the files that they do not say themselves.

    Raises:
        ValueError: one line saying what is wrong with which field, and the fix.
    """
    if not uri.strip():  # not the folder we happen to be in, with all that is below it
        raise ValueError(
            "the manifest is named by nothing: give a Parquet, CSV or JSON Lines file, a folder of "
            "them, or a pattern such as 'catalog/*.parquet'"
        )
    storage.check_place(uri, what="manifest")
    uri = storage.absolute(uri)
    try:
        opened = open_named(uri, reading=reading, key="id")
        table = spelled(opened.table, "id")
    except ValueError as error:
        raise _about(uri, error) from None
    if opened.passed_over is not None:
        logger.info("manifest %s: %s", uri, opened.passed_over)
    manifest = Manifest(
        uri=uri,
        root=opened.root,
        table=table,
        version=opened.version,
        where=where,
        limit=limit,
        passed_over=opened.passed_over,
        no_text=opened.no_text,
    )
    _check_columns(manifest)
    if where is None:
        return manifest
    try:
        asked = manifest.sql_columns(where)
        check_condition(where, asked, known=manifest.schema.names)
    except ValueError as error:
        raise ValueError(f"--where {where!r}: {error}") from None
    return replace(manifest, asked=asked)


def brief_columns(manifest: Manifest, ignored: Sequence[str]) -> list[str]:
    """The columns in which a manifest's rows say what they ask for.

    Raises:
        ValueError: one is of a type that no value of it could have.
    """
    there = {*manifest.schema.names, *manifest.table.conflicts}
    fields = [manifest.field(name) for name in COLUMNS if name in there and name not in ignored]
    for column in fields:
        kind = COLUMNS[column.name]
        if column.name not in manifest.table.untyped and not _holds(column.type, kind):
            raise ValueError(
                f"manifest {manifest.uri}: column {column.name!r} must be {_KINDS[kind]}, is "
                f"{column.type}: cast it, or put it into ignore_columns if it means something else"
            )
    return [column.name for column in fields]


def check_untyped(manifest: Manifest, columns: Sequence[str]) -> None:
    """Look whether columns of text hold what they should, by the first rows of the manifest.

    One bad value costs its row. A column of which no value is good means something else.

    Raises:
        ValueError: names the column, a value and the fix.
    """
    kinds = {name: _KIND_OF[name] for name in columns if name in manifest.table.untyped}
    if not kinds:
        return
    first = next(manifest.raw_batches(list(kinds)), None)
    if first is None:
        return
    batch, _ = readable(first)
    for name, kind in kinds.items():
        values = [value for value in batch.column(name).to_pylist() if value is not None]
        if values and not any(is_kind(value, kind) for value in values):
            otherwise = "--map other_seed=seed" if name == "seed" else "put it into ignore_columns"
            raise ValueError(
                f"manifest {manifest.uri}: column {name!r} must be {_KINDS[kind]}, is text such as "
                f"{values[0][:40]!r}: correct it, or {otherwise} if it means something else"
            )


def check_doubtful(manifest: Manifest, columns: Sequence[str]) -> None:
    """Read those of some columns whose values may not fit their types, in the selected rows.

    Raises:
        ValueError: one does not; one line that names the file and the column.
    """
    doubtful = [name for name in columns if name in manifest.table.doubtful]
    for _ in manifest.batches(doubtful) if doubtful else ():
        pass


_KIND_OF: dict[str, ColumnKind] = {**COLUMNS, "seed": "integer"}
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
        return is_number(type_)
    if kind == "texts" and (pa.types.is_list(type_) or pa.types.is_large_list(type_)):
        return _is_text(type_.value_type)
    return _is_text(type_)


def _check_columns(manifest: Manifest) -> None:
    schema = manifest.schema
    # SQL does not tell apart names that differ in case only.
    folded = [name.casefold() for name in schema.names]
    twice = sorted(name for name in schema.names if folded.count(name.casefold()) > 1)
    if twice:
        other = next(name for name in twice if name not in _OURS)
        raise ValueError(
            f"manifest {manifest.uri}: columns {twice} share a name but for case: give one "
            f"another, such as --map other_{other}={other!r}"
        )
    there = {*schema.names, *manifest.table.conflicts}
    _check_spelling(manifest.uri, schema.names)
    if "id" not in there:
        raise ValueError(
            f"manifest {manifest.uri}: column 'id' is missing (there are {schema.names}): "
            "add one unique string per row, or say which column it is, such as --map id='sku'"
            f"{nearest('id', schema.names)}"
        )
    if there.isdisjoint({"image_uri", "image"}):
        raise ValueError(
            f"manifest {manifest.uri}: column 'image_uri' (or 'image' with the bytes) is missing; "
            f"there are {schema.names}: add it, or say which column it is, such as "
            f"--map image_uri='image link'{nearest('image_uri', schema.names)}"
        )
    for name in (*_TEXT_COLUMNS, "image", "seed"):
        if name in manifest.table.conflicts:
            manifest.field(name)
    for name in _TEXT_COLUMNS:
        if name in schema.names and not _is_text(schema.field(name).type):
            type_ = schema.field(name).type
            fix = "cast it"
            if name == "id" and type_ == pa.binary(16):
                fix = "write it as text, or, if it holds UUIDs, under Parquet's type UUID"
            raise ValueError(
                f"manifest {manifest.uri}: column {name!r} must be string, is {type_}: {fix}"
            )
    _check_image(manifest)
    if "seed" in schema.names and not _may_be_seed(manifest):
        raise ValueError(
            f"manifest {manifest.uri}: column 'seed' must be an integer, is "
            f"{schema.field('seed').type}: cast it"
        )


def _check_spelling(uri: str, names: Sequence[str]) -> None:
    """Refuse a name that is one of ours but for blanks around it: nobody would look at it."""
    for name in names:
        meant = name.strip()
        if meant != name and meant in _OURS.difference(names):
            raise ValueError(
                f"manifest {uri}: the column {name!r} has blanks around its name: take them out, "
                f"or say --map {meant}={name!r}"
            )


def check_names(manifest: Manifest, *, ignored: Sequence[str], used: Sequence[str]) -> None:
    """Refuse columns that are called like ours but for case, blanks and dashes.

    Args:
        manifest: of which nobody would look at such a column.
        ignored: columns of ours that mean something else here.
        used: columns that somebody looks at under the names that they have.

    Raises:
        ValueError: there is one; one line with the option that says what it is.
    """
    there = {*manifest.schema.names, *manifest.table.conflicts}
    ours = {bare(name): name for name in sorted(_OURS.difference(there, ignored))}
    for theirs in manifest.schema.names:
        meant = ours.get(bare(theirs))
        if meant is None or theirs in used:
            continue
        # A shop's own column of paths is no mistake beside the one that is asked for.
        if meant == "image" and (
            "image_uri" in there or not _is_bytes(manifest.schema.field(theirs).type)
        ):
            continue
        otherwise = f"--map other_{meant}={theirs!r}"
        if meant in COLUMNS:
            otherwise = f"put {meant} into the recipe's ignore_columns"
        raise ValueError(
            f"manifest {manifest.uri}: nobody looks at column {theirs!r}, which is called nearly "
            f"like {meant!r}: say --map {meant}={theirs!r}, or, if it means something else, "
            f"{otherwise}"
        )


def has_words(type_: pa.DataType) -> bool:
    """Whether a value can stand within a sentence."""
    if pa.types.is_dictionary(type_):
        return has_words(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return has_words(type_.storage_type) or type_ == pa.uuid()
    is_binary = pa.types.is_fixed_size_binary(type_) or _is_bytes(type_)
    return bool(pa.types.is_null(type_)) or not (pa.types.is_nested(type_) or is_binary)


def _check_image(manifest: Manifest) -> None:
    if "image" not in manifest.schema.names:
        return
    type_ = manifest.schema.field("image").type
    if _is_text(type_) and not pa.types.is_null(type_):
        paths = "--map image_uri=image"
        if "image_uri" in manifest.schema.names:
            paths = "--map other_image=image, as image_uri is there as well"
        raise ValueError(
            f"manifest {manifest.uri}: column 'image' is text, and holds photographs: paths and "
            f"URIs belong into image_uri; rename it, such as with {paths}"
        )
    if not _is_bytes(type_):
        raise ValueError(
            f"manifest {manifest.uri}: column 'image' must be binary (or a struct with binary "
            f"'bytes'), is {type_}: write the bytes of each file, or its path into image_uri"
        )


def _may_be_seed(manifest: Manifest) -> bool:
    type_ = manifest.schema.field("seed").type
    return "seed" in manifest.table.untyped or _holds(type_, "integer")


@lru_cache(maxsize=1024)
def sql_type(type_: pa.DataType) -> pa.DataType | None:
    """The type under which SQL compares values of this one; None: it cannot."""
    if pa.types.is_dictionary(type_):
        return sql_type(type_.value_type)
    if pa.types.is_float16(type_):
        return pa.float32()
    if pa.types.is_decimal(type_) and type_.precision <= 38:
        return pa.decimal128(type_.precision, type_.scale)
    try:
        query("SELECT x FROM nothing", nothing=pa.table({"x": pa.nulls(0, type_)})).read_all()
    except ValueError:
        return None
    return type_


def _about(uri: str, error: ValueError) -> ValueError:
    said = str(error)
    if storage.scheme_of(uri) not in ("file", "s3"):
        uri = storage.shown(uri)
    return ValueError(f"manifest {said}" if said.startswith(uri) else f"manifest {uri}: {said}")


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return is_text(type_) or bool(pa.types.is_null(type_))


def _is_bytes(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):  # a Hugging Face `Image`
        held, named = (type_.get_field_index(name) for name in ("bytes", "path"))
        is_named = named >= 0 and _is_text(type_.field(named).type)
        if held < 0 or pa.types.is_null(type_.field(held).type):
            return is_named
        return _is_bytes(type_.field(held).type)
    return bool(
        pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_null(type_)
    )
