"""The ledger as it was, or as it might be: faults that the machine has to find."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from pipeline import flow, storage
from pipeline.runs import driver, earlier_runs, past_runs, reconcile, result_files
from pipeline.runs.documents import as_json
from pipeline.runs.result_files import Committed
from pipeline.tables.writing import PICTURES, encoded

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
        again, _ = result_files.read_committed(run_uri)
        names = sorted(file.file for file in again)
        storage.write(storage.join(run_uri, "results.json"), as_json({"results": names}))
        return len(dropped)

    patch.setattr(driver, "deduplicate", deduplicate)


def joins_ids_by_nul(patch: pytest.MonkeyPatch) -> None:
    """A result file is named by its ids, joined by a character that they may hold."""

    def write_result(run_uri: str, table: pa.Table) -> str:
        ids = sorted(table["sample_id"].to_pylist())
        name = f"part-{hashlib.sha256(chr(0).join(ids).encode()).hexdigest()[:24]}.parquet"
        storage.write(storage.join(run_uri, "results", name), encoded(table, PICTURES))
        return name

    patch.setattr(result_files, "write_result", write_result)
    patch.setattr(reconcile, "write_result", write_result)


def believes_its_clock(patch: pytest.MonkeyPatch) -> None:
    """A run is as new as its driver's clock says."""
    patch.setattr(flow, "newest_start", lambda _: None)


def forgets_what_was_adopted(patch: pytest.MonkeyPatch) -> None:
    """Readers go by what finished runs list, and by nothing that a night has vouched for."""
    vouched = earlier_runs.vouched_files

    def listed_only(runs: Sequence[past_runs.PastRun]) -> Any:
        return vouched([replace(run, document={**run.document, "adopted": {}}) for run in runs])

    patch.setattr(earlier_runs, "vouched_files", listed_only)


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


MUTATIONS: tuple[Mutate, ...] = (
    deletes_while_it_writes,
    joins_ids_by_nul,
    believes_its_clock,
    forgets_what_was_adopted,
    deletes_what_came_late,
    prefers_any_failure,
)
