"""The one door to DuckDB: SQL over Arrow tables, and over nothing else of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

_BATCH_ROWS = 2048
# A condition comes from a command line or a schedule: it must not read files or load extensions.
_SEALED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def query(sql: str, **tables: Any) -> pa.RecordBatchReader:
    """Run `sql` over Arrow tables or datasets, named by keyword; rows keep their order.

    Raises:
        ValueError: one line saying what is wrong with the SQL or, while rows are read from the
            answer, with the data.
    """
    connection = duckdb.connect(config=_SEALED)
    for name, table in tables.items():
        connection.register(name, table)
    try:
        answer = connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
    except duckdb.Error as error:
        raise ValueError(_one_line(error)) from None
    return pa.RecordBatchReader.from_batches(answer.schema, _streamed(answer))


def check_condition(condition: str, columns: pa.Schema) -> None:
    """Try a WHERE condition on no rows.

    Raises:
        ValueError: one line saying what is wrong with it.
    """
    # The line break ends a comment that the condition may end in.
    query(f"SELECT 1 FROM nothing WHERE ({condition}\n)", nothing=columns.empty_table()).read_all()


def quoted(name: str) -> str:
    """A column name as SQL takes any name."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def _streamed(answer: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from answer
    except OSError as error:  # a value that the condition stumbles over, far into the rows
        raise ValueError(_one_line(error)) from None


def _one_line(error: Exception) -> str:
    # DuckDB goes on to quote the statement, which holds parts that the user did not write.
    said = str(error).partition("\n\nLINE")[0]
    return " ".join(said.split())
