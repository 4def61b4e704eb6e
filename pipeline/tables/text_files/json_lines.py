"""JSON files as one table: each line an object, its keys columns wherever they first come.

Where a file is not written in lines, it is a list of objects, or one object after another.

Opening reads every line, for a key may come late: about two seconds for a million short rows. Lines
are parsed by themselves, so that what is wrong with one is told with its number, and no more than a
few thousand are in memory.
"""

from __future__ import annotations

import codecs
import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline.tables.table import FileTable
from pipeline.tables.text_files.json_values import JsonError, values
from pipeline.tables.text_files.streams import (
    BATCH_BYTES,
    BATCH_ROWS,
    BUFFER_BYTES,
    MOST_ROW_BYTES,
    lines,
    opened,
)
from pipeline.tables.values.arrow_text import array_of, has_utf8_keys, is_utf8, nested_type
from pipeline.tables.values.union import check_key, widened

_MOST_EXACT = 2**53
"""The largest whole number up to which floating-point numbers represent each one exactly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _JsonLines:
    keys: Mapping[str, Collection[str]]
    """The keys of each file, in the order of the files."""
    schema: pa.Schema
    conflicts: Mapping[str, str]
    doubtful: frozenset[str]
    num_rows: int

    @property
    def untyped(self) -> frozenset[str]:
        return frozenset()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return (batch for _, batch in self.batches_by_file(columns))

    def columns_of(self, file: str) -> Collection[str]:
        return self.keys[file]

    def batches_by_file(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        for file in self.keys:
            for numbers, rows in _blocks(file):
                arrays = [_array(column, rows, _Places(file, numbers)) for column in schema]
                yield file, pa.RecordBatch.from_arrays(arrays, schema=schema)

    def count(self) -> int:
        return self.num_rows


def open_json_lines(files: Sequence[str], *, key: str | None = None) -> FileTable:
    """Read all lines of all files for their keys and types.

    Args:
        files: in their order.
        key: a column that every file must have if one has it.

    Raises:
        ValueError: a line is no JSON object; names the file and the line.
    """
    columns: dict[str, _Column] = defaultdict(_Column)
    named: dict[str, dict[str, None]] = {}
    num_rows = 0
    for file in files:
        found_before = num_rows
        named[file] = {}
        for numbers, rows in _blocks(file):
            if num_rows == found_before:
                _check_is_row(rows[0], key, f"{file}, line {numbers[0]}")
            num_rows += len(rows)
            named[file].update(dict.fromkeys(name for row in rows for name in row))
            for name in dict.fromkeys(name for row in rows for name in row):
                if name not in columns:
                    _check_name(name, _Places(file, numbers), rows)
                columns[name].look_at([row.get(name) for row in rows], _Places(file, numbers))
        is_part = PurePosixPath(file).name.startswith("part-")  # Spark's, of no rows
        if num_rows == found_before and not (is_part and len(files) > 1):
            raise ValueError(_empty(file))
    if not num_rows:
        raise ValueError(_empty(files[0]))
    check_key(key, {file: list(names) for file, names in named.items()})
    types = {name: column.type_() for name, column in columns.items()}
    return _JsonLines(
        keys=named,
        schema=pa.schema([(name, found) for name, found in types.items() if found is not None]),
        conflicts={
            name: f"column {name!r} {columns[name].conflict()}"
            for name, found in types.items()
            if found is None
        },
        doubtful=frozenset(name for name, column in columns.items() if column.is_wider),
        num_rows=num_rows,
    )


def _array(column: pa.Field, rows: Sequence[Mapping[str, Any]], places: _Places) -> pa.Array:
    try:
        return array_of([row.get(column.name) for row in rows], column.type)
    except pa.ArrowException as error:  # a number within a list or an object
        raise ValueError(
            f"{places.of(0)} and after: column {column.name!r} is {column.type} over all rows, "
            f"which not all of its values are ({' '.join(str(error).split())}): write it in one way"
        ) from None


def _empty(file: str) -> str:
    return f"{file}: not readable as json: it is empty; write one JSON object a line"


def _check_is_row(row: Mapping[str, Any], key: str | None, place: str) -> None:
    """Refuse an object that holds the rows, and is none."""
    if row and all(isinstance(value, dict) for value in row.values()):
        raise ValueError(
            f"{place}: is an object of objects and no row: write a list of rows, such as with "
            "pandas' to_json(..., orient='records', lines=True)"
        )
    in_lists = key not in row and any(
        isinstance(value, list) and value and isinstance(value[0], list) for value in row.values()
    )
    if in_lists or isinstance(row.get(key or ""), list):
        raise ValueError(
            f"{place}: is no row; it holds the columns of all: write a list of rows, such as with "
            "pandas' to_json(..., orient='records', lines=True)"
        )
    for name, value in row.items():
        if key not in row and isinstance(value, list) and value and isinstance(value[0], dict):
            raise ValueError(
                f"{place}: is no row; rows seem to be below its key {name[:80]!r}: write that list "
                "by itself"
            )


def _check_name(name: str, places: _Places, rows: Sequence[Mapping[str, Any]]) -> None:
    if not is_utf8(name):
        index = next(index for index, row in enumerate(rows) if name in row)
        raise ValueError(
            f"{places.of(index)}: the key {name[:80]!r} is no UTF-8: save the file as UTF-8"
        )


@dataclass(slots=True)
class _Column:
    """The types of a column's values, as far as they have been seen."""

    places: dict[str, str] = field(default_factory=dict)
    """The place of the first value of each kind, for messages."""
    nested: pa.DataType | None = None
    is_wider: bool = False
    """Whether lists or objects have become of another type than those before, which may not fit."""
    trouble: str | None = None

    def look_at(self, values: Sequence[Any], places: _Places) -> None:
        """Take the values of some rows into account."""
        kinds = set(map(type, values)) - {type(None)}
        if any(_KINDS[kind] not in self.places for kind in kinds):
            for index, value in enumerate(values):
                if value is not None:
                    self.places.setdefault(_KINDS[type(value)], places.of(index))
        if int in kinds:
            self._weigh(values, places)
        if kinds & {list, dict} and self.trouble is None:
            self._unite(values, places)

    def _weigh(self, values: Sequence[Any], places: _Places) -> None:
        for index, value in enumerate(values):
            if type(value) is int and not -_MOST_EXACT <= value <= _MOST_EXACT:
                self.places.setdefault(_LARGE, places.of(index))
                if not -(2**63) <= value < 2**63:
                    self.trouble = (
                        f"holds a whole number of more than 64 bits in {places.of(index)}: write "
                        "such numbers as strings"
                    )

    def _unite(self, values: Sequence[Any], places: _Places) -> None:
        nested = [value if isinstance(value, list | dict) else None for value in values]
        try:
            found = nested_type(nested)
        except UnicodeEncodeError:
            index = next(index for index, value in enumerate(nested) if not has_utf8_keys(value))
            self.trouble = (
                f"holds a key that is no UTF-8 in {places.of(index)}: save the file as UTF-8"
            )
            return
        except OverflowError:
            self.trouble = (
                f"holds a whole number of more than 64 bits, {places.of(0)} or after: write such "
                "numbers as strings"
            )
            return
        except (pa.ArrowException, RecursionError) as error:
            message = " ".join(str(error).split())
            self.trouble = f"mixes values of no common type, {places.of(0)} and after: {message}"
            return
        wider = found if self.nested is None else widened(self.nested, found)
        if wider is None:
            self.trouble = (
                f"is {self.nested} before {places.of(0)} and {found} after it: write it in one way"
            )
        self.is_wider |= wider != found or self.nested not in (None, wider)
        self.nested = wider

    def type_(self) -> pa.DataType | None:
        """The type that holds all values; None: they have none in common."""
        kinds = frozenset(self.places) - {_LARGE}
        if self.trouble is not None or self._is_inexact():
            return None
        if kinds <= {"list"} or kinds <= {"object"}:
            return pa.null() if self.nested is None else self.nested
        return {
            frozenset({"text"}): pa.string(),
            frozenset({"true or false"}): pa.bool_(),
            frozenset({"whole number"}): pa.int64(),
            frozenset({"number"}): pa.float64(),
            frozenset({"whole number", "number"}): pa.float64(),
        }.get(kinds)

    def _is_inexact(self) -> bool:
        return {_LARGE, "number"} <= self.places.keys()

    def conflict(self) -> str:
        """The reason why the column has no type."""
        if self.trouble is not None:
            return self.trouble
        inexact = [_LARGE, "number"]
        first, second, *_ = (
            inexact if self._is_inexact() else [kind for kind in self.places if kind != _LARGE]
        )
        return (
            f"is {first} in {self.places[first]} and {second} in {self.places[second]}: write it "
            "in one way"
        )


