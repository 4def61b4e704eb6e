"""How things go wrong: a closed list of codes, three kinds of error, two loops that catch them.

A row that cannot be finished travels on as data (`RowError`); what no row can survive stops the run
(`FatalError`). `docs/errors.md` is the runbook: what each code means and what to do about it.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pipeline.engine.row_clock import working_on
from pipeline.text.printable import of_error, one_line

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]
Columns = dict[str, Any]


class ErrorCode(StrEnum):
    """Why a row has no image. For counting: the message beside it is for people."""

    BAD_REQUEST = "bad_request"
    """A value of the manifest row cannot be used; the message names the column."""
    URI_NOT_ALLOWED = "uri_not_allowed"
    """The image URI's scheme, host or folder is outside what the recipe allows."""
    NOT_FOUND = "not_found"
    """There is nothing at the image URI."""
    ACCESS_DENIED = "access_denied"
    """The storage refused to let us read the image. Taken up again by the next run: a policy that
    is mended changes nothing about the row."""
    STORAGE = "storage"
    """The storage did not answer in time, after all retries, or what arrived is not what it holds.
    Taken up again by the next run."""
    EMPTY_FILE = "empty_file"
    """The image has no bytes."""
    TOO_MANY_BYTES = "too_many_bytes"
    """The file is larger than the recipe accepts."""
    UNSUPPORTED_FORMAT = "unsupported_format"
    """Not an image, or one in a format this installation cannot read."""
    CORRUPT_IMAGE = "corrupt_image"
    """It starts like an image and cannot be decoded to the end."""
    TOO_MANY_PIXELS = "too_many_pixels"
    """The header announces more pixels than the recipe accepts; nothing was decoded."""
    TOO_SMALL = "too_small"
    """A side is shorter than the recipe accepts."""
    EXTREME_ASPECT = "extreme_aspect"
    """Longer and narrower than the recipe accepts."""
    EMPTY_MATTE = "empty_matte"
    """No foreground was found."""
    FULL_MATTE = "full_matte"
    """Everything was taken for foreground: no background is left to replace."""
    DOUBTFUL_MATTE = "doubtful_matte"
    """The cut-out is less certain than the recipe accepts."""
    PROMPT_MISSING = "prompt_missing"
    """Neither the row nor the recipe says what background to make."""
    PROMPT_REJECTED = "prompt_rejected"
    """A term policy refused the prompt."""
    PRODUCT_GREW = "product_grew"
    """The generator drew more product than there is, and the recipe calls that a failure."""
    UNSAFE_IMAGE = "unsafe_image"
    """The safety checker objects to the finished picture."""
    SIGNING_FAILED = "signing_failed"
    """The picture is finished and could not be signed. Taken up again by the next run: what signs
    is mended, not the row."""
    OUT_OF_MEMORY = "out_of_memory"
    """The row alone does not fit the memory of its worker."""
    KILLED_WORKER = "killed_worker"
    """The row killed its worker process each time it was tried."""
    TOO_SLOW = "too_slow"
    """A stage was not done with the row within `budget.max_row_seconds`; its worker process was
    ended for it."""
    UNEXPECTED = "unexpected"
    """A bug: the message holds the exception. Counted against its own budget."""


PASSING = frozenset({ErrorCode.STORAGE, ErrorCode.ACCESS_DENIED})
"""What says nothing about the row itself: a later run takes these up whatever was recorded of them,
for earlier versions called a refusal final."""


_LONGEST_MESSAGE = 600
"""Of a row, in characters: it is read in a table, and quotes what a manifest holds."""

OF_A_FILE = frozenset(
    {
        ErrorCode.EMPTY_FILE,
        ErrorCode.UNSUPPORTED_FORMAT,
        ErrorCode.CORRUPT_IMAGE,
        ErrorCode.TOO_MANY_PIXELS,
        ErrorCode.TOO_SMALL,
        ErrorCode.EXTREME_ASPECT,
    }
)
"""What says that a file is no use: true only of the bytes that the storage holds."""


class RowError(Exception):
    """This row cannot be finished, and trying again would not help until its input changes."""

    retryable = False

    def __init__(self, code: ErrorCode, message: str) -> None:
        # Every argument goes to super().__init__, or the exception dies when it is unpickled.
        message = one_line(message, most=_LONGEST_MESSAGE)
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class TransientError(RowError):
    """This row could not be finished now; the next run takes it up again."""

    retryable = True


class Postponed(TransientError):  # noqa: N818 - it is what becomes of a row, and nothing is wrong
    """There was no room for this row beside those before it: it is to be given again.

    Never of the first of some rows. `execution.py` sees to it; were it to forget, the row would
    end as one for the next run, and not be lost.
    """

    def __init__(self) -> None:
        super().__init__(ErrorCode.STORAGE, "not read yet: there was no room beside other rows")

    def __reduce__(self) -> tuple[type[Postponed], tuple[()]]:
        return type(self), ()


class FatalError(Exception):
    """No row can be finished (weights missing, device lost): stops the run, blames no row."""


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What the system says of a disk that takes nothing more, whichever row comes next."""

Outcome = Columns | RowError
"""What a mapper returns for one row: the columns it adds, or why it could not."""


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
        of: the rows as the mapper was given them, if those are others; for each.
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
        of: the row as the mapper was given it, if that is another.

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
