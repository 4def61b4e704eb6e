"""The manifest columns that travel to the result: under which types, and what does not fit them.

A column keeps the type that it has, but for three cases: the recipe gives it one (`keep_types`);
earlier runs of the dataset hold it under another, so that the dataset stays one table; or it has
nanoseconds or maps, which many readers do not know.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from pipeline import schema
from pipeline.manifest.rows import Manifest
from pipeline.recipe import Recipe
from pipeline.tables import (
    Faults,
    Portable,
    as_meant,
    can_hold,
    differing,
    exactly,
    is_within,
    joined,
    portable,
    type_named,
)
from pipeline.tables.writing import can_be_written

logger = logging.getLogger(__name__)


class HeldColumn(NamedTuple):
    """A kept column as the dataset has it."""

    type: pa.DataType
    run_id: str
    """The newest run that has the column."""
    name: str
    """The name as it is written there, which may be in other letters: small, or large."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptColumns:
    """The kept columns of one manifest on their way into one dataset."""

    recipe: Recipe
    manifest: Manifest
    held: Mapping[str, HeldColumn] = field(default_factory=dict)

    @property
    def fields(self) -> list[pa.Field]:
        """The columns as the plan and the results have them."""
        return [self.manifest.field(name).with_type(self._type(name)) for name in self.recipe.keep]

    def check(self) -> None:
        """Refuse columns that cannot be kept, or not in this dataset.

        Where the dataset has a column under another type, all of its values are read.

        Raises:
            ValueError: one line naming the column and the fix.
        """
        names = [*self.manifest.schema.names, *self.manifest.table.conflicts]
        for name in self.recipe.keep:
            if self.recipe.keep.count(name) > 1:
                raise ValueError(f"keep: {name!r} is named twice: once is enough")
            if name not in names:
                raise ValueError(f"keep: the manifest has no column {name!r}; it has {names}")
            if name in schema.RESERVED:
                raise ValueError(f"keep: {name!r} is a column of every result: take it out of keep")
            self._check_letters(name)
            _check_can_be_carried(self.manifest.field(name).with_type(self._own_type(name)))
            if name in self.recipe.keep_types:
                self._check_declared(name)
            elif name in self.held:
                self._check_held(name, self.held[name])

    def of(self, batch: pa.RecordBatch) -> tuple[pa.Table, Faults, Counter[str]]:
        """The kept columns of some rows; which rows have a value that does not fit; what was cut.

        There is a column of positions besides, so that there is always one. The last counts, by
        column, the values that lost a fraction of a microsecond.
        """
        arrays, faults = [pa.array(range(batch.num_rows), pa.int64())], Faults()
        cut: Counter[str] = Counter()
        for wanted in self.fields:
            array = batch.column(wanted.name)
            if wanted.name in self.recipe.keep_types:
                array, unfit = as_meant(array, wanted.type)
                kind = self.recipe.keep_types[wanted.name]
                for row in unfit:
                    value = str(batch.column(wanted.name)[row].as_py())
                    faults.setdefault(
                        row,
                        f"{wanted.name} {value[:40]!r} is no {kind}, which keep_types says it is: "
                        "correct it",
                    )
            else:
                array, lost = portable(array, self._own_type(wanted.name))
                cut[wanted.name] += lost
            arrays.append(array.cast(wanted.type))
        return pa.table(arrays, names=["place", *self.recipe.keep]), faults, cut

    def _type(self, name: str) -> pa.DataType:
        declared = self.recipe.keep_types.get(name)
        if declared is not None:
            return type_named(declared)
        own = self._own_type(name)
        held = self.held.get(name)
        return own if held is None else joined(held.type, own)

    def _own_type(self, name: str) -> pa.DataType:
        output = self.recipe.output
        target = Portable(
            microseconds=output.timestamps == "microseconds", lists=output.maps == "lists"
        )
        return target.of(self.manifest.field(name).type)

    def _check_letters(self, name: str) -> None:
        """Refuse a name that another column of the dataset has in small or large letters."""
        ours = next((own for own in schema.RESERVED if own.casefold() == name.casefold()), None)
        if ours is not None:
            raise ValueError(
                f"keep: {name!r} is {ours!r} but for its letters, a column of every result, and "
                "Spark and DuckDB take them for one: give it another name, such as "
                f"--map my_{ours}={name!r}"
            )
        held = self.held.get(name)
        if held is not None and held.name != name:
            raise ValueError(
                f"keep: {name!r} is {held.name!r} but for its letters, a column of this dataset "
                f"(run {held.run_id}), and Spark and DuckDB take them for one: call it "
                f"{held.name!r} in keep, with --map {held.name}={name!r}"
            )

    def _check_declared(self, name: str) -> None:
        own, kind = self.manifest.field(name).type, self.recipe.keep_types[name]
        if not can_hold(type_named(kind), own):
            raise ValueError(f"keep_types: column {name!r} is {own}, which can be no {kind}")
        held = self.held.get(name)
        if held is not None and not is_within(held.type, type_named(kind), parts_may_lack=False):
            raise ValueError(
                f"keep_types: column {name!r} is {held.type} in this dataset (run {held.run_id}) "
                f"and {type_named(kind)} as {kind}: the dataset would be no table any more; take "
                f"{name!r} out of keep_types, {_renamed(name)}, or name another --output"
            )

    def _check_held(self, name: str, held: HeldColumn) -> None:
        own, whole = self._own_type(name), self._type(name)
        if is_within(held.type, own, parts_may_lack=False) or is_within(own, held.type):
            return
        which = None if is_within(own, whole) else self._misfit(name, own, whole)
        if which is None:
            logger.info(
                "keep: column %r is %s in this manifest and kept as %s; run %s of this dataset has "
                "%s", name, own, whole, held.run_id, "the same" if whole == held.type else held.type
            )  # fmt: skip
            return
        path, there, here = differing(held.type, own)
        raise ValueError(
            f"keep: column {name + path!r} is {there} in this dataset (run {held.run_id}) and "
            f"{here} here, {which}: the dataset would be no table any more; cast it to that, "
            f"{_renamed(name)}, or name another --output"
        )

    def _misfit(self, name: str, own: pa.DataType, held: pa.DataType) -> str | None:
        """What of a column does not fit the type that the dataset has; None: all does."""
        if not can_hold(held, own):
            return "which cannot be that"
        for batch, _ in self.manifest.batches([name]):
            array, _ = portable(batch.column(0), own)
            _, unfit = exactly(array, held)
            if unfit:
                return f"such as {str(array[unfit[0]].as_py())[:40]!r}"
        return None


def _renamed(name: str) -> str:
    return f"keep it under another name, such as --map {name}_2={name!r}"


def _check_can_be_carried(column: pa.Field) -> None:
    if not can_be_written(column):
        raise ValueError(
            f"keep: column {column.name!r} is {column.type}, which a Parquet file cannot hold: "
            "cast it, such as to a string, or take it out of keep"
        )
