"""Reconcile: what several writers left of the same rows becomes one row each.

A killed driver's last write tasks may finish after its successor has looked; a block whose receipt
got lost is done again. Rows are then there twice, in files that overlap. Either copy is right, for
the same row gives the same picture; one of them counts.

Nothing is deleted before it is decided which files count, and then only others. The decision is a
document, `results.json`, that is created once: of two drivers who decide, one prevails, also over
one that was stopped and goes on when its run is long finished. So there is no moment at which a row
is not there, whoever is killed or stopped wherever, and whatever is called next.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from pipeline import storage
from pipeline.processes.activity import doing
from pipeline.runs.conservation import num_distinct
from pipeline.runs.documents import as_json, files_that_count
from pipeline.runs.result_files import (
    Committed,
    ids_of,
    read_committed,
    read_without,
    without,
    write_result,
)
from pipeline.runs.stored_files import open_parquet
from pipeline.tables.sql import query

logger = logging.getLogger(__name__)

_DECISION = "results.json"


def counted_once(run_uri: str, committed: Sequence[Committed]) -> list[Committed]:
    """What the result files come to when each row counts once. Nothing is written or deleted."""
    dropped = _second_copies(committed)
    counted = []
    for file in committed:
        ids = dropped.get(file.file, ())
        if not ids:
            counted.append(file)
        elif len(ids) < file.outcomes.num_rows:
            counted.append(read_without(run_uri, file.file, ids))
    return counted


@doing("looking for rows that came out twice")
def deduplicate(run_uri: str, committed: Sequence[Committed]) -> int:
    """Decide which result files count, and delete all others; returns how many rows went.

    To be called when every row is there. Interrupted anywhere it leaves copies behind, never a
    gap: doing it again finishes it. Readers go by the decision from the moment it stands.

    Args:
        run_uri: the run's folder.
        committed: every readable file of it.
    """
    listed, late = files_that_count(run_uri), frozenset[str]()
    if listed is not None and _covers(listed, committed):
        late = _written_late(listed, committed)
    else:
        # One that stands and does not cover what is there speaks of files that somebody deleted.
        listed = _decide(run_uri, committed, again=listed is not None)
        if listed is None:
            return deduplicate(run_uri, read_committed(run_uri)[0])
    for file in committed:
        if file.file not in late.union(listed):
            storage.remove(storage.join(run_uri, "results", file.file))
    num_dropped = _num_rows(committed) - _num_distinct(committed)
    if num_dropped:
        logger.info("%d rows were written twice; the second copies are gone", num_dropped)
    return num_dropped


def _decide(run_uri: str, committed: Sequence[Committed], *, again: bool) -> tuple[str, ...] | None:
    """Choose files that hold every row once, and say so; None: another driver has said so first.

    What is left of a file whose other rows are second copies is a new file.
    """
    dropped = _second_copies(committed)
    names = {file.file for file in committed} - dropped.keys()
    sizes = {file.file: file.outcomes.num_rows for file in committed}
    for file, ids in dropped.items():
        if len(ids) < sizes[file]:
            names.add(_write_rest(run_uri, file, ids))
    decision = as_json({"results": sorted(names)})
    uri = storage.join(run_uri, _DECISION)
    if again:
        storage.write(uri, decision)
    elif not storage.create(uri, decision):
        return None
    return tuple(names)


def _second_copies(committed: Sequence[Committed]) -> Mapping[str, Sequence[str]]:
    """Ids of rows that do not count, by file."""
    if _num_distinct(committed) == _num_rows(committed):
        return {}
    surplus = query(
        # A picture wins over a failure, and one that is final over one that is worth another try;
        # between equals the name decides, so that all agree.
        "SELECT file, list(sample_id) AS ids FROM (SELECT *, row_number() OVER "
        "(PARTITION BY sample_id ORDER BY failed, retryable, file) AS copy FROM done) "
        "WHERE copy > 1 GROUP BY file ORDER BY file",
        done=_outcomes(committed),
    ).read_all()
    return {row["file"]: row["ids"] for row in surplus.to_pylist()}


def _covers(listed: Collection[str], committed: Sequence[Committed]) -> bool:
    """Whether files that are listed are all there, and hold every row of all files once."""
    chosen = [file for file in committed if file.file in set(listed)]
    num_rows = _num_rows(chosen)
    return len(chosen) == len(listed) and (
        num_rows == _num_distinct(chosen) == _num_distinct(committed)
    )


def _written_late(listed: Collection[str], committed: Sequence[Committed]) -> frozenset[str]:
    """Other files in which a row came out better than in one that is listed.

    Such a one was written too late to count, and stays: a night may have seen it before that was
    decided, left its rows out, and vouched for the file.
    """
    others = [file for file in committed if file.file not in set(listed)]
    if not others:
        return frozenset()
    found = query(
        "SELECT DISTINCT others.file FROM others JOIN listed USING (sample_id) "
        "WHERE (others.failed, others.retryable) < (listed.failed, listed.retryable)",
        others=_outcomes(others),
        listed=_outcomes([file for file in committed if file.file in set(listed)]),
    ).read_all()
    return frozenset(found["file"].to_pylist())


def _outcomes(files: Sequence[Committed]) -> pa.Table:
    return pa.concat_tables(
        file.outcomes.append_column("file", pa.repeat(pa.scalar(file.file), len(file.outcomes)))
        for file in files
    )


def _num_rows(files: Sequence[Committed]) -> int:
    return sum(int(file.outcomes.num_rows) for file in files)


def _num_distinct(committed: Sequence[Committed]) -> int:
    return num_distinct(ids_of(committed))


def _write_rest(run_uri: str, file: str, dropped: Sequence[str]) -> str:
    with open_parquet(storage.join(run_uri, "results", file)) as opened:
        return write_result(run_uri, without(opened.read(), dropped))
