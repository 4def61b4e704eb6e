"""Columns that stand in the names of folders: `dt=2026-11-02/channel=ebay/part-0.parquet`.

Hive's way, which Spark, pandas, Polars, DuckDB and Arrow write. Values are text, as nobody has said
what they are: `sku=0012` is no 12. Folders count below what was named, and directly above it, so
that one day of a table has the columns that the table has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.table import FileTable, Table
from pipeline.tables.values.arrow_text import array_of
from pipeline.tables.values.exact import without_dictionary

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partitions(file: str, root: str) -> list[tuple[str, str | None]]:
    """The columns that the folders of a file give, outermost first; null where Hive means that.

    >>> partitions("/cat/dt=2026-11-02/shop=A%2FB/m.csv", "/cat")
    [('dt', '2026-11-02'), ('shop', 'A/B')]
    >>> partitions("/cat/day=1/m.csv", "/cat/day=1")
    [('day', '1')]
    >>> partitions("/env=test/cat/a/b=__HIVE_DEFAULT_PARTITION__/m.csv", "/env=test/cat")
    [('b', None)]
    """
    above = takewhile(_is_partition, reversed(root.rstrip("/").split("/")))
    below = file[len(root) :].split("/")[:-1]
    found = [*reversed(list(above)), *filter(_is_partition, below)]
    pairs = [folder.partition("=") for folder in found]
    return [(unquote(name), None if value == _NULL else unquote(value)) for name, _, value in pairs]


def with_partitions(table: FileTable, files: Sequence[str], root: str) -> Table:
    """The table with what the folders of its files say.

    A column that a file has as well is taken from the file, where both say the same.
    """
    values: dict[str, dict[str, str | None]] = {}
    conflicts: dict[str, str] = {}
    for file in files:
        folders = partitions(file, root)
        values[file] = dict(folders)
        for name, value in folders:
            if values[file][name] != value:
                conflicts[name] = f"column {name!r} is twice in the folders of {file}: rename one"
    if not any(values.values()):
        return table
    return _Partitioned(table=table, values=values, in_folders=conflicts)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Partitioned:
    table: FileTable
    values: Mapping[str, Mapping[str, str | None]]
    """The values that the folders of each file give."""
    in_folders: Mapping[str, str]
    """Columns of which they say two things."""

    @property
    def schema(self) -> pa.Schema:
        own = [field for field in self.table.schema if field.name not in self.in_folders]
        more = [pa.field(name, pa.string()) for name in sorted(self._added(), key=self._places)]
        return pa.schema([*own, *more])

    @property
    def conflicts(self) -> Mapping[str, str]:
        return {**self.table.conflicts, **self.in_folders}

    @property
    def untyped(self) -> frozenset[str]:
        return (self.table.untyped | self._added()) - set(self.in_folders)

    @property
    def doubtful(self) -> frozenset[str]:
        """The doubtful columns, and those that files and folders both have, which may disagree."""
        in_paths = frozenset(name for values in self.values.values() for name in values)
        both = in_paths.intersection(self.table.schema.names)
        return (self.table.doubtful | both) - set(self.in_folders)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        schema = self.schema
        fields = [schema.field(name) for name in columns]
        own = set(self.table.schema.names)
        # Of no column a table would have no rows.
        read_columns = [name for name in columns if name in own] or [_lightest(self.table.schema)]
        for file, batch in self.table.batches_by_file(read_columns):
            folder_values, file_columns = self.values[file], self.table.columns_of(file)
            arrays = []
            for field in fields:
                if field.name not in folder_values:
                    is_own = field.name in own
                    nothing = pa.nulls(batch.num_rows, field.type)
                    arrays.append(batch.column(field.name) if is_own else nothing)
                elif field.name in file_columns:
                    array = batch.column(field.name)
                    _check_agrees(
                        array, folder_values[field.name], f"{file}: column {field.name!r}"
                    )
                    arrays.append(array)
                else:
                    place = f"{file}: column {field.name!r}"
                    arrays.append(
                        _repeated(folder_values[field.name], field.type, batch.num_rows, place)
                    )
            if arrays:
                yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
            else:
                yield batch.select([])

    def count(self) -> int:
        return self.table.count()

    def _added(self) -> frozenset[str]:
        """Columns that no file has."""
        known = {*self.table.schema.names, *self.table.conflicts, *self.in_folders}
        return frozenset(name for said in self.values.values() for name in said) - known

    def _places(self, name: str) -> tuple[int, str]:
        depths = [list(said).index(name) for said in self.values.values() if name in said]
        return min(depths), name


def _is_partition(folder: str) -> bool:
    return folder.find("=") > 0


def _lightest(schema: pa.Schema) -> str:
    """A column of which little has to be read."""
    light = (
        field.name
        for field in schema
        if not (pa.types.is_nested(field.type) or "binary" in str(field.type))
    )
    lightest: str = next(light, schema.names[0])
    return lightest


def _repeated(value: str | None, type_: pa.DataType, times: int, place: str) -> pa.Array:
    if value is None:
        return pa.nulls(times, type_)
    return pa.repeat(_as_type(value, type_, place), times)


def _as_type(value: str, type_: pa.DataType, place: str) -> pa.Scalar:
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    try:
        return array_of([value], pa.string()).cast(plain).cast(type_)[0]
    except pa.ArrowException:
        raise ValueError(
            f"{place} is {value!r} by its folder, and {type_} in files: write it in one way"
        ) from None


def _check_agrees(array: pa.Array, value: str | None, place: str) -> None:
    """Refuse a file that holds something else than its folder says."""
    differs = array.is_valid()
    if value is not None:
        plain = without_dictionary(array)
        same = pc.equal(plain, _as_type(value, plain.type, place))
        differs = pc.invert(pc.fill_null(same, False))  # noqa: FBT003 - Arrow takes it so
    if pc.any(differs).as_py():
        differing = array.filter(differs)[0]
        try:
            said = repr(str(differing.as_py()))[:80]
        except (UnicodeDecodeError, ArithmeticError, ValueError):
            said = "something else"
        raise ValueError(
            f"{place} holds {said}, and its folder says {value!r}: correct one of them"
        )
