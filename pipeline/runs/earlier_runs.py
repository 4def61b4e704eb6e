"""What the earlier runs under an output say: what they settled, and which row of a sample counts.

Runs go on while they are read. A file that is gone was taken away by a run that has decided since,
so whoever misses one looks at the runs again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import storage
from pipeline.errors import OF_A_FILE, PASSING
from pipeline.planning.kept_columns import HeldColumn
from pipeline.processes.activity import doing
from pipeline.runs.finished_fingerprints import Settled, collected
from pipeline.runs.past_runs import (
    PastRun,
    ResultFile,
    adopted_names,
    past_runs,
    read_columns,
    telling_files,
    telling_names,
    vouched_files,
)
from pipeline.runs.stored_files import open_parquet
from pipeline.stages.wrappers.stricter_limits import MARK
from pipeline.storage.parallel import in_threads
from pipeline.tables.sql import Stream, query

logger = logging.getLogger(__name__)


_PAST = pa.schema(
    [
        ("run", pa.int32()),
        ("place", pa.int64()),
        ("sample_id", pa.string()),
        ("fingerprint", pa.string()),
        ("healthy", pa.bool_()),
        ("conclusive", pa.bool_()),
        ("held_back", pa.bool_()),
        ("finding", pa.string()),
        ("regular", pa.bool_()),
    ]
)
"""`finding`: what is wrong with a file that came without a checksum, in words that name its bytes.
`place` is the file's position in the list above the row's in the file: a later one is newer."""
_OF_ERROR = ("error.code", "error.message", "error.retryable")
_READ = ("sample_id", "fingerprint", *_OF_ERROR)
"""The path of a struct's child reads that child alone; the struct is null where there is none."""
_ROW_BITS = 32


@doing("reading earlier runs")
def held_columns(output: str, names: Sequence[str]) -> dict[str, HeldColumn]:
    """Kept columns as the newest run under a dataset root has them, by the names asked for.

    Where no run has a column of that very name, one that differs in small and large letters alone.

    Raises:
        ValueError: as `past_runs`.
    """
    exact: dict[str, HeldColumn] = {}
    alike: dict[str, HeldColumn] = {}
    for run in reversed(past_runs(output)) if names else ():
        if exact.keys() >= set(names):
            break
        columns = {column.name.casefold(): column for column in _planned_columns(run)}
        for name in names:
            column = columns.get(name.casefold())
            if column is not None:
                matching = exact if column.name == name else alike
                matching.setdefault(name, HeldColumn(column.type, run.run_id, column.name))
    return {**alike, **exact}


def _planned_columns(run: PastRun) -> pa.Schema:
    """The columns of a run's plan; none where that is gone or was empty."""
    for name in run.document["plan"]["files"][:1]:
        try:
            with open_parquet(storage.join(run.uri, name)) as file:
                return file.schema_arrow
        except (pa.ArrowInvalid, FileNotFoundError) as error:
            logger.warning("the plan of run %s cannot be read: %s", run.run_id, error)
    return pa.schema([])


@doing("reading earlier runs")
def settled(
    output: str,
    *,
    whatever_of: str | None = None,
    keep: Sequence[str] = (),
    untrusted: bool = False,
) -> Settled:
    """Rows that need no new result: the ones with a picture, and the ones that failed for good.

    An answer counts until a later run has made another picture of the same sample: a prompt that
    is changed and changed back is made again, or the newest picture would be of the wrong one.
    What somebody had re-processed does not count as such a change.

    A file that is no picture, and that came without a checksum, is looked at twice: only what two
    runs found in the same words, and so in the same bytes, is settled.

    Args:
        output: the dataset root.
        whatever_of: a run whose rows count as settled whatever came of them, unless a later run has
            made another picture.
        keep: columns that the rows should have; which rows do not is found as well.
        untrusted: whether rows that such a run has refused are settled, too: in a run that is
            trusted they may come out.
    """
    runs = past_runs(output)
    names = [telling_names(run) for run in runs]
    files = [
        ResultFile(run=index, uri=run.file_uri(name), regular=not run.is_reprocessing)
        for index, run in enumerate(runs)
        for name in names[index]
    ]
    past = pa.Table.from_batches(_outcomes(files, unread=[]), _PAST)
    if not untrusted:
        final = pc.and_(past["conclusive"], pc.invert(past["held_back"]))
        past = past.set_column(past.schema.get_field_index("conclusive"), "conclusive", final)
    also = [f" OR past.run = {i}" for i, run in enumerate(runs) if run.run_id == whatever_of]
    answered = query(
        "WITH superseded AS (SELECT sample_id, max(run) AS run FROM past "
        "WHERE healthy AND regular GROUP BY sample_id), "
        "twice AS (SELECT fingerprint FROM past WHERE finding IS NOT NULL "
        "GROUP BY fingerprint, finding HAVING count(DISTINCT run) > 1) "
        "SELECT fingerprint FROM past LEFT JOIN superseded USING (sample_id) "
        f"WHERE (conclusive OR fingerprint IN (FROM twice){''.join(also)}) "
        "AND past.run >= coalesce(superseded.run, 0)",
        past=past,
    )
    adopted = {
        run.run_id: names[index]
        for index, run in enumerate(runs)
        if run.listed is None and names[index]
    }
    vouched_for = adopted_names(runs)
    return Settled(
        fingerprints=collected((batch["fingerprint"] for batch in answered), past.num_rows),
        adopted=adopted,
        lacking=_lacking(past, runs, keep),
        has_news=any(not vouched_for[id_].issuperset(names) for id_, names in adopted.items()),
    )


