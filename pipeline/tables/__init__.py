"""Files of rows as one table: Parquet, CSV and JSON Lines, with the columns of all files together.

`table` says what a table is, `finding` finds its files, `reading` is what somebody says of them.
`parquet`, `delimited` and `json_lines` read one format each, `union` brings the columns of many
files under one schema, `renamed` gives columns other names, `spelled` makes text of the numbers in
one. `exact` brings values under
another type. `untyped` finds the types of values
that are text, `text` carries it from Python to Arrow, and `readable` finds what of it cannot be
read. No manifest and no recipe is known here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.tables.delimited import open_delimited
from pipeline.tables.exact import (
    as_meant,
    can_hold,
    exactly,
    in_microseconds,
    type_named,
    without_nanoseconds,
)
from pipeline.tables.json_lines import open_json_lines
from pipeline.tables.parquet import open_parquet
from pipeline.tables.readable import Faults, python_rows, readable
from pipeline.tables.reading import AS_IT_IS, Reading, parse_reading
from pipeline.tables.renamed import nearest, renamed
from pipeline.tables.spelled import is_number, spelled
from pipeline.tables.table import UNTYPED, Table
from pipeline.tables.union import is_text
from pipeline.tables.untyped import Kind, as_kind, is_kind, types_of

__all__ = [
    "AS_IT_IS",
    "FORMATS",
    "UNTYPED",
    "Faults",
    "Kind",
    "Reading",
    "Table",
    "as_kind",
    "as_meant",
    "can_hold",
    "exactly",
    "in_microseconds",
    "is_kind",
    "is_number",
    "is_text",
    "nearest",
    "open_table",
    "parse_reading",
    "python_rows",
    "readable",
    "renamed",
    "spelled",
    "type_named",
    "types_of",
    "without_nanoseconds",
]

FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".csv": "CSV",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
}
"""By the ending of a file's name, in lower case."""

_OPENERS = {
    "Parquet": open_parquet,
    "CSV": open_delimited,
    "JSON Lines": open_json_lines,
}


def open_table(files: Sequence[str], file_format: str) -> Table:
    """The rows of files that have one of the `FORMATS`, one file after another.

    Raises:
        ValueError: one line that names the file, the line in it where there are lines, and the
            fix.
    """
    return _OPENERS[file_format](files)
