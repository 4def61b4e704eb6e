"""The ledger of a run: its folder, what was planned, what is done, and when it is finished.

    <output>/README.md
    <output>/run_id=<id>/  README.md  run.json  _plan/  results/  images/  results.json
                           report.json  report.html  _SUCCESS

Progress lives here and nowhere else, so that losing every machine of the cluster loses nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline import storage
from pipeline.planning.planner import BYTES_PER_FILE, ROWS_PER_FILE, Planner
from pipeline.planning.withheld_addresses import (
    looked_up,
    packed,
    taken_apart,
    unpacked,
    with_whole,
)
from pipeline.processes.activity import doing
from pipeline.recipe import Recipe
from pipeline.runs.clock import now
from pipeline.runs.conservation import POSITIONS, compare, missing_rows
from pipeline.runs.dataset_card import write_cards
from pipeline.runs.documents import as_json
from pipeline.runs.finished_fingerprints import Settled, rechunked
from pipeline.runs.identity import Request, begun_as, is_finished, run_id_of
from pipeline.runs.result_files import Committed, ids_of, read_committed
from pipeline.runs.stored_files import open_parquet
from pipeline.tables.writing import PLANNED_ROWS, encoded


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Which rows of earlier runs a re-processing run makes anew."""

    parent: tuple[str, ...]
    """The ids of those runs."""
    condition: str
    """What selected the rows."""
    image_root: str
    """Folder that the parents' relative image URIs start from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkUnit:
    """Rows of one plan file that travel together."""

    plan_file: str
    rows: tuple[int, ...]
    """Positions in the file, ascending."""
    addresses: bytes | None = field(default=None, repr=False)
    """The whole addresses of these rows, packed, where the plan withholds some."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """An opened run: its plan is complete and on storage."""

    uri: str
    run_id: str
    num_planned: int
    plan_files: tuple[str, ...]
    num_unchanged: int = 0
    """Rows that were not planned because an earlier run has settled them."""
    not_looked_at: Mapping[str, int] = field(default_factory=dict)
    """Photographs of which nobody can say whether they have changed, by why."""
    lacking: Mapping[str, int] = field(default_factory=dict)
    """How many of the unchanged rows were made before a column was kept, by column."""
    num_withheld: int = 0
    """Planned rows of whose addresses a part is not in the plan."""
    addresses: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The whole ones, packed, by plan file; empty where the run was planned by another driver."""

    def with_addresses(self, planner: Planner, units: Sequence[WorkUnit]) -> Ledger:
        """The run with the whole addresses of what is to be done, looked up again.

        Those of a manifest that was signed anew since it was planned are the newer ones.

        Raises:
            ValueError: the manifest cannot be read any more.
        """
        if self.addresses or not self.num_withheld:
            return self
        known = dict(planner.addresses())
        addresses = {}
        for name in dict.fromkeys(unit.plan_file for unit in units):
            with open_parquet(storage.join(self.uri, name)) as file:
                planned = file.read(columns=["image_uri", "mask_uri", "reference_uris"])
            data = packed(pa.chunked_array([looked_up(planned, known)]))
            if data is not None:
                addresses[name] = data
        return replace(self, addresses=addresses)

    def addressed(self, units: Sequence[WorkUnit]) -> list[WorkUnit]:
        """The units, each with the whole addresses of its rows."""
        if not self.addresses:
            return list(units)
        made, name, whole = list[WorkUnit](), "", None
        for unit in units:  # a plan file's stand next to each other
            if unit.plan_file != name:
                name = unit.plan_file
                data = self.addresses.get(name)
                whole = None if data is None else unpacked(data)
            rows = None if whole is None else whole.take(pa.array(unit.rows, pa.int64()))
            made.append(replace(unit, addresses=None if rows is None else packed(rows)))
        return made

    def is_finished(self) -> bool:
        """Whether the run has said so."""
        return is_finished(self.uri)

    @doing("reading what is done")
    def committed(self) -> list[Committed]:
        """All result files, which may hold rows twice; torn ones are removed."""
        files, torn = read_committed(self.uri)
        for uri in torn:
            storage.remove(uri)
        return files

    @doing("finding what is left to do")
    def pending(self, committed: Sequence[Committed], rows_per_block: int) -> list[WorkUnit]:
        """The plan minus the results: what is still to do, in units of at most so many rows."""
        if not committed:
            return [
                WorkUnit(
                    plan_file=file, rows=tuple(range(first, min(first + rows_per_block, size)))
                )
                for file in self.plan_files
                for size in [_num_rows(storage.join(self.uri, file))]
                for first in range(0, size, rows_per_block)
            ]
        return [
            WorkUnit(
                plan_file=self.plan_files[file], rows=tuple(rows[first : first + rows_per_block])
            )
            for file, rows in missing_rows(self._positions(), ids_of(committed))
            for first in range(0, len(rows), rows_per_block)
        ]

    @doing("comparing the results with the plan")
    def discrepancies(self, committed: Sequence[Committed]) -> dict[str, list[str]]:
        """Ids that are lost, duplicated or unexpected, at most 20 of each; empty if all is well."""
        planned = (planned_ids(storage.join(self.uri, file)) for file in self.plan_files)
        compared = compare(planned, ids_of(committed), num_examples=_NUM_NAMED)
        kinds = compared.by_kind().items()
        return {kind: list(ids.examples) for kind, ids in kinds if ids.count}

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Put a JSON document into the run's folder."""
        storage.write(storage.join(self.uri, name), as_json(value), below=self.uri)

    def succeed(self, committed: Sequence[Committed]) -> None:
        """Declare the run finished: readers of the dataset go by this list of files."""
        self.write_json("_SUCCESS", {"results": sorted(file.file for file in committed)})

    def _positions(self) -> Iterator[pa.RecordBatch]:
        for index, file in enumerate(self.plan_files):
            ids = planned_ids(storage.join(self.uri, file))
            yield pa.record_batch(
                [
                    pa.array([index] * len(ids), pa.int32()),
                    pa.array(range(len(ids)), pa.int32()),
                    ids,
                ],
                schema=POSITIONS,
            )


