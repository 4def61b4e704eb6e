"""What the earlier runs under an output say: what they settled, and which row of a sample counts.

A run that has decided which files count (`results.json`, then `_SUCCESS`) counts by that list,
never by what lies in its folder. Of one that has not, every readable result file tells what was
done; readers see those rows once a finished run has vouched for the files (`adopted` in its
`run.json`).

Runs go on while they are read. A file that is gone was taken away by a run that has decided since,
so whoever misses one looks at the runs again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline import storage
from pipeline.errors import OF_A_FILE, PASSING, TransientError
from pipeline.planning.kept_columns import Held
from pipeline.processes.activity import doing
from pipeline.runs.documents import files_that_count, read_document
from pipeline.runs.finished_fingerprints import Settled, collected
from pipeline.runs.result_files import committed_files
from pipeline.stages.wrappers.stricter_limits import MARK
from pipeline.storage.parallel import in_threads
from pipeline.tables.sql import query

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
_SEEN = pa.schema(
    [("file", pa.int32()), ("image_uri", pa.string()), ("image_version", pa.string())]
)
_ROW_BITS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRun:
    """A run that was started at some time, finished or not."""

    uri: str
    run_id: str
    created_at: datetime
    document: Mapping[str, Any]
    """Its `run.json`."""
    listed: tuple[str, ...] | None
    """Names of the result files that count, by its own word; None: it has not come that far."""
    is_finished: bool
    """Whether all is done, down to taking away what does not count."""

    @property
    def is_reprocessing(self) -> bool:
        """Whether somebody had it make chosen rows anew."""
        return bool(self.document["parent"])

    def file_uri(self, name: str) -> str:
        """Where a result file is."""
        return storage.join(self.uri, "results", name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    run: int
    """Position in the list of runs."""
    uri: str
    regular: bool
    is_promised: bool = False
    """Whether its run says that it is there."""


def past_runs(output: str) -> list[PastRun]:
    """The runs under a dataset root, oldest first.

    Raises:
        ValueError: there is no such bucket, or it may not be read.
    """
    try:
        folders = storage.list_folders(storage.absolute(output))
    except OSError as error:
        raise ValueError(f"{output}: cannot be listed: {' '.join(str(error).split())}") from None
    found = [run for run in in_threads(_read_run, folders) if run is not None]
    return sorted(found, key=lambda run: (run.created_at, run.run_id))


@doing("reading earlier runs")
def held_columns(output: str, names: Sequence[str]) -> dict[str, Held]:
    """Kept columns as the newest run under a dataset root has them, by the names asked for.

    Where no run has a column of that very name, one that differs in small and large letters alone.

    Raises:
        ValueError: as `past_runs`.
    """
    found: dict[str, Held] = {}
    alike: dict[str, Held] = {}
    for run in reversed(past_runs(output)) if names else ():
        if found.keys() >= set(names):
            break
        columns = {column.name.casefold(): column for column in _planned_columns(run)}
        for name in names:
            column = columns.get(name.casefold())
            if column is not None:
                matching = found if column.name == name else alike
                matching.setdefault(name, Held(column.type, run.run_id, column.name))
    return {**alike, **found}


def _planned_columns(run: PastRun) -> pa.Schema:
    """Of a run's plan; none where that is gone or was empty."""
    for name in run.document["plan"]["files"][:1]:
        filesystem, path = storage.arrow_filesystem(storage.join(run.uri, name))
        try:
            return pq.read_schema(path, filesystem=filesystem)
        except (pa.ArrowInvalid, FileNotFoundError) as error:
            logger.warning("the plan of run %s cannot be read: %s", run.run_id, error)
    return pa.schema([])


