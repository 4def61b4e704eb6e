"""CSV files as one table of text: what the columns mean is for others to say.

Read by Python's own reader in its strict mode: a row that has too many values, and a quote that is
left open and would swallow the rows after it, are told with their line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

from pipeline.tables.streams import BATCH_ROWS, MOST_ROW_BYTES, lines, opened
from pipeline.tables.table import Table
from pipeline.tables.text import array_of, is_utf8
from pipeline.tables.union import union
from pipeline.threads import in_threads


@dataclass(frozen=True, kw_only=True, slots=True)
class _Delimited:
    headers: Mapping[str, Sequence[str]]
    """By file, in their order."""
    schema: pa.Schema
    conflicts: Mapping[str, str]

    @property
    def untyped(self) -> frozenset[str]:
        return frozenset(self.schema.names)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        for file, header in self.headers.items():
            positions = [header.index(name) if name in header else None for name in columns]
            for rows in _blocks(file, len(header)):
                # An empty cell is null; a brand may well be called NA.
                arrays = [
                    pa.nulls(len(rows), pa.string())
                    if position is None
                    else array_of([row[position] or None for row in rows], pa.string())
                    for position in positions
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def count(self) -> int:
        blocks = (_blocks(file, len(header)) for file, header in self.headers.items())
        return sum(map(len, chain.from_iterable(blocks)))


def open_delimited(files: Sequence[str]) -> Table:
    """Read the headers of all files. Raises ValueError, which names the file."""
    headers = dict(zip(files, in_threads(_header, files), strict=True))
    united = union(
        (file, pa.schema([(name, pa.string()) for name in header]))
        for file, header in headers.items()
    )
    return _Delimited(headers=headers, schema=united.schema, conflicts=united.conflicts)


def _header(file: str) -> Sequence[str]:
    for _, header in _records(file):
        if not all(map(is_utf8, header)):
            raise ValueError(f"{file}: a column's name is no UTF-8: save the file as UTF-8")
        return header
    raise ValueError(
        f"{file}: not readable as csv: it is empty, and its first line should name the columns"
    )


def _blocks(file: str, width: int) -> Iterator[list[list[str]]]:
    """Rows below the header, a few at a time; each has a value for each column."""
    block: list[list[str]] = []
    records = _records(file)
    next(records, None)
    for line, row in records:
        if len(row) != width:
            raise ValueError(
                f"{file}, line {line}: {len(row)} values, and the header names {width} columns: "
                "put a value that holds a comma or a line break into double quotes"
            )
        block.append(row)
        if len(block) == BATCH_ROWS:
            yield block
            block = []
    if block:
        yield block


def _records(file: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line that it begins in."""
    csv.field_size_limit(MOST_ROW_BYTES)  # of the process; Python's 128 kB are few
    with opened(file) as stream:
        # Bytes that are no UTF-8 travel on as surrogates: they may be in a column nobody reads.
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        found = lines(text, file, most=MOST_ROW_BYTES, otherwise="is it a CSV file?")
        reader = csv.reader(found, strict=True)
        begins = 1
        try:
            for row in reader:
                if row:
                    yield begins, row
                begins = reader.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{file}, line {begins}: {_explained(str(error))}") from None


def _explained(said: str) -> str:
    if "unexpected end of data" in said or "field limit" in said:
        return "a double quote is opened and never closed: close it, or double it where it is meant"
    if "expected after" in said:
        return (
            "a value goes on after its closing double quote: double the quotes within a value, or "
            "close the one that an earlier line left open"
        )
    return said
