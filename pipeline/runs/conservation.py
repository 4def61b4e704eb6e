"""Conservation of rows: what was planned against what was counted, by `sample_id`.

The only place that decides which rows are lost, duplicated or unexpected. Who asks brings the ids:
those of the plan, and those of the result files that count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.sql import query

POSITIONS = pa.schema([("file", pa.int32()), ("row", pa.int32()), ("sample_id", pa.string())])
"""Planned rows: the number of their plan file, and where in it they are."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Samples that are in one way not as they should be."""

    count: int
    examples: tuple[str, ...]
    """The first of them, by the alphabet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conservation:
    """How counted rows differ from planned ones."""

    lost: Ids
    """Planned, and not counted."""
    duplicated: Ids
    """Counted more than once."""
    unexpected: Ids
    """Counted, and not planned; named as often as they are there."""

    def by_kind(self) -> dict[str, Ids]:
        """All three by their names, also those of which there are none."""
        kinds = ("lost", "duplicated", "unexpected")
        return {kind: getattr(self, kind) for kind in kinds}


def compare(
    planned: Iterable[pa.Array], counted: Iterable[pa.Array], *, num_examples: int
) -> Conservation:
    """Hold counted rows against planned ones.

    Args:
        planned: ids of the plan, in parts.
        counted: ids of the result files, in parts.
        num_examples: how many ids to name of each kind, at most.
    """
    plan, done = _table(planned), _table(counted)
    # The order makes the same discrepancy read the same, whoever recounts.
    statements = {
        "lost": "SELECT sample_id FROM plan ANTI JOIN done USING (sample_id)",
        "duplicated": "SELECT sample_id FROM done GROUP BY sample_id HAVING count(*) > 1",
        "unexpected": "SELECT sample_id FROM done ANTI JOIN plan USING (sample_id)",
    }
    kinds = {
        kind: _first(query(f"{sql} ORDER BY sample_id", plan=plan, done=done), num_examples)
        for kind, sql in statements.items()
    }
    return Conservation(**kinds)


def missing_rows(
    planned: Iterator[pa.RecordBatch], counted: Iterable[pa.Array]
) -> Iterator[tuple[int, list[int]]]:
    """Where the planned rows are that are not counted.

    Args:
        planned: as `POSITIONS` has it.
        counted: ids of the result files, in parts.

    Returns:
        The number of a plan file and the positions in it, both ascending.
    """
    missing = query(
        "SELECT file, list(row ORDER BY row) AS rows FROM plan "
        "ANTI JOIN done USING (sample_id) GROUP BY file ORDER BY file",
        plan=pa.RecordBatchReader.from_batches(POSITIONS, planned),
        done=_table(counted),
    )
    for batch in missing:
        for row in batch.to_pylist():
            yield row["file"], row["rows"]


def num_distinct(counted: Iterable[pa.Array]) -> int:
    """How many samples there are among ids, each counted once."""
    return int(pc.count_distinct(_table(counted)["sample_id"]).as_py())


def _table(ids: Iterable[pa.Array]) -> pa.Table:
    return pa.table({"sample_id": pa.chunked_array(list(ids), pa.string())})


def _first(answer: pa.RecordBatchReader, num_examples: int) -> Ids:
    count, examples = 0, list[str]()
    for batch in answer:
        count += batch.num_rows
        wanted = num_examples - len(examples)
        examples += batch["sample_id"].slice(0, wanted).to_pylist()
    return Ids(count, tuple(examples))
