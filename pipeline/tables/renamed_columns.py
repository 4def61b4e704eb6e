"""A table whose columns go by other names than in its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.tables.similar_names import nearest
from pipeline.tables.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class _Renamed:
    table: Table
    names: Mapping[str, str]
    """The name of each column in the files, by its name here."""

    @property
    def schema(self) -> pa.Schema:
        present = set(self.table.schema.names)
        return pa.schema(
            [
                self.table.schema.field(old).with_name(new)
                for new, old in self.names.items()
                if old in present
            ]
        )

    @property
    def conflicts(self) -> Mapping[str, str]:
        known = self.table.conflicts
        return {new: known[old] for new, old in self.names.items() if old in known}

    @property
    def untyped(self) -> frozenset[str]:
        return self._called(self.table.untyped)

    @property
    def doubtful(self) -> frozenset[str]:
        return self._called(self.table.doubtful)

    def _called(self, names: frozenset[str]) -> frozenset[str]:
        return frozenset(new for new, old in self.names.items() if old in names)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        own_names = list(dict.fromkeys(self.names[name] for name in columns))
        schema = pa.schema([self.schema.field(name) for name in columns])
        for batch in self.table.batches(own_names):
            arrays = [batch.column(self.names[name]) for name in columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def count(self) -> int:
        return self.table.count()


def renamed(table: Table, names: Mapping[str, str]) -> Table:
    """The table with columns under other names; those that are not named keep theirs.

    Args:
        table: as its files have it.
        names: by each new name, the one in the files.

    Raises:
        ValueError: there is no such column, or two would have one name; one line that names the
            option.
    """
    if not names:
        return table
    known = [*table.schema.names, *table.conflicts]
    moved = set(names.values())
    for new, old in names.items():
        if old not in known:
            raise ValueError(
                f"--map {new}={old!r}: there is no column {old!r}{nearest(old, known)}; there are "
                f"{known}"
            )
        if new in known and new not in moved:
            raise ValueError(
                f"--map {new}={old!r}: there is a column {new!r} already: give that another name "
                f"as well, such as --map other_{new}={new}, or leave this out"
            )
    kept = {name: [name] for name in known if name not in moved}
    for new, old in names.items():
        kept.setdefault(old, []).append(new)
    return _Renamed(table=table, names={new: old for old in known for new in kept[old]})
