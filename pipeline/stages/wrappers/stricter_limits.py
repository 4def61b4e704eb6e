"""Errors of rows that a stricter limit than the recipe's own has refused say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline.engine.stage import Mapper, MapperFactory, Stage
from pipeline.errors import ErrorCode, Outcome, Row, RowError

MARK = " (--untrusted)"
"""The end of a message that names the stricter limits. A run that is trusted takes such rows up
again."""


class MarkingMapper:
    """Gives the outcomes of the mapper inside, with a mark on those that a limit has refused."""

    def __init__(
        self, config: Any, *, mapper: MapperFactory, codes: Mapping[ErrorCode, str]
    ) -> None:
        self._mapper: Mapper = mapper(config)
        self._codes = codes

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """One outcome per row."""
        return [self._marked(outcome) for outcome in self._mapper.map_batch(rows)]

    def _marked(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, RowError) or outcome.retryable:
            return outcome
        word = self._codes.get(outcome.code)
        if word is None or word not in outcome.message:
            return outcome
        return type(outcome)(outcome.code, f"{outcome.message}{MARK}")


def naming_untrusted(stage: Stage, codes: Mapping[ErrorCode, str]) -> Stage:
    """The stage, whose errors of these codes name the mode that has refused the row.

    Args:
        stage: whose limits are stricter than its recipe's.
        codes: with each a word that is in such a message; of others of that code nothing is said.
    """
    if not codes:
        return stage
    return replace(
        stage,
        mapper=partial(MarkingMapper, mapper=stage.mapper, codes=codes),
        slow_mark=MARK if ErrorCode.TOO_SLOW in codes else "",
    )
