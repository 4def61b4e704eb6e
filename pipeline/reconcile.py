"""Reconcile: what two writers left of the same rows becomes one row each.

A killed driver's last write tasks may finish after its successor has looked. Rows they wrote are
then done twice. Either copy is right, for the same row gives the same picture; one of them goes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.activity import doing
from pipeline.results import Committed, write_result
from pipeline.sql import query

logger = logging.getLogger(__name__)


@doing("looking for rows that came out twice")
def deduplicate(run_uri: str, committed: Sequence[Committed]) -> int:
    """Take every second copy of a row out of a run's result files; returns how many there were.

    All that is left of files is written before any file is deleted, and what was just written
    stays, also where a file of these rows was there before. So interrupted anywhere it leaves
    copies behind, never a gap: doing it again finishes it.
    """
    if not committed:
        return 0
    surplus = query(
        # A picture wins over a failure; between equals, the name decides, so that all agree.
        "SELECT file, list(sample_id) AS ids FROM (SELECT *, row_number() OVER "
        "(PARTITION BY sample_id ORDER BY failed, file) AS copy FROM done) "
        "WHERE copy > 1 GROUP BY file ORDER BY file",
        done=pa.concat_tables(
            file.outcomes.append_column("file", _name(file)) for file in committed
        ),
    ).read_all()
    dropped = {row["file"]: row["ids"] for row in surplus.to_pylist()}
    written = {_write_rest(run_uri, file, ids) for file, ids in dropped.items()}
    for file in dropped.keys() - written:
        storage.remove(storage.join(run_uri, "results", file))
    num_dropped = sum(map(len, dropped.values()))
    if num_dropped:
        logger.info("%d rows were written twice; the second copies are gone", num_dropped)
    return num_dropped


def _name(file: Committed) -> pa.Array:
    return pa.repeat(pa.scalar(file.file), file.outcomes.num_rows)


def _write_rest(run_uri: str, file: str, dropped: list[str]) -> str | None:
    """Write a file's rows without those that are dropped; None where none is left."""
    filesystem, path = storage.arrow_filesystem(storage.join(run_uri, "results", file))
    table = pq.read_table(path, filesystem=filesystem, partitioning=None)
    rest = table.filter(pc.invert(pc.is_in(table["sample_id"], pa.array(dropped))))
    return write_result(run_uri, rest) if rest.num_rows else None
