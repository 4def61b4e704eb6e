"""How things go wrong: a closed list of codes, and the errors that carry them.

A row that cannot be finished travels on as data (`RowError`); what no row can survive stops the run
(`FatalError`). `docs/errors.md` is the runbook: what each code means and what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pipeline.text.printable import one_line

Row = Mapping[str, Any]
Columns = dict[str, Any]


class ErrorCode(StrEnum):
    """Why a row has no image. For counting: the message beside it is for people."""

    BAD_REQUEST = "bad_request"
    """A value of the manifest row cannot be used; the message names the column."""
    URI_NOT_ALLOWED = "uri_not_allowed"
    """The image URI's scheme, host or folder is outside what the recipe allows."""
    NOT_FOUND = "not_found"
    """Nothing lies at the image URI."""
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
    """The file is no image, or is one in a format that this installation cannot read."""
    CORRUPT_IMAGE = "corrupt_image"
    """The file starts like an image and cannot be decoded to the end."""
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
"""The most characters of a row's message: it is read in a table, and quotes what a manifest holds.
"""

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
    """A row for which there was no room beside those before it: it is to be given again.

    A mapper never postpones the first of its rows. The worker gives the others again; were it to
    forget, they would be left to the next run, and not be lost.
    """

    def __init__(self) -> None:
        super().__init__(ErrorCode.STORAGE, "not read yet: there was no room beside other rows")

    def __reduce__(self) -> tuple[type[Postponed], tuple[()]]:
        return type(self), ()


class FatalError(Exception):
    """No row can be finished (weights missing, device lost): stops the run, blames no row."""


Outcome = Columns | RowError
"""What a mapper returns for one row: the columns it adds, or why it could not."""


def error_value(stage: str, error: RowError) -> dict[str, Any]:
    """A `RowError` as the value of the error column."""
    return {
        "stage": stage,
        "code": str(error.code),
        "message": error.message,
        "retryable": error.retryable,
    }
