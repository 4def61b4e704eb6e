"""Rows chosen by what became of them: the manifest of a re-processing run.

A condition is SQL over the columns of results and manifests together. It is asked of the newest
row of every sample, whether that has a picture or not.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.manifest.picture_columns import (
    NESTED_ADDRESS_COLUMNS,
    SINGLE_ADDRESS_COLUMNS,
    change_nested_addresses,
)
from pipeline.manifest.reader import open_manifest
from pipeline.manifest.rows import Manifest, sql_type
from pipeline.runs.earlier_runs import Pick, latest, picks_of
from pipeline.runs.merged_view import file_schema
from pipeline.runs.past_runs import PastRun, Source, past_runs, source_named
from pipeline.runs.stored_files import open_parquet
from pipeline.storage.parallel import in_threads
from pipeline.tables import UNTYPED, readable, union
from pipeline.tables.sql import Stream, check_condition, columns_of, query, quoted
from pipeline.tables.writing import PartFiles, can_be_written, conformed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Rows of earlier runs that a condition selects."""

    ids: Mapping[Source, pa.Table]
    """A table of ids for each manifest."""
    manifests: Mapping[Source, Manifest]
    parents: tuple[PastRun, ...]
    """The runs whose rows are chosen, oldest first."""
    image_root: str

    @property
    def num_rows(self) -> int:
        return sum(table.num_rows for table in self.ids.values())


def choose(output: str, condition: str, *, manifest: str | None = None) -> Selection | None:
    """The rows under a dataset root that meet a condition; None if no row does.

    Args:
        output: the dataset root.
        condition: SQL over result and manifest columns.
        manifest: the one that all rows are taken from; None: each from the one that its run names.

    Raises:
        ValueError: one line on what is wrong with the condition, or why the rows it selects cannot
            be made anew together.
    """
    runs = {run.run_id: run for run in past_runs(output)}
    if not runs:
        raise ValueError(f"{storage.absolute(output)}: no runs there; name a dataset's folder")
    view = latest(output)
    named = None if manifest is None else source_named(manifest, runs.values())
    sources = {run_id: named or run.source for run_id, run in runs.items()}
    manifests = _manifests(sources[run_id] for run_id in view["run_id"].unique().to_pylist())
    files = picks_of(view)
    try:
        columns = _result_columns([pick.file for pick in files], condition)
    except ValueError as error:
        raise ValueError(f"--where {condition!r}: {error}") from None
    # Of all manifests first: what is wrong is said before any is searched.
    own = {source: _columns_read(condition, columns, one) for source, one in manifests.items()}

    ids: dict[Source, pa.Table] = {}
    parents: set[str] = set()
    for source, opened in manifests.items():
        made_from = [pick for pick in files if sources[pick.run_id] == source]
        chosen = _matching(made_from, columns, opened, own[source], condition)
        if chosen.num_rows:
            ids[source] = chosen.select(["id"])
            parents.update(chosen["run_id"].unique().to_pylist())
    if not ids:
        return None
    chosen_runs = tuple(run for run in runs.values() if run.run_id in parents)
    roots = [
        # The rows of a re-processing run lie within the dataset; where its photographs are, the
        # manifest says that those rows were taken from, which may be gone.
        str(run.document["image_root"])
        if run.is_reprocessing and named is None
        else manifests[sources[run.run_id]].root
        for run in chosen_runs
    ]
    return Selection(ids=ids, manifests=manifests, parents=chosen_runs, image_root=_one_of(roots))


def write_manifest(chosen: Selection, folder: str, *, used: Collection[str]) -> int:
    """Write the chosen rows as a manifest of their own; returns how many there are.

    Image URIs are absolute: the manifest no longer lies where they are. The rows of each manifest
    are in files of their own, under the types that they have there: what nobody uses need not fit
    together. Of those columns the ones are left out that cannot be read whole or written.

    Args:
        chosen: the rows.
        folder: for the files.
        used: columns that the recipe looks at or keeps.

    Raises:
        ValueError: manifests disagree about a column that is used; one line that names both.
    """
    opened = {source: chosen.manifests[source] for source in chosen.ids}
    schemas = _written(opened, frozenset(used))
    names, num_rows = list[str](), 0
    for source, ids in chosen.ids.items():
        files = PartFiles(folder=folder, schema=schemas[source], ending=".pq", names=names)
        for table in _rows_of(opened[source], schemas[source].names, ids, chosen.image_root):
            files.write(conformed(table, schemas[source]))
            num_rows += table.num_rows
        files.close()
    return num_rows


