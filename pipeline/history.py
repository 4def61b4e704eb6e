"""What the earlier runs under an output say: what they settled, and which row of a sample counts.

A run that is finished counts by the list of files in its `_SUCCESS`, never by what lies in its
folder. Of one that is not, every readable result file tells what was done; readers see those rows
once a finished run has vouched for the files (`adopted` in its `run.json`).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.activity import doing
from pipeline.documents import read_document
from pipeline.errors import OF_A_FILE, PASSING
from pipeline.results import committed_files
from pipeline.settled import Settled, collected
from pipeline.sql import query

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Found = TypeVar("Found")

_READ_THREADS = 16
_PAST = pa.schema(
    [
        ("run", pa.int32()),
        ("place", pa.int64()),
        ("sample_id", pa.string()),
        ("fingerprint", pa.string()),
        ("healthy", pa.bool_()),
        ("conclusive", pa.bool_()),
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


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRun:
    """A run that was started at some time, finished or not."""

    uri: str
    run_id: str
    created_at: datetime
    document: Mapping[str, Any]
    """Its `run.json`."""
    listed: tuple[str, ...] | None
    """Names of its result files as its `_SUCCESS` lists them; None: it is not finished."""

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
def settled(output: str) -> Settled:
    """Rows that need no new result: the ones with a picture, and the ones that failed for good.

    An answer counts until a later run has made another picture of the same sample: a prompt that
    is changed and changed back is made again, or the newest picture would be of the wrong one.
    What somebody had re-processed does not count as such a change.

    A file that is no picture, and that came without a checksum, is looked at twice: only what two
    runs found in the same words, and so in the same bytes, is settled.
    """
    runs = past_runs(output)
    open_files = {
        run.run_id: tuple(uri.rpartition("/")[2] for uri in committed_files(run.uri))
        for run in runs
        if run.listed is None
    }
    files = [
        _File(run=index, uri=run.file_uri(name), regular=not run.is_reprocessing)
        for index, run in enumerate(runs)
        for name in (open_files[run.run_id] if run.listed is None else run.listed)
    ]
    past = pa.Table.from_batches(_outcomes(files, strict=False), _PAST)
    answered = query(
        "WITH superseded AS (SELECT sample_id, max(run) AS run FROM past "
        "WHERE healthy AND regular GROUP BY sample_id), "
        "twice AS (SELECT fingerprint FROM past WHERE finding IS NOT NULL "
        "GROUP BY fingerprint, finding HAVING count(DISTINCT run) > 1) "
        "SELECT fingerprint FROM past LEFT JOIN superseded USING (sample_id) "
        "WHERE (conclusive OR fingerprint IN (FROM twice)) "
        "AND past.run >= coalesce(superseded.run, 0)",
        past=past,
    )
    return Settled(
        fingerprints=collected((batch["fingerprint"] for batch in answered), past.num_rows),
        adopted={run_id: names for run_id, names in open_files.items() if names},
    )


def current(output: str) -> pa.Table:
    """The merged view: the newest row with a picture of every sample, over all finished runs.

    Returns:
        `sample_id`, `run_id`, `file` (URI) and `row` (position in the file), in files' order.

    Raises:
        ValueError: a file that a finished run lists cannot be read.
    """
    runs = past_runs(output)
    return _newest(runs, vouched_files(runs), where="healthy", strict=True)


def latest(output: str) -> pa.Table:
    """The newest row of every sample, with a picture or without; columns as `current`."""
    runs = past_runs(output)
    files = [
        _File(run=index, uri=uri, regular=True)
        for index, run in enumerate(runs)
        for uri in (
            committed_files(run.uri)
            if run.listed is None
            else [run.file_uri(name) for name in run.listed]
        )
    ]
    return _newest(runs, files, where="true", strict=False)


def vouched_files(runs: Sequence[PastRun]) -> list[_File]:
    """The result files that readers go by: what finished runs list or have adopted."""
    adopted = {
        (run_id, name)
        for run in runs
        if run.listed is not None
        for run_id, names in run.document["adopted"].items()
        for name in names
    }
    files = []
    for index, run in enumerate(runs):
        if run.listed is not None:
            uris = [run.file_uri(name) for name in run.listed]
        else:
            # One that is gone was tidied up by its run, which the next night looks at again.
            there = set(committed_files(run.uri))
            names = sorted(name for run_id, name in adopted if run_id == run.run_id)
            uris = [uri for uri in map(run.file_uri, names) if uri in there]
        files += [_File(run=index, uri=uri, regular=not run.is_reprocessing) for uri in uris]
    return files


def in_threads(work: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """`work` done for each item, in order, by a few threads that never run far ahead."""
    with ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="history") as pool:
        under_way: deque[Future[Found]] = deque()
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) >= 2 * _READ_THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


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
    runs: Sequence[PastRun], files: Sequence[_File], *, where: str, strict: bool
) -> pa.Table:
    answer = query(
        f"SELECT sample_id, max(place) AS place FROM past WHERE {where} "
        "GROUP BY sample_id ORDER BY place",
        past=pa.RecordBatchReader.from_batches(_PAST, _outcomes(files, strict=strict)),
    ).read_all()
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


def _outcomes(files: Sequence[_File], *, strict: bool) -> Iterator[pa.RecordBatch]:
    read = partial(_outcomes_of, strict=strict)
    return chain.from_iterable(in_threads(read, enumerate(files)))


def _outcomes_of(item: tuple[int, _File], *, strict: bool) -> list[pa.RecordBatch]:
    position, file = item
    table = read_columns(file.uri, _READ)
    if table is None and strict:
        raise ValueError(f"{file.uri}: a finished run lists this file and it is torn or gone")
    if table is None:
        return []
    healthy = pc.is_null(table["error"])
    retryable = pc.fill_null(pc.struct_field(table["error"], "retryable"), False)  # noqa: FBT003
    of_a_file = pc.is_in(pc.struct_field(table["error"], "code"), pa.array(sorted(OF_A_FILE)))
    passing = pc.is_in(pc.struct_field(table["error"], "code"), pa.array(sorted(PASSING)))
    columns = {
        "run": _repeated(file.run, table, pa.int32()),
        "place": pa.array((position << _ROW_BITS) + np.arange(table.num_rows), pa.int64()),
        "sample_id": table["sample_id"],
        "fingerprint": table["fingerprint"],
        "healthy": healthy,
        "conclusive": pc.invert(pc.or_(retryable, passing)),
        "finding": pc.if_else(
            pc.and_(retryable, of_a_file), pc.struct_field(table["error"], "message"), None
        ),
        "regular": _repeated(file.regular, table, pa.bool_()),
    }
    batches: list[pa.RecordBatch] = pa.table(columns, schema=_PAST).to_batches()
    return batches


def _repeated(value: Any, table: pa.Table, type_: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, type_), table.num_rows)


def _read_run(uri: str) -> PastRun | None:
    document = read_document(uri, "run.json")
    if document is None:
        return None
    success = read_document(uri, "_SUCCESS")
    return PastRun(
        uri=uri,
        run_id=document["run_id"],
        created_at=datetime.fromisoformat(document["created_at"]),
        document=document,
        listed=None if success is None else tuple(success["results"]),
    )
