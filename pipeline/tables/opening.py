"""Opening a table by a name: what is there, in which format, and what of it was passed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.tables.finding import find
from pipeline.tables.formats import choose
from pipeline.tables.lakes.lake_formats import check_outside, open_lake
from pipeline.tables.parquet import open_parquet
from pipeline.tables.partitions import with_partitions
from pipeline.tables.reading_options import AS_IT_IS, Reading
from pipeline.tables.renamed_columns import renamed
from pipeline.tables.table import FileTable, Table
from pipeline.tables.text_files.delimited import open_delimited
from pipeline.tables.text_files.json_lines import open_json_lines
from pipeline.tables.values.readable import NO_UTF8
from pipeline.text.printable import first_line, visible


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A table that was found."""

    table: Table
    root: str
    """Folder that relative addresses in the rows start from."""
    version: str | None = None
    """The version that was read, of a table that some format keeps; None: of files."""
    passed_over: str | None = None
    """Which files were passed over, in words; None: none was."""
    no_text: str = NO_UTF8
    """The complaint about text that is no UTF-8, with the fix, for a message."""


def open_named(name: str, *, reading: Reading, key: str) -> Opened:
    """Open what a name stands for: a file, a folder, a pattern, or a table that some format keeps.

    Args:
        name: absolute.
        reading: what is to be known that the files do not say themselves.
        key: the column that tells rows apart.

    Raises:
        ValueError: there are no rows, or none that can be read; one line.
    """
    try:
        lake = open_lake(name)
    except OSError as error:
        raise ValueError(f"cannot be listed: {first_line(error)}") from None
    if lake is not None:
        _check_is_csv("a table", reading)
        table = renamed(lake.table, dict(reading.names))
        return Opened(table=table, root=lake.root, version=lake.version)
    found = find(name)
    check_outside(name, found.files, hidden=found.hidden, is_folder=found.is_folder)
    chosen = choose(found)
    if chosen is None:
        hidden = found.passed_over()
        what = "nothing there"
        if found.files:
            count, name = len(found.files), PurePosixPath(found.files[0]).name
            what = visible(
                f"no table there, by the ending of {count:,} file{'s' if count > 1 else ''} such "
                f"as {name}"
            )
        raise ValueError(
            f"{what}{'' if hidden is None else f' ({hidden})'}; name a Parquet, CSV or JSON "
            "Lines file, a folder of them, or a pattern such as 'catalog/*.parquet'"
        )
    said = [said for said in (found.passed_over(), chosen.passed_over()) if said is not None]
    return Opened(
        table=open_table(
            chosen.files, chosen.file_format, root=found.root, reading=reading, key=key
        ),
        root=found.root,
        passed_over="; ".join(said) or None,
        no_text=_no_text(chosen.file_format, reading),
    )


def open_table(
    files: Sequence[str],
    file_format: str,
    *,
    root: str | None = None,
    reading: Reading = AS_IT_IS,
    key: str | None = None,
) -> Table:
    """The rows of files that have one of the `FORMATS`, one file after another.

    Args:
        files: in their order.
        file_format: of them all.
        root: folder below which their folders may hold columns, and directly above it; None: none.
        reading: what is to be known of them that they do not say themselves.
        key: the column that tells rows apart, by the name that `reading` gives it: every file must
            have it if one has.

    Raises:
        ValueError: one line that names the file, the line in it where there are lines, and the
            fix.
    """
    written = None if key is None else reading.column(key)
    if file_format == "CSV":
        table: FileTable = open_delimited(files, reading=reading, key=written)
    else:
        _check_is_csv(file_format, reading)
        opener = {"Parquet": open_parquet, "JSON Lines": open_json_lines}[file_format]
        table = opener(files, key=written)
    whole = table if root is None else with_partitions(table, files, root)
    return renamed(whole, dict(reading.names))


def _check_is_csv(kind: str, reading: Reading) -> None:
    if reading.csv_delimiter or reading.csv_encoding:
        raise ValueError(
            f"is {kind}: --csv-delimiter and --csv-encoding are for CSV; leave them out"
        )


def _no_text(file_format: str, reading: Reading) -> str:
    if reading.csv_encoding is not None:
        return f"no {reading.csv_encoding}: correct them"
    if file_format == "CSV":
        return f"{NO_UTF8}, or say what all of the file is, such as --csv-encoding cp1252"
    return NO_UTF8
