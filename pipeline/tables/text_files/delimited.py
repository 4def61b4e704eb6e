"""CSV files as one table of text: what the columns mean is for others to say.

Read by Python's own reader in its strict mode: a row that has too many values, and a quote that is
left open and would swallow the rows after it, are told with their line. What separates the values
is seen in each file's header.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa

from pipeline.storage.parallel import in_threads
from pipeline.tables.reading_options import AS_IT_IS, Reading
from pipeline.tables.table import FileTable
from pipeline.tables.text_files.streams import (
    BATCH_BYTES,
    BATCH_ROWS,
    MOST_ROW_BYTES,
    lines,
    opened,
)
from pipeline.tables.values.arrow_text import array_of, is_utf8
from pipeline.tables.values.union import check_key, union

_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
_NOTHING = ' ,;\t|"\r\n'
_EXCELS = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""A first line that Excel takes for no row."""
_JSON = re.compile(r'\s*(\{\s*"|\[\s*[\[{])')
_VALUE = re.compile(r"://|\.(jpe?g|png|webp|tiff?|avif|gif)$", re.IGNORECASE)
"""Signs of a value, an address or a file of a picture, which no column is called."""
_LOOKED_BELOW = 20
"""Lines below the first in which the names of the columns may stand."""


class _Header(NamedTuple):
    names: Sequence[str]
    """The names of the columns; empty where one has none. No names at all: the file has no rows."""
    delimiter: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Delimited:
    headers: Mapping[str, _Header]
    """The header of each file, in the order of the files."""
    encoding: str | None
    schema: pa.Schema
    conflicts: Mapping[str, str]

    @property
    def untyped(self) -> frozenset[str]:
        return frozenset(self.schema.names)

    @property
    def doubtful(self) -> frozenset[str]:
        return frozenset()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return (batch for _, batch in self.batches_by_file(columns))

    def columns_of(self, file: str) -> Collection[str]:
        return self.headers[file].names

    def batches_by_file(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        for file, (header, _) in self.headers.items():
            positions = [header.index(name) if name in header else None for name in columns]
            for rows in self._blocks(file):
                # An empty cell is null; a brand may well be called NA.
                arrays = [
                    pa.nulls(len(rows), pa.string())
                    if position is None
                    else array_of([row[position] or None for row in rows], pa.string())
                    for position in positions
                ]
                yield file, pa.RecordBatch.from_arrays(arrays, schema=schema)

    def count(self) -> int:
        return sum(len(rows) for file in self.headers for rows in self._blocks(file))

    def _blocks(self, file: str) -> Iterator[list[list[str]]]:
        header = self.headers[file]
        return _blocks(file, header, self.encoding) if header.names else iter(())


def open_delimited(
    files: Sequence[str], *, reading: Reading = AS_IT_IS, key: str | None = None
) -> FileTable:
    """Read the headers of all files.

    Args:
        files: in their order.
        reading: what separates values, and the encoding, where that is said.
        key: a column that every file must have if one has it. What stands beside it in a header is
            what separates the values.

    Raises:
        ValueError: which names the file.
    """
    found = in_threads(partial(_header, reading=reading, key=key), files)
    headers = dict(zip(files, found, strict=True))
    named = {file: [n for n in header.names if n] for file, header in headers.items()}
    if not any(named.values()):
        raise ValueError(_empty(files[0]))
    check_key(key, named)
    united = union(
        (file, pa.schema([(name, pa.string()) for name in names])) for file, names in named.items()
    )
    return _Delimited(
        headers=headers,
        encoding=reading.csv_encoding,
        schema=united.schema,
        conflicts=united.conflicts,
    )


def _header(file: str, *, reading: Reading, key: str | None) -> _Header:
    separated = partial(_delimiter, file=file, key=key, told=reading.csv_delimiter)
    records = _records(file, separated, reading.csv_encoding)
    for _, delimiter, header in records:
        if not all(map(is_utf8, header)):
            raise ValueError(
                f"{file}: a column's name is no UTF-8: save the file as UTF-8, or say what it is, "
                "such as --csv-encoding cp1252"
            )
        if key is not None and key not in header:
            _check_is_header(file, header, key, records)
        # Excel writes cells beside its table, and pandas its index, under no name.
        return _Header([name if name.strip() else "" for name in header], delimiter)
    if PurePosixPath(file).name.startswith("part-"):  # Spark's, of a partition without rows
        return _Header([], ",")
    raise ValueError(_empty(file))


def _check_is_header(
    file: str,
    header: Sequence[str],
    key: str,
    below: Iterator[tuple[int, str, list[str]]],
) -> None:
    """Say what seems to be the matter with a first line that does not name a column."""
    line = None
    with suppress(ValueError):  # of a quote, whoever reads the rows says it
        some = islice(below, _LOOKED_BELOW)
        line = next((number for number, _, row in some if _may_be_header(row, key)), None)
    if line is not None:
        raise ValueError(
            f"{file}: line {line} seems to name the columns, as {key!r} stands there: take out the "
            "lines above it"
        )
    value = next((cell for cell in header if _VALUE.search(cell.strip())), None)
    if value is not None:
        raise ValueError(
            f"{file}: its first line should name the columns, and holds {value[:80]!r}: write the "
            "names above it, such as id,image_uri,prompt"
        )


def _may_be_header(row: Sequence[str], key: str) -> bool:
    """Whether a row is nothing but names; `id` may well be a value, such as of a language."""
    named = [cell for cell in row if cell.strip()]
    is_value = any(_VALUE.search(cell.strip()) or cell.strip().isdecimal() for cell in named)
    return key in named and 1 < len(named) == len(set(named)) and not is_value


def _empty(file: str) -> str:
    return f"{file}: not readable as csv: it is empty, and its first line should name the columns"


def _delimiter(
    line: str, excels: str | None, *, file: str, key: str | None, told: str | None
) -> str:
    """The delimiter between the values of a file.

    Args:
        line: the header.
        excels: what the file itself says, in Excel's way.
        file: a `.tsv` has tabs where nothing else is seen.
        key: a column: what stands beside it separates, and nothing else does.
        told: by whoever wants the file read.
    """
    if _JSON.match(line):
        raise ValueError(f"{file}: is JSON: call it .jsonl or .json")
    said = told or excels
    found = {
        one: next(csv.reader([line], delimiter=one), []) for one in (*_DELIMITERS, said or ",")
    }
    apart = re.search(rf"(?<!\w){re.escape(key)}[\"']?(\W)", line.strip()) if key else None
    if apart is not None and len(found[said] if said else max(found.values(), key=len)) == 1:
        raise ValueError(
            f"{file}: {_NAMES.get(said or ',', said)!r} separates nothing in its first line, "
            f"{line.strip()[:80]!r}: say what does, such as --csv-delimiter {apart[1]!r}"
        )
    if said:
        return said
    certain = [one for one, names in found.items() if len(names) > 1 and key in names]
    if len(certain) == 1:
        return certain[0]
    is_tsv = PurePosixPath(file.removesuffix(PurePosixPath(file).suffix)).suffix == ".tsv"
    usual = "\t" if is_tsv or PurePosixPath(file).suffix.lower() in (".tsv", ".tab") else ","
    return max(_DELIMITERS, key=lambda one: (len(found[one]), one == usual))


def _blocks(file: str, header: _Header, encoding: str | None) -> Iterator[list[list[str]]]:
    """Rows below the header, a few at a time; each has a value for each column."""
    block, num_signs = list[list[str]](), 0
    records = _records(file, lambda *_: header.delimiter, encoding)
    next(records, None)
    width = len(header.names)
    # A delimiter at the end of the header names nothing, and rows may do without theirs.
    least = max((place for place, name in enumerate(header.names, start=1) if name), default=0)
    for line, _, row in records:
        if len(row) < least or any(row[width:]):
            also = ", or take the line out if it is no row" if len(row) == 1 else ""
            raise ValueError(
                f"{file}, line {line}: {len(row)} values, and the header names {width} columns: "
                f"put a value that holds a {_NAMES.get(header.delimiter, header.delimiter)} or a "
                f"line break into double quotes{also}"
            )
        block.append(row)
        num_signs += sum(map(len, row))
        if len(block) == BATCH_ROWS or num_signs >= BATCH_BYTES:
            yield block
            block, num_signs = [], 0
    if block:
        yield block


def _records(
    file: str, separated: Callable[[str, str | None], str], encoding: str | None
) -> Iterator[tuple[int, str, list[str]]]:
    """Rows in which anything stands, each with the line that it begins in and what separates."""
    csv.field_size_limit(MOST_ROW_BYTES)  # of the process; Python's 128 kB are few
    with opened(file, encoding=encoding) as stream:
        # Bytes that are no UTF-8 travel on as surrogates: they may be in a column nobody reads.
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        records = lines(text, file, most=MOST_ROW_BYTES, otherwise="is it a CSV file?")
        num_before, first, excels = _start(records)
        delimiter = separated(first, excels)
        reader = csv.reader(chain([first], records), strict=True, delimiter=delimiter)
        begins = num_before + 1
        try:
            for row in reader:
                # Excel ends its files with rows of nothing but delimiters.
                if any(cell and not cell.isspace() for cell in row):
                    yield begins, delimiter, row
                begins = num_before + reader.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{file}, line {begins}: {_explained(str(error))}") from None


def _start(found: Iterator[str]) -> tuple[int, str, str | None]:
    """The number of lines before the header, its first line, and the delimiter that Excel names."""
    excels = None
    for number, line in enumerate(found):
        told = _EXCELS.fullmatch(line) if excels is None else None
        if told is not None:
            excels = told[1]
        elif line.strip(_NOTHING):
            return number, line, excels
    return 0, "", excels


def _explained(said: str) -> str:
    if "unexpected end of data" in said or "field limit" in said:
        return "a double quote is opened and never closed: close it, or double it where it is meant"
    if "expected after" in said:
        return (
            "a value goes on after its closing double quote: double the quotes within a value (in "
            "Spark, option escape='\"'), or close the one that an earlier line left open"
        )
    return said
