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
from pipeline.results import Committed, write_result
from pipeline.sql import query

logger = logging.getLogger(__name__)


def deduplicate(run_uri: str, committed: Sequence[Committed]) -> int:
    """Take every second copy of a row out of a run's result files; returns how many there were.

    Interrupted between writing what is left of a file and deleting the file, it leaves copies
    behind, never a gap: doing it again finishes it.
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
    for row in surplus.to_pylist():
        _drop(storage.join(run_uri, "results", row["file"]), row["ids"], run_uri)
    num_dropped = sum(len(row["ids"]) for row in surplus.to_pylist())
    if num_dropped:
        logger.info("%d rows were written twice; the second copies are gone", num_dropped)
    return num_dropped


def _name(file: Committed) -> pa.Array:
    return pa.repeat(pa.scalar(file.file), file.outcomes.num_rows)


def _drop(file_uri: str, sample_ids: list[str], run_uri: str) -> None:
    filesystem, path = storage.arrow_filesystem(file_uri)
    table = pq.read_table(path, filesystem=filesystem, partitioning=None)
    kept = table.filter(pc.invert(pc.is_in(table["sample_id"], pa.array(sample_ids))))
    if kept.num_rows:
        write_result(run_uri, kept)
    storage.remove(file_uri)