def _manifests(sources: Iterable[Source]) -> dict[Source, Manifest]:
    return {
        (uri, reading): open_manifest(uri, reading=reading)
        for uri, reading in dict.fromkeys(sources)
    }


def _result_columns(files: Sequence[str], condition: str) -> pa.Schema:
    """The columns of these files that a condition may name: never a picture it does not ask for.

    They are under types that SQL can compare.

    Raises:
        ValueError: SQL has no type for one that it names, or it is no expression.
    """
    columns = []
    # Of the others, runs need not agree on the type.
    merged = file_schema(files, wanted=lambda name: name == "id" or _names(condition, name))
    named = columns_of(condition, merged.names) or ()
    for column in merged:
        if column.name == "id":
            columns.append(column)
        else:
            type_ = sql_type(column.type)
            if type_ is not None:
                columns.append(column.with_type(type_))
            elif column.name in named:
                raise ValueError(
                    f"column {column.name!r} is {column.type}, which a condition cannot read: "
                    "leave it out of the condition"
                )
    return pa.schema(columns)


def _names(condition: str, column: str) -> bool:
    """Whether a condition may speak of a column. One that it does not need costs only time."""
    word = rf"(?<!\w){re.escape(column)}(?!\w)"
    return re.search(word, condition, re.IGNORECASE) is not None


def _columns_read(condition: str, results: pa.Schema, manifest: Manifest) -> pa.Schema:
    """The manifest's columns that a condition reads, but for those that a result's hides.

    Raises:
        ValueError: something is wrong with the condition.
    """
    taken = {name.casefold() for name in results.names}
    try:
        own = manifest.sql_columns(condition, besides=taken)
        check_condition(condition, pa.schema([*results, *own]), known=manifest.schema.names)
    except ValueError as error:
        raise ValueError(f"--where {condition!r}: {error}") from None
    return own


def _matching(
    files: Sequence[Pick],
    columns: pa.Schema,
    manifest: Manifest,
    own: pa.Schema,
    condition: str,
) -> pa.Table:
    """`id` and `run_id` of the rows that meet the condition, which reads `own` of the manifest."""
    with_run = columns.append(pa.field(_RUN, pa.string()))
    batches = (
        batch
        for table in in_threads(lambda pick: _read(pick, with_run), files)
        for batch in table.to_batches()
    )
    picked = "".join(f", manifest.{quoted(name)}" for name in own.names)
    try:
        matching = query(
            f"SELECT DISTINCT id, {_RUN} AS run_id FROM (SELECT results.*{picked} FROM results "
            f"JOIN manifest ON results.id = manifest.id) WHERE ({condition})",
            results=Stream(with_run, batches),
            manifest=manifest.sql_stream(own),
        )
        return matching.read_all()
    except ValueError as error:
        raise ValueError(f"--where {condition!r}: {error}") from None


_RUN = f"run_{uuid.uuid4().hex}"
"""A column of ours among those of others, which may have any name."""


def _read(pick: Pick, columns: pa.Schema) -> pa.Table:
    with open_parquet(pick.file) as file:
        present = [name for name in columns.names if name in file.schema_arrow.names]
        table = file.read(columns=present).take(pa.array(pick.rows, pa.int64()))
    run_id = pa.repeat(pa.scalar(pick.run_id), table.num_rows)
    return conformed(table.append_column(_RUN, run_id), columns)


def _one_of(all_roots: Iterable[str]) -> str:
    roots = sorted(set(all_roots))
    if len(roots) > 1:
        raise ValueError(
            f"--where selects rows of manifests in {len(roots)} folders ({', '.join(roots)}), and "
            "a run reads photographs of one: select the rows of one, such as with run_id = '...'"
        )
    return roots[0]


