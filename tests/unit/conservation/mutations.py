"""The ledger as it was, or as it might be: faults that the machine has to find."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import flow, history, ledger, reconcile, results, session, storage
from pipeline.documents import as_json
from pipeline.results import Committed

Mutate = Callable[[pytest.MonkeyPatch], None]


def deletes_while_it_writes(patch: pytest.MonkeyPatch) -> None:
    """Second copies go file by file, each as soon as what is left of it is written."""

    def deduplicate(run_uri: str, committed: Sequence[Committed]) -> int:
        dropped = reconcile._second_copies(committed)
        sizes = {file.file: file.outcomes.num_rows for file in committed}
        for file, ids in dropped.items():
            if len(ids) < sizes[file]:
                reconcile._write_rest(run_uri, file, ids)
            storage.remove(storage.join(run_uri, "results", file))
        again, _ = results.read_committed(run_uri)
        names = sorted(file.file for file in again)
        storage.write(storage.join(run_uri, "results.json"), as_json({"results": names}))
        return len(dropped)

    patch.setattr(session, "deduplicate", deduplicate)


def joins_ids_by_nul(patch: pytest.MonkeyPatch) -> None:
    """A result file is named by its ids, joined by a character that they may hold."""

    def write_result(run_uri: str, table: pa.Table) -> str:
        ids = sorted(table["sample_id"].to_pylist())
        name = f"part-{hashlib.sha256(chr(0).join(ids).encode()).hexdigest()[:24]}.parquet"
        storage.write(storage.join(run_uri, "results", name), results._parquet(table))
        return name

    patch.setattr(results, "write_result", write_result)
    patch.setattr(reconcile, "write_result", write_result)


def lets_the_last_decide(patch: pytest.MonkeyPatch) -> None:
    """What is to be created once is written by whoever comes."""

    def create(uri: str, data: bytes, **_: Any) -> bool:
        storage.write(uri, data)
        return True

    patch.setattr(storage, "create", create)


def believes_its_clock(patch: pytest.MonkeyPatch) -> None:
    """A run is as new as its driver's clock says."""
    patch.setattr(flow, "newest_start", lambda _: None)


def believes_one_answer(patch: pytest.MonkeyPatch) -> None:
    """A file of which half arrives is torn."""

    def read_counted(uri: str) -> pa.Table:
        filesystem, path = storage.arrow_filesystem(uri)
        with filesystem.open_input_file(path) as file:
            return pq.ParquetFile(pa.BufferReader(file.read())).read(columns=results._COUNTED)

    patch.setattr(results, "_read_counted", read_counted)


def forgets_what_was_adopted(patch: pytest.MonkeyPatch) -> None:
    """Readers go by what finished runs list, and by nothing that a night has vouched for."""
    vouched = history.vouched_files

    def listed_only(runs: Sequence[history.PastRun]) -> Any:
        return vouched([replace(run, document={**run.document, "adopted": {}}) for run in runs])

    patch.setattr(history, "vouched_files", listed_only)


def deletes_what_came_late(patch: pytest.MonkeyPatch) -> None:
    """What is not listed is deleted, also where it is better."""
    patch.setattr(reconcile, "_written_late", lambda *_: frozenset())


def prefers_any_failure(patch: pytest.MonkeyPatch) -> None:
    """Of two copies of a row, the one in the file that sorts first."""

    def second_copies(committed: Sequence[Committed]) -> dict[str, list[str]]:
        seen: set[str] = set()
        dropped: dict[str, list[str]] = {}
        for file in committed:
            ids = file.sample_ids.to_pylist()
            if seen.intersection(ids):
                dropped[file.file] = [id_ for id_ in ids if id_ in seen]
            seen.update(ids)
        return dropped

    patch.setattr(reconcile, "_second_copies", second_copies)


def plans_under_one_name(patch: pytest.MonkeyPatch) -> None:
    """Whoever plans a run writes over the plan of another who began it."""
    digest = SimpleNamespace(hexdigest=lambda: "0" * 64)
    patch.setattr(ledger, "hashlib", SimpleNamespace(sha256=lambda _: digest))


def finishes_with_rows_missing(patch: pytest.MonkeyPatch) -> None:
    """Nobody holds the results against the plan."""
    patch.setattr(ledger.Ledger, "discrepancies", lambda *_: {})


def counts_every_copy(patch: pytest.MonkeyPatch) -> None:
    """A row that was written twice counts twice, and the run is never complete."""
    patch.setattr(session, "counted_once", lambda _, committed: list(committed))


MUTATIONS: tuple[Mutate, ...] = (
    deletes_while_it_writes,
    joins_ids_by_nul,
    lets_the_last_decide,
    believes_its_clock,
    believes_one_answer,
    forgets_what_was_adopted,
    deletes_what_came_late,
    prefers_any_failure,
    plans_under_one_name,
    finishes_with_rows_missing,
    counts_every_copy,
)