@doing("reading earlier runs")
def newest_start(output: str) -> datetime | None:
    """When the newest run under a dataset root was started, by the clock of whoever did."""
    folders = storage.list_folders(storage.absolute(output))
    documents = in_threads(partial(read_document, name="run.json"), folders)
    started = (datetime.fromisoformat(found["created_at"]) for found in documents if found)
    return max(started, default=None)


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
    names = [_names(run) for run in runs]
    files = [
        _File(run=index, uri=run.file_uri(name), regular=not run.is_reprocessing)
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
    vouched_for = _adopted(runs)
    return Settled(
        fingerprints=collected((batch["fingerprint"] for batch in answered), past.num_rows),
        adopted=adopted,
        lacking=_lacking(past, runs, keep),
        has_news=any(not vouched_for[id_].issuperset(names) for id_, names in adopted.items()),
    )


def _lacking(
    past: pa.Table, runs: Sequence[PastRun], keep: Sequence[str]
) -> dict[str, NDArray[np.bytes_]]:
    """By column: the fingerprints whose newest rows are of runs that do not keep it."""
    found = {}
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
            found[name] = of_runs[without]
    return found


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
    return _newest(output, _all_files, where="true")


def _all_files(runs: Sequence[PastRun]) -> list[_File]:
    return [
        _File(run=index, uri=run.file_uri(name), regular=True)
        for index, run in enumerate(runs)
        for name in _names(run)
    ]


def _names(run: PastRun) -> tuple[str, ...]:
    """The result files of a run that tell what was done: those that it lists, or all."""
    if run.listed is not None:
        return run.listed
    there = tuple(map(_name, committed_files(run.uri)))
    # The pages of a listing are not of one moment: a run that has decided while they came may have
    # taken away what was not listed yet, and written what was not to be listed any more.
    return files_that_count(run.uri) or there


def vouched_files(runs: Sequence[PastRun]) -> list[_File]:
    """The result files that readers go by: what runs list, and what listed runs have adopted."""
    adopted = _adopted(runs)
    files = []
    for index, run in enumerate(runs):
        make = partial(_File, run=index, regular=not run.is_reprocessing)
        listed = run.listed or ()
        files += [make(uri=run.file_uri(name), is_promised=True) for name in listed]
        others = adopted[run.run_id].difference(listed)
        if others and run.listed is not None:
            # What it has taken away since, the files that it lists make up for.
            others.intersection_update(map(_name, committed_files(run.uri)))
        files += [make(uri=run.file_uri(name)) for name in sorted(others)]
    return files


def _adopted(runs: Sequence[PastRun]) -> defaultdict[str, set[str]]:
    """The result files of others that runs have vouched for, by run id."""
    adopted: defaultdict[str, set[str]] = defaultdict(set)
    for run in runs:
        if run.listed is not None:
            for run_id, names in run.document["adopted"].items():
                adopted[run_id].update(names)
    return adopted


def read_columns(uri: str, columns: Sequence[str]) -> pa.Table | None:
    """Columns of a result file, those that it has; None when it is torn or gone."""
    filesystem, path = storage.arrow_filesystem(uri)
    try:
        with pq.ParquetFile(path, filesystem=filesystem) as file:
            return file.read(columns=list(columns))
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        logger.warning("result file %s cannot be read: %s", uri, error)
        return None


def _newest(
    output: str, files_of: Callable[[Sequence[PastRun]], list[_File]], *, where: str
) -> pa.Table:
    runs = past_runs(output)
    while True:
        files, unread = files_of(runs), list[_File]()
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


def _newest_in(files: Sequence[_File], where: str, unread: list[_File]) -> pa.Table:
    faults: list[Exception] = []
    try:
        return query(
            f"SELECT sample_id, max(place) AS place FROM past WHERE {where} "
            "GROUP BY sample_id ORDER BY place",
            past=pa.RecordBatchReader.from_batches(
                _PAST, _noting(faults, _outcomes(files, unread=unread))
            ),
        ).read_all()
    except ValueError:
        if faults:  # it was not the SQL, and what was asked for was not wrong
            raise faults[0] from None
        raise


class SeenBefore:
    """The versions of images that earlier runs under an output have seen last."""

    def __init__(self, output: str) -> None:
        """Read nothing yet: on most nights all can be looked at."""
        self._output = output
        self._known: pa.Table | None = None

    def __call__(self, uris: Sequence[str]) -> dict[str, str]:
        """Versions by URI, of those images that have been seen."""
        if self._known is None:
            self._known = _image_versions(self._output)
        found = query(
            "SELECT image_uri, image_version FROM known SEMI JOIN wanted USING (image_uri)",
            known=self._known,
            wanted=pa.table({"image_uri": pa.array(uris, pa.string())}),
        ).read_all()
        return dict(
            zip(found["image_uri"].to_pylist(), found["image_version"].to_pylist(), strict=True)
        )


@doing("reading earlier runs")
def _image_versions(output: str) -> pa.Table:
    files = [file.uri for file in _all_files(past_runs(output))]
    faults: list[Exception] = []
    batches = chain.from_iterable(in_threads(_seen_in, enumerate(files)))
    try:
        return query(
            "SELECT image_uri, arg_max(image_version, file) AS image_version FROM seen "
            "WHERE image_uri IS NOT NULL AND image_version IS NOT NULL GROUP BY image_uri",
            seen=pa.RecordBatchReader.from_batches(_SEEN, _noting(faults, batches)),
        ).read_all()
    except ValueError:
        if faults:
            raise faults[0] from None
        raise


def _seen_in(item: tuple[int, str]) -> list[pa.RecordBatch]:
    place, uri = item
    table = read_columns(uri, ("image_uri", "image_version"))
    if table is None:
        return []
    columns = {"file": _repeated(place, table, pa.int32())} | {
        name: table[name] for name in table.column_names
    }
    batches: list[pa.RecordBatch] = pa.table(columns).cast(_SEEN).to_batches()
    return batches


def _noting(faults: list[Exception], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches; what goes wrong with them is noted, for the reader of a stream is not told."""
    try:
        yield from batches
    except (OSError, TransientError, ValueError) as error:
        faults.append(error)
        raise


def _view(answer: pa.Table, files: Sequence[_File], runs: Sequence[PastRun]) -> pa.Table:
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


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]


def _named(index: Any, names: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(names, pa.string()))


def _outcomes(files: Sequence[_File], *, unread: list[_File]) -> Iterator[pa.RecordBatch]:
    """What is in files, file by file; those that are torn or gone are added to `unread`."""
    read = partial(_outcomes_of, unread=unread)
    return chain.from_iterable(in_threads(read, enumerate(files)))


def _outcomes_of(item: tuple[int, _File], *, unread: list[_File]) -> list[pa.RecordBatch]:
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


def _read_run(uri: str) -> PastRun | None:
    document = read_document(uri, "run.json")
    if document is None:
        return None
    success = read_document(uri, "_SUCCESS")
    decided = success or read_document(uri, "results.json")
    return PastRun(
        uri=uri,
        run_id=document["run_id"],
        created_at=datetime.fromisoformat(document["created_at"]),
        document=document,
        listed=None if decided is None else tuple(decided["results"]),
        is_finished=success is not None,
    )
