"""Rows of many runs brought together: one schema for them all, and files of bounded size."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from pipeline import schema, storage
from pipeline.runs.documents import as_json
from pipeline.runs.earlier_runs import Pick, picks_of
from pipeline.runs.stored_files import open_parquet
from pipeline.storage.parallel import in_threads
from pipeline.tables.writing import PartFiles, common_schema, conformed

_READ_ROWS = 64
"""Rows in memory at once: with pictures of a megabyte or so, below 100 MB."""
_UNFINISHED = "_UNFINISHED"
"""There from before the first file until after `_SUCCESS`, and different in every call."""
_PART = re.compile(r"part-\d{5,}\.parquet")


def materialise(view: pa.Table, target: str) -> list[str]:
    """Write the rows of a view as Parquet files and, last of all, a `_SUCCESS` that lists them.

    A call that fails takes away what it has written. The next one goes over what a killed one has
    left, and over the dataset of no files that a view without rows is.

    Args:
        view: `sample_id`, `run_id`, `file` and `row`, in files' order.
        target: a folder with nothing else in it.

    Returns:
        The names of the files.

    Raises:
        ValueError: the target is not empty, or the runs disagree on the type of a column.
    """
    target = storage.absolute(target)
    replaced = _replaceable(target)
    picks = picks_of(view)
    merged = _merged_schema([pick.file for pick in picks])
    for file in replaced:
        storage.remove(file)
    mark = uuid.uuid4().hex
    storage.write(storage.join(target, _UNFINISHED), mark.encode())
    writer = PartFiles(folder=target, schema=merged)
    try:
        for pick in picks:
            _check_mark(target, mark)
            for table in _rows(pick, merged):
                writer.write(table)
        writer.close()
        _check_mark(target, mark)
        storage.write(storage.join(target, "_SUCCESS"), _success(writer.names))
    except BaseException:
        if _mark(target) == mark:
            for file in _replaceable(target):
                storage.remove(file)
        raise
    storage.remove(storage.join(target, _UNFINISHED))
    return writer.names


def _replaceable(target: str) -> list[str]:
    """The files in a folder that a call was stopped at, or that holds a view without rows.

    None where there is nothing. Whoever is killed at removing them leaves the last to the next.

    Raises:
        ValueError: there is something else.
    """
    if not storage.exists(target):
        return []
    what = "something is there already"
    if storage.is_folder(target) and not storage.list_folders(target):
        files = storage.list_files(target)
        mark, success = (storage.join(target, name) for name in (_UNFINISHED, "_SUCCESS"))
        ours = [file for file in files if _PART.fullmatch(file.rpartition("/")[2])]
        if not files or {*files} == {*ours, mark}:
            return [*ours, mark]
        if success in files:
            what = "a merged view is there already, and is not replaced"
            if {*files} <= {mark, success} and storage.read(success) == _success([]):
                return [success, mark]
    raise ValueError(f"--materialise {target}: {what}; name a new folder")


def _success(names: Sequence[str]) -> bytes:
    return as_json({"results": list(names)})


def _mark(target: str) -> str | None:
    try:
        return storage.read(storage.join(target, _UNFINISHED)).decode(errors="replace")
    except FileNotFoundError:
        return None


def _check_mark(target: str, mark: str) -> None:
    """Refuse to go on where another call has begun, which took this one's files away.

    Raises:
        ValueError: one has.
    """
    if _mark(target) != mark:
        raise ValueError(f"--materialise {target}: another call has begun there meanwhile")


def file_schema(
    uris: Sequence[str], *, wanted: Callable[[str], bool] = lambda _: True
) -> pa.Schema:
    """One schema for the rows of all these result files, of the columns that are wanted.

    Raises:
        ValueError: they disagree on the type of one.
    """
    found = in_threads(_plain_schema, uris)
    distinct = dict.fromkeys(
        pa.schema([column for column in columns if wanted(column.name)]) for columns in found
    )
    return common_schema(list(distinct), "the columns of these runs") if distinct else pa.schema([])


def _plain_schema(uri: str) -> pa.Schema:
    """Names and types alone: a description that was reworded makes no other schema."""
    with open_parquet(uri) as file:
        return pa.schema([pa.field(column.name, column.type) for column in file.schema_arrow])


def _merged_schema(files: Sequence[str]) -> pa.Schema:
    return file_schema(files).append(schema.RUN_URI).with_metadata(schema.HUGGING_FACE_METADATA)


def _rows(pick: Pick, merged: pa.Schema) -> Iterator[pa.Table]:
    run_uri = pick.file.rpartition("/results/")[0]
    first = 0
    with open_parquet(pick.file) as file:
        for batch in file.iter_batches(batch_size=_READ_ROWS):
            wanted = [row - first for row in pick.rows if first <= row < first + batch.num_rows]
            first += batch.num_rows
            if wanted:
                table = pa.Table.from_batches([batch]).take(pa.array(wanted, pa.int64()))
                place = pa.repeat(pa.scalar(run_uri), table.num_rows)
                yield conformed(table.append_column(schema.RUN_URI, place), merged)
