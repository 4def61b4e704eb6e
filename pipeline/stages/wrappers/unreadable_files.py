"""A file is called useless only on the strength of what the storage holds.

Bytes that arrive short or damaged under a good status look like a broken upload. Whether they are
what the storage holds is known where they were read (`file_doubt`); that they are no picture shows
a stage later, or two. Here the one is brought to bear on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline.engine.stage import Mapper, MapperFactory, Stage
from pipeline.errors import OF_A_FILE, ErrorCode, Outcome, Row, RowError, TransientError
from pipeline.storage import Doubt


def joined(doubts: Sequence[tuple[str, Doubt]]) -> dict[str, Any] | None:
    """The value of `file_doubt` for a row, of what each doubt is about and the doubt."""
    if not doubts:
        return None
    # One that differs says all; where none does, each says which bytes were looked at.
    worst = [named for named in doubts if named[1].differs] or doubts
    reason = "; ".join(f"the {what} {doubt.reason}" for what, doubt in worst)
    return {"differs": worst[0][1].differs, "reason": reason}


def doubted(error: RowError, doubt: Mapping[str, Any] | None) -> RowError:
    """An error as it stands when the files it was found in are in doubt.

    Bytes that differ from what the storage says are the storage's fault (`storage`). Bytes that it
    says nothing of may be the file's: the code stays, and the next nightly run looks at them again;
    the same bytes a second time settle it (`pipeline.runs.earlier_runs`).
    """
    if doubt is None or error.retryable:
        return error
    if doubt["differs"] and error.code not in (ErrorCode.OUT_OF_MEMORY, ErrorCode.UNEXPECTED):
        return TransientError(ErrorCode.STORAGE, f"{doubt['reason']}; read as {error}")
    if error.code in OF_A_FILE:
        return TransientError(error.code, f"{error.message} ({doubt['reason']})")
    return error


class FileDoubtMapper:
    """Gives the outcomes of the mapper inside, those of files in doubt as such."""

    def __init__(self, config: Any, *, mapper: MapperFactory) -> None:
        self._mapper: Mapper = mapper(config)

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """One outcome per row: errors as `doubted` has them, pictures with a note."""
        outcomes = self._mapper.map_batch(rows)
        return [_judged(row["file_doubt"], one) for row, one in zip(rows, outcomes, strict=True)]


def _judged(doubt: Mapping[str, Any] | None, outcome: Outcome) -> Outcome:
    if isinstance(outcome, RowError):
        return doubted(outcome, doubt)
    if doubt is not None and doubt["differs"] and "decode_notes" in outcome:
        return {**outcome, "decode_notes": [*outcome["decode_notes"], doubt["reason"]]}
    return outcome


def with_file_doubt(stage: Stage) -> Stage:
    """The stage, with errors that settle nothing while the bytes of a file are in doubt.

    >>> from pipeline.stages.fetch import FetchConfig, fetch
    >>> from pipeline.engine.stage import Resources
    >>> from pipeline.imaging.reading.limits import ImageLimits
    >>> stage = fetch(FetchConfig(), Resources(), root=None, limits=ImageLimits())
    >>> with_file_doubt(stage).reads[-1]
    'file_doubt'
    """
    return replace(
        stage,
        mapper=partial(FileDoubtMapper, mapper=stage.mapper),
        reads=(*stage.reads, "file_doubt"),
    )
