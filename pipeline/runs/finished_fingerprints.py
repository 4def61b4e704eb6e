"""Which rows need no new result: a sorted array of fingerprints that a plan is held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_DIGITS = "S32"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """Rows that earlier runs have answered for good.

    Sorted and of one size, ten million fingerprints take 320 MB and a lookup is a bisection; a set
    of Python strings would take four times that.
    """

    fingerprints: NDArray[np.bytes_]
    """Ascending, 32 hexadecimal digits each."""
    adopted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Result files, by run id, of runs that are not finished: rows in them count as settled, so
    the run that leaves them out must vouch for them, or no reader would ever see them."""
    lacking: Mapping[str, NDArray[np.bytes_]] = field(default_factory=dict)
    """The fingerprints, by column, whose newest rows do not have it, ascending."""
    has_news: bool = False
    """Whether one of the files in `adopted` is vouched for by no run yet."""

    def left_out_of(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The tables without the rows that are settled."""
        for table in tables:
            yield table.filter(pa.array(~self.holds(table)))

    def holds(self, table: pa.Table) -> NDArray[np.bool_]:
        """Which rows of a table with a `fingerprint` are settled."""
        return _among(self.fingerprints, table)

    def count_lacking(self, table: pa.Table) -> Counter[str]:
        """How many of the settled rows of a table do not have a column, by column."""
        if not self.lacking:  # on most nights
            return Counter()
        held = self.holds(table)
        return Counter(
            {name: int((held & _among(those, table)).sum()) for name, those in self.lacking.items()}
        )


def _among(fingerprints: NDArray[np.bytes_], table: pa.Table) -> NDArray[np.bool_]:
    wanted = np.array(table["fingerprint"].to_pylist(), dtype=_DIGITS)
    if not len(fingerprints):
        return np.zeros(len(wanted), dtype=bool)
    found = np.searchsorted(fingerprints, wanted).clip(max=len(fingerprints) - 1)
    return np.asarray(fingerprints[found] == wanted)


def collected(batches: Iterable[pa.Array], most: int) -> NDArray[np.bytes_]:
    """Fingerprints that arrive in batches, at most so many, as one sorted array."""
    array = np.empty(most, dtype=_DIGITS)
    filled = 0
    for batch in batches:
        array[filled : filled + len(batch)] = batch.to_pylist()
        filled += len(batch)
    array = array[:filled]
    array.sort()
    return array


def rechunked(
    tables: Iterable[pa.Table], num_rows: int, *, num_bytes: int | None = None
) -> Iterator[pa.Table]:
    """Yield the rows in tables of `num_rows`, the last one shorter; none that is empty.

    What comes to `num_bytes` before is a table of its own.
    """
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(part.num_rows for part in waiting) >= num_rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, num_rows).combine_chunks()
            waiting = [joined.slice(num_rows)]
        if num_bytes is not None and sum(part.nbytes for part in waiting) >= num_bytes:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if any(part.num_rows for part in waiting):
        yield pa.concat_tables(waiting).combine_chunks()
