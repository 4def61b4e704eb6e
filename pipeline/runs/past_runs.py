"""The runs that are there under an output, what each says of itself, and which of its files tell.

A run that has decided which files count (`results.json`, then `_SUCCESS`) counts by that list,
never by what lies in its folder. Of one that has not, every readable result file tells what was
done; readers see those rows once a finished run has vouched for the files (`adopted` in its
`run.json`).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from pipeline import storage
from pipeline.processes.activity import doing
from pipeline.runs.documents import decision, files_that_count, read_document
from pipeline.runs.result_files import committed_files
from pipeline.runs.stored_files import open_parquet
from pipeline.storage.parallel import in_threads
from pipeline.tables import AS_IT_IS, Reading

logger = logging.getLogger(__name__)

DOCUMENTS_AT_ONCE = 64
"""Documents of a kilobyte or so: reading them takes the time that the storage takes to answer."""

Source = tuple[str, Reading]
"""A manifest's URI, and how its files were read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRun:
    """A run that was started at some time, finished or not."""

    uri: str
    run_id: str
    created_at: datetime
    document: Mapping[str, Any]
    """The content of the run's `run.json`."""
    listed: tuple[str, ...] | None
    """Names of the result files that count, by its own word; None: it has not come that far."""
    is_finished: bool
    """Whether all is done, down to taking away what does not count."""

    @property
    def is_reprocessing(self) -> bool:
        """Whether somebody had it make chosen rows anew."""
        return bool(self.document["parent"])

    @property
    def source(self) -> Source:
        """The manifest that it was planned from."""
        request = self.document["request"]
        return request["manifest"], Reading.from_json(request["reading"])

    def file_uri(self, name: str) -> str:
        """Where a result file is."""
        return storage.join(self.uri, "results", name)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultFile:
    """A result file of one of several runs."""

    run: int
    """Position in the list of runs."""
    uri: str
    regular: bool
    """Whether its rows were not chosen to be made anew."""
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
    runs = in_threads(_read_run, folders, at_once=DOCUMENTS_AT_ONCE)
    return sorted(
        (run for run in runs if run is not None), key=lambda run: (run.created_at, run.run_id)
    )


@doing("reading earlier runs")
def newest_start(output: str) -> datetime | None:
    """When the newest run under a dataset root was started, by the clock of whoever did."""
    folders = storage.list_folders(storage.absolute(output))
    read = partial(read_document, name="run.json")
    documents = in_threads(read, folders, at_once=DOCUMENTS_AT_ONCE)
    started = (datetime.fromisoformat(each["created_at"]) for each in documents if each)
    return max(started, default=None)


def first_sources(parents: Iterable[str], runs: Mapping[str, PastRun]) -> set[Source]:
    """The manifests that rows come from, which may have been made anew several times.

    Args:
        parents: ids of the runs that the rows were chosen from.
        runs: all runs by id; one that is gone says nothing.
    """
    pending, seen, sources = list(parents), set[str](), set[Source]()
    while pending:
        run_id = pending.pop()
        if run_id in seen or run_id not in runs:
            continue
        seen.add(run_id)
        run = runs[run_id]
        if run.is_reprocessing:
            pending += run.document["parent"]
        else:
            sources.add(run.source)
    return sources


def source_named(manifest: str, runs: Iterable[PastRun]) -> Source:
    """A manifest with how the newest run that was made from it has read its files."""
    uri = storage.absolute(manifest)
    sources = [run.source for run in runs]
    readings = [reading for other, reading in sources if other == uri]
    return uri, readings[-1] if readings else AS_IT_IS


def telling_names(run: PastRun) -> tuple[str, ...]:
    """The result files of a run that tell what was done: those that it lists, or all."""
    if run.listed is not None:
        return run.listed
    there = tuple(map(_name, committed_files(run.uri)))
    # The pages of a listing are not of one moment: a run that has decided while they came may have
    # taken away what was not listed yet, and written what was not to be listed any more.
    return files_that_count(run.uri) or there


def telling_files(runs: Sequence[PastRun]) -> list[ResultFile]:
    """The result files of all runs that tell what was done."""
    return [
        ResultFile(run=index, uri=run.file_uri(name), regular=True)
        for index, run in enumerate(runs)
        for name in telling_names(run)
    ]


def vouched_files(runs: Sequence[PastRun]) -> list[ResultFile]:
    """The result files that readers go by: what runs list, and what listed runs have adopted."""
    adopted = adopted_names(runs)
    files = []
    for index, run in enumerate(runs):
        make = partial(ResultFile, run=index, regular=not run.is_reprocessing)
        listed = run.listed or ()
        files += [make(uri=run.file_uri(name), is_promised=True) for name in listed]
        others = adopted[run.run_id].difference(listed)
        if others and run.listed is not None:
            # What it has taken away since, the files that it lists make up for.
            others.intersection_update(map(_name, committed_files(run.uri)))
        files += [make(uri=run.file_uri(name)) for name in sorted(others)]
    return files


def adopted_names(runs: Sequence[PastRun]) -> defaultdict[str, set[str]]:
    """The result files of others that runs have vouched for, by run id."""
    adopted: defaultdict[str, set[str]] = defaultdict(set)
    for run in runs:
        if run.listed is not None:
            for run_id, names in run.document["adopted"].items():
                adopted[run_id].update(names)
    return adopted


def read_columns(uri: str, columns: Sequence[str]) -> pa.Table | None:
    """Columns of a result file, those that it has; None when it is torn or gone."""
    try:
        with open_parquet(uri) as file:
            return file.read(columns=list(columns))
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        logger.warning("result file %s cannot be read: %s", uri, error)
        return None


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]


def _read_run(uri: str) -> PastRun | None:
    document = read_document(uri, "run.json")
    if document is None:
        return None
    listed, is_finished = decision(uri)
    return PastRun(
        uri=uri,
        run_id=document["run_id"],
        created_at=datetime.fromisoformat(document["created_at"]),
        document=document,
        listed=listed,
        is_finished=is_finished,
    )
