"""The ledger's SQL statements in plain Python, for tables of a few rows.

DuckDB takes some milliseconds to begin, however small a table, and a sequence has a hundred
statements. So here they are answered by hand; now and then DuckDB answers as well, and both must
agree. A statement that is not known here is DuckDB's alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.tables import sql

_SHARED = duckdb.connect(config={**sql._SEALED, "threads": 1})
_CHECKED_EVERY = 97
_Rows = list[dict[str, Any]]


class Statements:
    """Answers statements in place of `pipeline.tables.sql.query`."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    def query(self, statement: str, **tables: Any) -> pa.RecordBatchReader:
        """See `pipeline.tables.sql.query`."""
        known = _KNOWN.get(statement)
        read = {name: _read(table) for name, table in tables.items()}
        if known is None:
            self._counts["statements unknown"] += 1
            return _by_duckdb(statement, read)
        columns, answer = known
        rows = answer(**{name: table.to_pylist() for name, table in read.items()})
        self._counts[f"statement {statement}"] += 1
        if self._counts[f"statement {statement}"] % _CHECKED_EVERY == 1:
            self._counts["statements checked"] += 1
            theirs = _by_duckdb(statement, read).read_all().to_pylist()
            ours = pa.Table.from_pylist(rows, schema=columns).to_pylist()
            assert _sorted(theirs) == _sorted(ours), statement
        return pa.Table.from_pylist(rows, schema=columns).to_reader()


def _read(table: Any) -> pa.Table:
    if isinstance(table, pa.Table):
        return table
    return (table.reader if isinstance(table, sql.Stream) else table).read_all()


def _by_duckdb(statement: str, tables: dict[str, pa.Table]) -> pa.RecordBatchReader:
    cursor = _SHARED.cursor()
    for name, table in tables.items():
        cursor.register(name, table)
    return cursor.sql(statement).to_arrow_reader(2048)


def _sorted(rows: _Rows) -> list[str]:
    return sorted(map(str, ({**row, "ids": sorted(row.get("ids", []))} for row in rows)))


def _pending(plan: _Rows, done: _Rows) -> _Rows:
    ids, left = _ids(done), defaultdict(list)
    for row in plan:
        if row["sample_id"] not in ids:
            left[row["file"]].append(row["row"])
    return [{"file": file, "rows": sorted(left[file])} for file in sorted(left)]


def _second_copies(done: _Rows) -> _Rows:
    seen: set[str] = set()
    dropped = defaultdict(list)
    for row in sorted(done, key=lambda row: (row["failed"], row["retryable"], row["file"])):
        if row["sample_id"] in seen:
            dropped[row["file"]].append(row["sample_id"])
        seen.add(row["sample_id"])
    return [{"file": file, "ids": dropped[file]} for file in sorted(dropped)]


def _better(others: _Rows, listed: _Rows) -> _Rows:
    ranks = {row["sample_id"]: (row["failed"], row["retryable"]) for row in listed}
    found = {
        row["file"]
        for row in others
        if row["sample_id"] in ranks and (row["failed"], row["retryable"]) < ranks[row["sample_id"]]
    }
    return [{"file": file} for file in found]


def _answered(past: _Rows) -> _Rows:
    runs = defaultdict(set)
    for row in past:
        if row["finding"] is not None:
            runs[row["fingerprint"], row["finding"]].add(row["run"])
    twice = {fingerprint for (fingerprint, _), found in runs.items() if len(found) > 1}
    newest: dict[str, int] = {}
    for row in past:
        if row["healthy"] and row["regular"]:
            newest[row["sample_id"]] = max(row["run"], newest.get(row["sample_id"], 0))
    return [
        {"fingerprint": row["fingerprint"]}
        for row in past
        if (row["conclusive"] or row["fingerprint"] in twice)
        and row["run"] >= newest.get(row["sample_id"], 0)
    ]


def _newest(past: _Rows, *, of: Callable[[dict[str, Any]], bool]) -> _Rows:
    places: dict[str, int] = {}
    for row in filter(of, past):
        places[row["sample_id"]] = max(row["place"], places.get(row["sample_id"], -1))
    return [
        {"sample_id": id_, "place": place}
        for id_, place in sorted(places.items(), key=lambda item: item[1])
    ]


def _but(wanted: _Rows, others: _Rows) -> _Rows:
    left = _ids(others)
    return [{"sample_id": row["sample_id"]} for row in wanted if row["sample_id"] not in left]


def _doubled(done: _Rows) -> _Rows:
    times = Counter(row["sample_id"] for row in done)
    return [{"sample_id": id_} for id_, number in times.items() if number > 1]


def _ids(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {row["sample_id"] for row in rows}


_IDS = pa.schema([("sample_id", pa.string())])
_PLACES = pa.schema([("sample_id", pa.string()), ("place", pa.int64())])

_KNOWN: dict[str, tuple[pa.Schema, Callable[..., _Rows]]] = {
    "SELECT file, list(row ORDER BY row) AS rows FROM plan "
    "ANTI JOIN done USING (sample_id) GROUP BY file ORDER BY file": (
        pa.schema([("file", pa.int32()), ("rows", pa.list_(pa.int32()))]),
        _pending,
    ),
    "SELECT file, list(sample_id) AS ids FROM (SELECT *, row_number() OVER "
    "(PARTITION BY sample_id ORDER BY failed, retryable, file) AS copy FROM done) "
    "WHERE copy > 1 GROUP BY file ORDER BY file": (
        pa.schema([("file", pa.string()), ("ids", pa.list_(pa.string()))]),
        _second_copies,
    ),
    "SELECT DISTINCT others.file FROM others JOIN listed USING (sample_id) "
    "WHERE (others.failed, others.retryable) < (listed.failed, listed.retryable)": (
        pa.schema([("file", pa.string())]),
        _better,
    ),
    "WITH superseded AS (SELECT sample_id, max(run) AS run FROM past "
    "WHERE healthy AND regular GROUP BY sample_id), "
    "twice AS (SELECT fingerprint FROM past WHERE finding IS NOT NULL "
    "GROUP BY fingerprint, finding HAVING count(DISTINCT run) > 1) "
    "SELECT fingerprint FROM past LEFT JOIN superseded USING (sample_id) "
    "WHERE (conclusive OR fingerprint IN (FROM twice)) "
    "AND past.run >= coalesce(superseded.run, 0)": (
        pa.schema([("fingerprint", pa.string())]),
        _answered,
    ),
    **{
        f"SELECT sample_id, max(place) AS place FROM past WHERE {where} "
        "GROUP BY sample_id ORDER BY place": (_PLACES, lambda past, of=of: _newest(past, of=of))
        for where, of in {"healthy": lambda row: row["healthy"], "true": bool}.items()
    },
    "SELECT sample_id FROM plan ANTI JOIN done USING (sample_id) ORDER BY sample_id": (
        _IDS,
        lambda plan, done: _but(plan, done),
    ),
    "SELECT sample_id FROM done ANTI JOIN plan USING (sample_id) ORDER BY sample_id": (
        _IDS,
        lambda plan, done: _but(done, plan),
    ),
    "SELECT sample_id FROM done GROUP BY sample_id HAVING count(*) > 1 ORDER BY sample_id": (
        _IDS,
        lambda plan, done: _doubled(done),
    ),
}
