"""The rows of a manifest: those that a condition selects, in order, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyarrow as pa

from pipeline import storage
from pipeline.manifest.picture_columns import ADDRESS_COLUMNS
from pipeline.tables import NO_UTF8, Faults, Table, bounded, readable, types_of
from pipeline.tables.sql import Stream, columns_of, query

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
            # How long an address is, is looked at where it is resolved.
            short, too_long = bounded(clean, besides=frozenset(ADDRESS_COLUMNS))
            yield short, {**too_long, **unreadable}

    def raw_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows, selected or not, with text as it is even where that is no UTF-8."""
        try:
            yield from self.table.batches(columns)
        except ValueError as error:
            raise about_manifest(self.uri, error) from None

    def count(self) -> int:
        """How many rows are selected. Raises as `batches`."""
        if self.where is None:
            count = self.table.count()
        else:
            count = sum(map(len, self._positions(self.where)))
        return count if self.limit is None else min(count, self.limit)

    def ids(self) -> Stream:
        """The ids of the selected rows, in order."""
        columns = pa.schema([("id", pa.large_string())])
        return Stream(columns, (batch.cast(columns) for batch, _ in self.batches(["id"])))

    def is_empty(self) -> bool:
        """Whether no row is selected. Raises as `batches`."""
        return next(self._selected(["id"]), None) is None

    def unsound_ids(self) -> list[tuple[str | None, int]]:
        """Ids that are null or not unique among the selected rows, with how often; at most 5."""
        answer = query(
            "SELECT id, count(*) AS times FROM selected GROUP BY id "
            "HAVING count(*) > 1 OR id IS NULL ORDER BY times DESC, id LIMIT 5",
            selected=self.ids(),
        )
        return [(row["id"], row["times"]) for row in answer.read_all().to_pylist()]

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
        clashes = answer.read_all().to_pylist()
        return (clashes[0]["of"], clashes[0]["id"]) if clashes else None

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
        known = [*self.schema.names, *self.table.conflicts]
        names = columns_of(condition, [name for name in known if name.casefold() not in besides])
        if names is None:  # by a pattern, such as COLUMNS('price.*'): any that can be read
            names = [
                column.name
                for column in self.schema
                if column.name.casefold() not in besides and sql_type(column.type)
            ]
        types = types_of(self.table, [name for name in names if name in self.table.untyped])
        fields = []
        for name in names:
            column = self.field(name)
            type_ = types.get(name) or sql_type(column.type)
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
        positions = None if self.where is None else _Ascending(self._positions(self.where))
        for batch in self.raw_batches(columns):
            num_rows = batch.num_rows
            if positions is not None:
                batch = batch.take(positions.within(first, first + num_rows))  # noqa: PLW2901
            first += num_rows
            if left is not None:
                batch = batch.slice(0, left)  # noqa: PLW2901
                left -= batch.num_rows
            if batch.num_rows:
                yield batch
            if left == 0 or (positions is not None and positions.is_done):
                return

    def _positions(self, where: str) -> Iterator[np.ndarray]:
        """The positions of the rows that meet the condition, ascending.

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
        """The positions from `start` up to and without `stop`, counted from `start`."""
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


def about_manifest(uri: str, error: ValueError) -> ValueError:
    """The error in one line that begins with the manifest, whose name it may hold already."""
    message = str(error)
    if storage.scheme_of(uri) not in ("file", "s3"):
        uri = storage.shown(uri)
    return ValueError(
        f"manifest {message}" if message.startswith(uri) else f"manifest {uri}: {message}"
    )
