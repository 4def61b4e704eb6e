"""One bad row costs one row: work is applied row by row, and a batch that raises is halved.

A refusal (`RowError`) is the outcome of its row. Any other exception is traced to the row that
causes it, and becomes that row's outcome. What no row survives (`FatalError`) passes through.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence

from pipeline.engine.row_clock import working_on
from pipeline.errors import Columns, ErrorCode, FatalError, Outcome, Row, RowError
from pipeline.text.printable import of_error

logger = logging.getLogger(__name__)

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Error numbers of a disk that takes nothing more, whichever row comes next."""


def each(
    rows: Sequence[Row],
    work: Callable[[Row], Columns],
    *,
    of: Sequence[object] | None = None,
) -> list[Outcome]:
    """Apply `work` row by row; a `RowError` becomes the outcome of its row.

    Args:
        rows: what `work` is given.
        work: is watched: a row that it is not done with in time takes its worker down.
        of: the rows as the mapper was given them, one for each of `rows`; None: those very rows.
    """
    outcomes: list[Outcome] = []
    for row, origin in zip(rows, rows if of is None else of, strict=True):
        try:
            with working_on(origin):
                outcomes.append(work(row))
        except RowError as error:
            outcomes.append(error)
    return outcomes


def alone(row: Row, work: Callable[[Row], Columns], *, of: object = None) -> Outcome:
    """Apply `work` to one row; whatever it raises becomes the row's outcome.

    Args:
        row: what `work` is given.
        work: is watched, as by `each`.
        of: the row as the mapper was given it; None: that very row.

    Raises:
        FatalError: raised by `work`.
    """
    origins = [row if of is None else of]
    (outcome,) = isolate(lambda rows: each(rows, work, of=origins), [row])
    return outcome


def isolate(
    map_batch: Callable[[Sequence[Row]], Sequence[Outcome]], rows: Sequence[Row]
) -> list[Outcome]:
    """Run `map_batch`; when it raises, halve the batch until the culprit stands alone.

    One bad row costs at most `2 * log2(len(rows)) + 1` calls more, and an out-of-memory batch
    retries smaller the same way. A row that raises alone becomes `out_of_memory` or `unexpected`.

    Raises:
        FatalError: raised by the mapper, or a disk is full; no row is blamed for it.
    """
    if not rows:
        return []
    try:
        outcomes = list(map_batch(rows))
    except FatalError:
        raise
    except Exception as error:  # noqa: BLE001 - the only one in the house: a bug must cost one row
        if len(rows) == 1:
            return [_blame(error)]
        middle = len(rows) // 2
        return isolate(map_batch, rows[:middle]) + isolate(map_batch, rows[middle:])
    if len(outcomes) != len(rows):
        # Not the row's fault and not recoverable: the mapper breaks the 1:1 contract.
        raise FatalError(f"mapper returned {len(outcomes)} outcomes for {len(rows)} rows")
    return outcomes


def _blame(error: Exception) -> RowError:
    """What becomes of a row that raised alone.

    Raises:
        FatalError: a disk is full.
    """
    if isinstance(error, RowError):
        return error
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        raise FatalError(of_error(error)) from error
    if isinstance(error, MemoryError):
        return RowError(
            ErrorCode.OUT_OF_MEMORY, str(error) or "the row alone does not fit in memory"
        )
    logger.error("unexpected error in a mapper", exc_info=error)
    return RowError(ErrorCode.UNEXPECTED, f"{type(error).__name__}: {error}")
