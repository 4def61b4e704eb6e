"""The one door to DuckDB: SQL over Arrow tables, and over nothing else of this machine."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

import duckdb
import pyarrow as pa

_BATCH_ROWS = 2048
# A condition comes from a command line or a schedule: it must not read files or load extensions.
_SEALED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
    # Of a machine that runs workers, too; what is asked of rows streams through.
    "memory_limit": "50%",
    "threads": 4,
}


class Stream:
    """Rows for a query that are made while it runs, and that can be read once.

    What their maker raises is what the query raises, and not what DuckDB makes of it.
    """

    def __init__(self, columns: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self.failure: Exception | None = None
        self.reader = pa.RecordBatchReader.from_batches(columns, self._watched(batches))

    def _watched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            self.failure = error
            raise


def query(*statements: str, **tables: Any) -> pa.RecordBatchReader:
    """Run SQL over Arrow tables or `Stream`s, named by keyword; rows keep their order.

    Args:
        statements: the last of which is asked for rows; each is one.
        tables: what they are about.

    Raises:
        ValueError: one line saying what is wrong with the SQL or, while rows are read from the
            answer, with the data.
    """
    connection = duckdb.connect(config=_SEALED)
    streams = [table for table in tables.values() if isinstance(table, Stream)]
    try:
        for name, table in tables.items():
            connection.register(name, table.reader if isinstance(table, Stream) else table)
        *before, last = map(_one_statement, statements)
        for statement in before:
            connection.execute(statement)
        if last.type is not duckdb.StatementType.SELECT:
            raise ValueError("is no question: write one expression")
        answer = connection.sql(last.query).to_arrow_reader(_BATCH_ROWS)
    except duckdb.Error as error:
        raise _cause(error, streams) from None
    return pa.RecordBatchReader.from_batches(answer.schema, _streamed(answer, streams))


def _one_statement(sql: str) -> duckdb.Statement:
    """The statement in a text that holds just one: whatever was pasted into it has added none."""
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise ValueError("must be one statement: write one expression, without a semicolon")
    return statements[0]


def check_condition(condition: str, columns: pa.Schema, *, known: Iterable[str] = ()) -> None:
    """Refuse what is not one SQL expression, by itself; then try it on no rows.

    Args:
        condition: one expression.
        columns: what it may speak of.
        known: other columns that are there, for the message: "did you mean".

    Raises:
        ValueError: one line saying what is wrong with it.
    """
    _check_is_one_expression(condition)
    # Rows come and go once, in a stream: a condition that named their table would read it twice.
    name = f"rows_{uuid.uuid4().hex}"
    statement = f"SELECT 1 FROM {name} AS manifest WHERE ({condition})"
    names = {column.casefold() for column in columns.names}
    others = [pa.field(other, pa.string()) for other in known if other.casefold() not in names]
    query(statement, **{name: pa.schema([*columns, *others]).empty_table()}).read_all()


_MOST_CHARACTERS = 1_000_000
"""The most characters of a condition: a list of some ten thousand ids."""
_CONDITIONS = 16
"""The number of parsed conditions that are remembered: each is asked about several times, and a
long one takes seconds."""
_PLACES = ("SELECT {}", "SELECT true WHERE ({})")
"""Statements in which one expression, and nothing else, may stand. In the first a closing bracket
or a semicolon too many shows, in the second a keyword or an alias."""


def columns_of(condition: str, columns: Sequence[str]) -> list[str] | None:
    """The columns that a condition speaks of, and maybe more; None: any, by a pattern.

    Raises:
        ValueError: it is not one expression.
    """
    named = _named(condition)
    return None if named is None else [name for name in columns if name.casefold() in named]


@lru_cache(maxsize=_CONDITIONS)
def _named(condition: str) -> frozenset[str] | None:
    """The columns that a condition names, in small letters. Raises as `columns_of`."""
    _check_is_one_expression(condition)
    named: set[str] = set()
    any_column = False
    for node in _nodes(_parsed(f"SELECT {condition}")):
        if node.get("class") == "FUNCTION" and node["function_name"] in _volatile():
            raise ValueError(
                f"{node['function_name']}() selects other rows each time it is asked: write what "
                "stays, such as hash(id) % 100 = 0 for one row in a hundred"
            )
        any_column |= node.get("class") == "STAR"
        if node.get("class") == "COLUMN_REF":  # `error.code`: a column and what is in it
            named.update(name.casefold() for name in node["column_names"])
    return None if any_column else frozenset(named)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending += node.values()
        elif isinstance(node, list):
            pending += node


@lru_cache(maxsize=_CONDITIONS)
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


@cache
def _volatile() -> frozenset[str]:
    """Functions that give the same row something else each time."""
    functions = (
        _parser()
        .cursor()
        .execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
        )
    )
    return frozenset(name for (name,) in functions.fetchall()) - {"error"}


def _parsed(statements: str) -> Any:
    """The syntax tree of DuckDB's own parser."""
    cursor = _parser().cursor().execute("SELECT json_serialize_sql(?)", [statements])
    try:
        parsed = json.loads(str(cursor.fetchall()[0][0]))
    except RecursionError:
        raise ValueError("is nested too deeply: write it with fewer brackets") from None
    if parsed["error"]:
        message = str(parsed["error_message"])
        raise ValueError(_one_line(f"{parsed['error_type']} error: {message}"))
    return parsed


def _around(statements: str) -> Any:
    """The syntax tree of statements around the one expression that they should hold."""
    parsed = _parsed(statements)
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


def _streamed(answer: pa.RecordBatchReader, streams: Sequence[Stream]) -> Iterator[pa.RecordBatch]:
    try:
        yield from answer
    except OSError as error:  # a value that the condition stumbles over, far into the rows
        raise _cause(error, streams) from None


def _cause(error: Exception, streams: Sequence[Stream]) -> Exception:
    failures = (stream.failure for stream in streams if stream.failure is not None)
    return next(failures, ValueError(_one_line(error)))


def _one_line(error: Exception | str) -> str:
    # DuckDB goes on to quote the statement, which holds parts that the user did not write.
    message = str(error).partition("\n\nLINE")[0]
    return " ".join(message.split())