def _lacking(
    past: pa.Table, runs: Sequence[PastRun], keep: Sequence[str]
) -> dict[str, NDArray[np.bytes_]]:
    """The fingerprints, by column, whose newest rows are of runs that do not keep it."""
    lacking = {}
    of_runs: dict[str, NDArray[np.bytes_]] = {}
    for name in keep:
        without = ", ".join(
            str(index)
            for index, run in enumerate(runs)
            if name not in run.document["recipe"]["keep"]
        )
        if without and without not in of_runs:  # columns that came together lack together
            answer = query(
                f"SELECT fingerprint FROM past GROUP BY fingerprint HAVING max(run) IN ({without})",
                past=past,
            )
            batches = (batch["fingerprint"] for batch in answer)
            of_runs[without] = collected(batches, past.num_rows)
        if without and len(of_runs[without]):
            lacking[name] = of_runs[without]
    return lacking


def current(output: str) -> pa.Table:
    """The merged view: the newest row with a picture of every sample, over all finished runs.

    Returns:
        `sample_id`, `run_id`, `file` (URI) and `row` (position in the file), in files' order.

    Raises:
        ValueError: a file that a finished run lists cannot be read.
    """
    return _newest(output, vouched_files, where="healthy")


def latest(output: str) -> pa.Table:
    """The newest row of every sample, with a picture or without; columns as `current`."""
    return _newest(output, telling_files, where="true")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """Rows of one result file that a view shows."""

    run_id: str
    file: str
    rows: Sequence[int]
    """Positions in the file, ascending."""


def picks_of(view: pa.Table) -> list[Pick]:
    """The rows of a view, file by file."""
    by_file = view.group_by(["run_id", "file"], use_threads=False).aggregate([("row", "list")])
    return [Pick(**pick) for pick in by_file.rename_columns(["run_id", "file", "rows"]).to_pylist()]


def _newest(
    output: str, files_of: Callable[[Sequence[PastRun]], list[ResultFile]], *, where: str
) -> pa.Table:
    runs = past_runs(output)
    while True:
        files, unread = files_of(runs), list[ResultFile]()
        answer = _newest_in(files, where, unread)
        again = past_runs(output) if unread else runs
        if again == runs:
            break
        # Runs have gone on: what is gone, other files have taken the place of.
        runs = again
    gone = next((file.uri for file in unread if file.is_promised), None)
    if gone is not None:
        raise ValueError(f"{gone}: a finished run lists this file and it is torn or gone")
    return _view(answer, files, runs)


def _newest_in(files: Sequence[ResultFile], where: str, unread: list[ResultFile]) -> pa.Table:
    return query(
        f"SELECT sample_id, max(place) AS place FROM past WHERE {where} "
        "GROUP BY sample_id ORDER BY place",
        past=Stream(_PAST, _outcomes(files, unread=unread)),
    ).read_all()


def _view(answer: pa.Table, files: Sequence[ResultFile], runs: Sequence[PastRun]) -> pa.Table:
    place = answer["place"].to_numpy()
    file_of = (place >> _ROW_BITS).astype(np.int32)
    run_of = np.array([file.run for file in files], dtype=np.int32)[file_of]
    return pa.table(
        {
            "sample_id": answer["sample_id"],
            "run_id": _named(run_of, [run.run_id for run in runs]),
            "file": _named(file_of, [file.uri for file in files]),
            "row": place & (2**_ROW_BITS - 1),
        }
    )


def _named(index: Any, names: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(names, pa.string()))


def _outcomes(files: Sequence[ResultFile], *, unread: list[ResultFile]) -> Iterator[pa.RecordBatch]:
    """What is in files, file by file; those that are torn or gone are added to `unread`."""
    read = partial(_outcomes_of, unread=unread)
    return chain.from_iterable(in_threads(read, enumerate(files)))


def _outcomes_of(item: tuple[int, ResultFile], *, unread: list[ResultFile]) -> list[pa.RecordBatch]:
    position, file = item
    table = read_columns(file.uri, _READ)
    if table is None:
        unread.append(file)
        return []
    columns = {
        "run": _repeated(file.run, table, pa.int32()),
        "place": pa.array((position << _ROW_BITS) + np.arange(table.num_rows), pa.int64()),
        "regular": _repeated(file.regular, table, pa.bool_()),
        **_answers(table),
    }
    batches: list[pa.RecordBatch] = pa.table(columns, schema=_PAST).to_batches()
    return batches


def _answers(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """What a file says of its rows, wherever the file is."""
    retryable = pc.fill_null(pc.struct_field(table["error"], "retryable"), False)  # noqa: FBT003
    of_a_file = pc.is_in(pc.struct_field(table["error"], "code"), pa.array(sorted(OF_A_FILE)))
    passing = pc.is_in(pc.struct_field(table["error"], "code"), pa.array(sorted(PASSING)))
    message = pc.struct_field(table["error"], "message")
    return {
        "held_back": pc.fill_null(pc.ends_with(message, MARK), False),  # noqa: FBT003
        "sample_id": table["sample_id"],
        "fingerprint": table["fingerprint"],
        "healthy": pc.is_null(table["error"]),
        "conclusive": pc.invert(pc.or_(retryable, passing)),
        "finding": pc.if_else(pc.and_(retryable, of_a_file), message, None),
    }


def _repeated(value: Any, table: pa.Table, type_: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, type_), table.num_rows)