@dataclass(frozen=True, slots=True)
class _Places:
    """The places of some rows, for messages."""

    file: str
    lines: Sequence[int]

    def of(self, index: int) -> str:
        return f"{self.file}, line {self.lines[index]}"


_LARGE = "a whole number above 2^53"
_KINDS = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    list: "list",
    dict: "object",
}


_Block = tuple[Sequence[int], Sequence[dict[str, Any]]]
"""Rows, and the number of the line that each stands in."""


def _blocks(file: str) -> Iterator[_Block]:
    """Rows, a few at a time."""
    numbers, rows = list[int](), list[dict[str, Any]]()
    num_bytes = 0
    for number, row, size in _rows(file):
        numbers.append(number)
        rows.append(row)
        num_bytes += size
        if len(rows) == BATCH_ROWS or num_bytes >= BATCH_BYTES:
            yield numbers, rows
            numbers, rows, num_bytes = [], [], 0
    if rows:
        yield numbers, rows


def _rows(file: str) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Rows, each with the line that it begins in, and with how much is written of it."""
    with opened(file) as stream:
        if not _is_in_lines(stream):
            yield from _of_values(stream, file)
            return
        records = lines(stream, file, most=MOST_ROW_BYTES, otherwise="write one object a line")
        for number, line in enumerate(records, start=1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            row = _parsed(text, f"{file}, line {number}")
            if row is not None:
                yield number, row, len(line)


def _is_in_lines(stream: io.BufferedReader) -> bool:
    """Whether a line of a file is an object, as far as its beginning shows."""
    start = stream.peek(BUFFER_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"["):
        return False
    # An object that goes on below, as programs lay it out.
    return not start.partition(b"\n")[0].rstrip().endswith((b",", b"{", b"["))


def _of_values(stream: io.BufferedReader, file: str) -> Iterator[tuple[int, dict[str, Any], int]]:
    try:
        for number, value, size in values(stream, _DECODER, most=MOST_ROW_BYTES):
            yield number, _as_row(value, f"{file}, line {number}"), size
    except JsonError as error:
        raise ValueError(
            f"{file}, line {error.line}: not readable as json: {error}; write one object a line, "
            "or one list of them"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is there twice: keep one")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _parsed(line: bytes, place: str) -> dict[str, Any] | None:
    """The object in a line; None in a blank one. Bytes that are no UTF-8 become surrogates."""
    if not line.strip():
        return None
    try:
        row = _DECODER.decode(line.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{place}, column {error.colno}: not readable as json: {error.msg[:1].lower()}"
            f"{error.msg[1:]}; write one object a line"
        ) from None
    except (RecursionError, ValueError) as error:  # lists in lists, a number of 5,000 digits
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"{place}: not readable as json: {' '.join(said.split())}") from None
    return _as_row(row, place)


def _as_row(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - the user's mistake, not the caller's
            f"{place}: {_KINDS.get(type(value), 'null')} and no object: write one object a line, "
            'such as {"id": "1", "image_uri": "1.jpg"}'
        )
    return value
