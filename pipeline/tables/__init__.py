"""Files as one table: Parquet, CSV, JSON or a lake, with the columns of all.

`table` says what a table is, and `opening` leads from a name to one: `finding` finds its files,
`formats` their format, `reading_options` is what somebody says of them. `writing` is the way out:
how the files that we write are encoded. No manifest and no recipe is known here.
"""

from __future__ import annotations

from pipeline.tables.finding import find
from pipeline.tables.formats import FORMATS, choose
from pipeline.tables.opening import Opened, open_named, open_table
from pipeline.tables.reading_options import AS_IT_IS, Reading, parse_reading
from pipeline.tables.similar_names import bare, nearest
from pipeline.tables.table import UNTYPED, Table
from pipeline.tables.values.cell_sizes import MOST_OF_COLUMN, bounded
from pipeline.tables.values.exact import (
    Portable,
    as_meant,
    can_hold,
    differing,
    exactly,
    is_within,
    joined,
    portable,
    type_named,
)
from pipeline.tables.values.readable import NO_UTF8, Faults, python_rows, readable
from pipeline.tables.values.spelled import is_number, spelled
from pipeline.tables.values.union import is_text, union
from pipeline.tables.values.untyped import Kind, as_kind, is_kind, types_of

__all__ = [
    "AS_IT_IS",
    "FORMATS",
    "MOST_OF_COLUMN",
    "NO_UTF8",
    "UNTYPED",
    "Faults",
    "Kind",
    "Opened",
    "Portable",
    "Reading",
    "Table",
    "as_kind",
    "as_meant",
    "bare",
    "bounded",
    "can_hold",
    "choose",
    "differing",
    "exactly",
    "find",
    "is_kind",
    "is_number",
    "is_text",
    "is_within",
    "joined",
    "nearest",
    "open_named",
    "open_table",
    "parse_reading",
    "portable",
    "python_rows",
    "readable",
    "spelled",
    "type_named",
    "types_of",
    "union",
]
