"""Which rows go on together, counted in rows or in bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice, takewhile

import pyarrow as pa

from pipeline.errors import Outcome, RowError


def sliced(table: pa.Table, size: int) -> Iterator[pa.Table]:
    """Yield a table in order, at most `size` rows at a time; an empty one as it is."""
    for first in range(0, max(1, table.num_rows), size):
        yield table.slice(first, size)


def num_together(outcomes: Sequence[Outcome], most_bytes: int | None) -> int:
    """How many of the first outcomes have no more bytes than that together; at least one."""
    if most_bytes is None:
        return len(outcomes)
    sums = accumulate(map(num_bytes, outcomes))
    return max(1, sum(1 for _ in takewhile(lambda total: total <= most_bytes, sums)))


def num_bytes(outcome: Outcome) -> int:
    """The size in bytes of the files that a row's outcome adds."""
    if isinstance(outcome, RowError):
        return 0
    listed = (value if isinstance(value, list) else [value] for value in outcome.values())
    return sum(len(one) for values in listed for one in values if isinstance(one, bytes))


def index_after(waiting: Sequence[bool], first: int, num: int) -> int:
    """Where the row is that waits after so many that do, from one row on."""
    numbers = (number for number in range(first, len(waiting)) if waiting[number])
    return next(islice(numbers, num, None))