_NUM_NAMED = 20
"""Ids that a report names of each kind of discrepancy."""


def read_unit(run_uri: str, unit: WorkUnit) -> pa.Table:
    """The plan rows of a unit, and the whole addresses beside them. Runs inside the cluster."""
    with open_parquet(storage.join(run_uri, unit.plan_file)) as file:
        group_rows = file.metadata.row_group(0).num_rows
        first, last = unit.rows[0] // group_rows, unit.rows[-1] // group_rows
        table = file.read_row_groups(list(range(first, last + 1)))
    offset = first * group_rows
    rows = table.take(pa.array([row - offset for row in unit.rows]))
    return with_whole(rows, unit.addresses)


def open_ledger(uri: str, *, request: Request) -> Ledger | None:
    """Open a run that has been planned; None if it has not.

    Raises:
        ValueError: the run id belongs to another request.
    """
    document = begun_as(uri, request)
    if document is None:
        return None
    plan = document["plan"]
    return Ledger(
        uri=uri,
        run_id=document["run_id"],
        num_planned=plan["rows"],
        plan_files=tuple(plan["files"]),
        num_unchanged=document["unchanged"],
        # Neither is there where an earlier version has begun the run.
        not_looked_at=document.get("not_looked_at", {}),
        lacking=document.get("lacking", {}),
        num_withheld=plan.get("withheld", 0),
    )


class NothingToDo(Exception):  # noqa: N818 - no error: somebody is to be told
    """Every row that is asked for is settled."""

    def __init__(
        self,
        num_unchanged: int,
        *,
        not_looked_at: Mapping[str, int],
        lacking: Mapping[str, int],
    ) -> None:
        """Say how many rows there are, what is not known of their photographs, what they lack."""
        super().__init__(num_unchanged, not_looked_at, lacking)
        self.num_unchanged = num_unchanged
        self.not_looked_at = dict(not_looked_at)
        self.lacking = dict(lacking)


