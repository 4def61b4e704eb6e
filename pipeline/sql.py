"""The one door to DuckDB: SQL over Arrow tables, and over nothing else of this machine."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
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
    """Refuse what is not one SQL expression, by itself; then try it on no rows.

    Raises:
        ValueError: one line saying what is wrong with it.
    """
    _check_is_one_expression(condition)
    # Rows come and go once, in a stream: a condition that named their table would read it twice.
    name = f"rows_{uuid.uuid4().hex}"
    query(f"SELECT 1 FROM {name} WHERE ({condition})", **{name: columns.empty_table()}).read_all()


_MOST_CHARACTERS = 100_000
"""Of a condition: a list of some ten thousand ids. Parsing takes more than linear time."""
_PLACES = ("SELECT {}", "SELECT true WHERE ({})")
"""Where one expression, and nothing else, may stand. In the first a closing bracket or a semicolon
too many shows, in the second a keyword or an alias."""


def _check_is_one_expression(condition: str) -> None:
    """A condition is pasted into a statement: it must not be able to end, or to add to, that."""
    if not condition.strip():
        raise ValueError("is empty: write a condition such as \"brand = 'Acme'\", or leave it out")
    if len(condition) > _MOST_CHARACTERS:
        raise ValueError(
            f"has {len(condition)} characters, at most {_MOST_CHARACTERS} are taken: put what it "
            "lists into a column of the manifest"
        )
    if "\0" in condition or not _is_utf8(condition):
        raise ValueError("holds a character that is no text: write it in UTF-8, without NUL")
    with suppress(duckdb.Error):  # what it cannot read, the parser says better
        if any(kind == duckdb.token_type.comment for _, kind in duckdb.tokenize(condition)):
            raise ValueError("must be one expression, without comments: take them out")
    for place in _PLACES:
        if _around(place.format(condition)) != _around(place.format("true")):
            raise ValueError(
                "must be one expression, without an alias, a parameter or a clause of its own, "
                "such as \"brand = 'Acme' AND price > 5\""
            )


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config=_SEALED)


def _around(statements: str) -> Any:
    """What DuckDB's own parser finds around the one expression that statements should hold."""
    asked = _parser().cursor().execute("SELECT json_serialize_sql(?)", [statements])
    try:
        parsed = json.loads(str(asked.fetchall()[0][0]))
    except RecursionError:
        raise ValueError("is nested too deeply: write it with fewer brackets") from None
    if parsed["error"]:
        said = str(parsed["error_message"])
        raise ValueError(_one_line(f"{parsed['error_type']} error: {said}"))
    for statement in parsed["statements"]:
        node = statement["node"]
        node["where_clause"] = node.get("where_clause") is not None
        aliases = [expression["alias"] for expression in node.get("select_list", ())]
        node["select_list"] = aliases
    return parsed


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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


def _one_line(error: Exception | str) -> str:
    # DuckDB goes on to quote the statement, which holds parts that the user did not write.
    said = str(error).partition("\n\nLINE")[0]
    return " ".join(said.split())