def _written(opened: Mapping[Source, Manifest], used: frozenset[str]) -> dict[Source, pa.Schema]:
    """The columns of each manifest that go on. Raises as `write_manifest`."""
    for name in sorted(used):
        for manifest in opened.values():
            if name in manifest.table.conflicts:
                manifest.field(name)
    ways_out = "or select the rows of one manifest, such as with run_id = '...'"
    united = union((manifest.uri, manifest.schema) for manifest in opened.values())
    conflicts = [united.conflicts[name] for name in sorted(used & united.conflicts.keys())]
    if conflicts:
        raise ValueError(
            f"--where selects rows whose manifests disagree: {conflicts[0]}, {ways_out}"
        )
    schemas, spelled = dict[Source, pa.Schema](), dict[str, tuple[str, str]]()
    for source, manifest in opened.items():
        fields, left_out = list[pa.Field](), list[str]()
        for column in manifest.schema:
            name = column.name
            # SQL does not tell apart names that differ in case only, and no manifest has both.
            other, where = spelled.setdefault(name.casefold(), (name, manifest.uri))
            if other != name and not used.isdisjoint({name, other}):
                raise ValueError(
                    f"--where selects rows whose manifests disagree: column {other!r} in {where} "
                    f"is called {name!r} in {manifest.uri}: give it one name, {ways_out}"
                )
            if name in used or (other == name and _is_sound(manifest, column)):
                fields.append(column.with_metadata(_said_of(manifest, name)))
            else:
                left_out.append(name)
        if left_out:
            logger.info(
                "columns of %s that nobody uses are left out of the new run's manifest, where they "
                "cannot be written as they are: %s",
                manifest.uri,
                ", ".join(left_out),
            )
        schemas[source] = pa.schema(fields)
    return schemas


def _said_of(manifest: Manifest, name: str) -> dict[bytes, bytes]:
    """Text that nobody has declared to be text says so."""
    return UNTYPED if name in manifest.table.untyped else {}


def _is_sound(manifest: Manifest, column: pa.Field) -> bool:
    """Whether a column can be read whole, and written."""
    if not can_be_written(column):
        return False
    if column.name in manifest.table.doubtful:
        try:
            for _ in manifest.raw_batches([column.name]):
                pass
        except ValueError:
            return False
    return True


def _rows_of(
    manifest: Manifest, columns: Sequence[str], ids: pa.Table, root: str
) -> Iterator[pa.Table]:
    wanted = ids["id"].cast(pa.large_string()).combine_chunks()
    for raw in manifest.raw_batches(columns):
        clean, _ = readable(raw)
        is_wanted = pc.is_in(clean.column("id").cast(pa.large_string()), wanted)
        rows, shown = raw.filter(is_wanted), clean.filter(is_wanted)
        table = pa.Table.from_batches([rows])
        for name in set(SINGLE_ADDRESS_COLUMNS).intersection(table.column_names):
            absolute = [_kept_address(uri, root) for uri in shown.column(name).to_pylist()]
            position = table.column_names.index(name)
            table = table.set_column(position, name, pa.array(absolute, pa.string()))
        for name in set(NESTED_ADDRESS_COLUMNS).intersection(table.column_names):
            position = table.column_names.index(name)
            column = change_nested_addresses(
                table[name], lambda uri: _kept_address(uri, root) if "://" in uri else uri
            )
            table = table.set_column(position, table.schema.field(name), column)
        yield table


def _kept_address(uri: Any, root: str) -> str | None:
    """The address as a dataset keeps it: the run that makes the row looks the whole one up."""
    if not uri:
        return None if uri is None else str(uri)
    try:
        address = storage.resolve(uri, against=root)
    except ValueError:  # what is wrong with it is for the plan to say, and that there is none
        return storage.shown(str(uri))
    if storage.address_fault(address) is None:
        return storage.withheld(address)
    if "@" not in address:
        return address
    # Of a user and a password that they are there, which the plan refuses.
    scheme, mark, rest = storage.shown(address).partition("://")
    return f"{scheme}{mark}@{rest}"