@doing("planning the run")
def start_ledger(
    uri: str,
    *,
    request: Request,
    recipe: Recipe,
    planner: Planner,
    settled: Settled | None = None,
    origin: Origin | None = None,
    after: datetime | None = None,
    keeps_empty: bool = True,
) -> Ledger:
    """Plan a new run.

    A plan is made once: a manifest that changes afterwards belongs to the next run, and a driver
    that was stopped while it planned finds the plan of another who did not wait.

    Args:
        uri: the run's folder.
        request: what is asked for.
        recipe: how.
        planner: makes the plan.
        settled: rows to leave out; a plan may be empty then, and only then.
        origin: of a re-processing run.
        after: when the newest of the runs so far was started, by the clock of whoever did. This
            one is newer, whatever our own clock says.
        keeps_empty: begin a run that has no row, too. One that vouches for files of other runs is
            begun in any case, or no reader would ever see them.

    Raises:
        NothingToDo: there is no row to make, and no run was begun.
        ValueError: the manifest selects nothing, or somebody else has begun another run here.
    """
    files, num_rows, num_selected, num_withheld = [], 0, 0, 0
    addresses: dict[str, bytes] = {}
    looker = planner.looker()
    lacking: Counter[str] = Counter()

    def selected() -> Iterator[pa.Table]:
        nonlocal num_selected
        for table in planner.tables(looker):
            num_selected += table.num_rows
            if settled is not None:
                lacking.update(settled.count_lacking(table))
            yield table

    tables = selected()
    if settled is not None:
        left = settled.left_out_of(tables)
        tables = rechunked(left, ROWS_PER_FILE, num_bytes=BYTES_PER_FILE)
    for index, (table, whole) in enumerate(map(taken_apart, tables)):
        data = encoded(table, PLANNED_ROWS)
        # Named by its bytes: two who plan the same run at once replace nothing of each other's.
        # Readers of a dataset pass over it by its folder or by its ending: it holds no results.
        name = f"_plan/plan-{index:05d}-{hashlib.sha256(data).hexdigest()[:16]}.pq"
        storage.write(storage.join(uri, name), data)
        files.append(name)
        num_rows += table.num_rows
        secret = None if whole is None else packed(whole)
        if whole is not None and secret is not None:
            addresses[name] = secret
            num_withheld += len(whole) - whole.null_count
    if not num_selected:
        raise ValueError("the manifest selects no row: check --where and --limit, or the manifest")
    if settled is not None and not (num_rows or keeps_empty or settled.has_news):
        raise NothingToDo(num_selected, not_looked_at=looker.unseen, lacking=+lacking)
    document = {
        "run_id": run_id_of(uri),
        "created_at": _next_moment(after).isoformat(timespec="milliseconds"),
        "request": request.as_json(),
        "manifest_version": planner.manifest.version,
        "parent": [] if origin is None else list(origin.parent),
        "condition": None if origin is None else origin.condition,
        "image_root": planner.manifest.root,
        "recipe": recipe.model_dump(mode="json"),
        "plan": {"rows": num_rows, "files": files, "withheld": num_withheld},
        "unchanged": num_selected - num_rows,
        "not_looked_at": dict(sorted(looker.unseen.items())),
        "lacking": dict(sorted((+lacking).items())),
        "adopted": {} if settled is None else dict(settled.adopted),
    }
    write_cards(uri)
    # Last, so that a run.json always speaks of a complete plan; and once.
    storage.create(storage.join(uri, "run.json"), as_json(document))
    ledger = open_ledger(uri, request=request)
    assert ledger is not None
    # Where another driver was first, these are of another plan: by its names they are none.
    return replace(ledger, addresses=addresses) if set(files) == set(ledger.plan_files) else ledger


def _next_moment(after: datetime | None) -> datetime:
    """Now, or just after a moment that is still to come: a clock is wrong then, ours or another."""
    moment = now()
    return moment if after is None else max(moment, after + timedelta(milliseconds=1))


def planned_ids(uri: str) -> pa.Array:
    """The sample ids of a plan file, in order."""
    with open_parquet(uri) as file:
        return file.read(columns=["sample_id"])["sample_id"].combine_chunks()


def _num_rows(uri: str) -> int:
    with open_parquet(uri) as file:
        return int(file.metadata.num_rows)
