"""Rows, and as much of a recipe, a planner and a worker as a ledger sees of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from pipeline import schema
from pipeline.recipe import Budget
from pipeline.runs.result_files import ResultWriter
from pipeline.stages.store import OutputConfig
from tests.unit.conservation.model import FINAL, PASSING, PICTURE, Samples

_PLAN = pa.schema([schema.SAMPLE_ID, schema.ID, schema.FINGERPRINT, schema.ERROR])
_ERRORS = {
    PICTURE: None,
    FINAL: {"stage": "fetch", "code": "not_found", "message": "none", "retryable": False},
    PASSING: {"stage": "fetch", "code": "storage", "message": "slow down", "retryable": True},
}
_FINISHED = pa.schema(
    [
        schema.PICTURE,
        schema.ALPHA,
        schema.PROMPT_FALLBACK,
        schema.FETCH_RETRIES,
        schema.STORE_RETRIES,
        schema.ERROR,
        schema.timings(("fetch",)),
    ]
)
ROWS_PER_PLAN_FILE = 3
NAMES = ("a", "b", "a\0b", "c", "b\0c", "a/1", "\n")
"""Of samples: such as would be mistaken for one another where names are joined."""


@dataclass(frozen=True, slots=True)
class TinyRecipe:
    """As much of a recipe as a ledger asks for."""

    name: str
    budget: Budget = Budget(max_failures=1e9, max_unexpected=10**9)  # noqa: RUF009 - frozen
    output: OutputConfig = OutputConfig(image_objects=False)  # noqa: RUF009 - frozen
    keep: tuple[str, ...] = ()

    @property
    def config_hash(self) -> str:
        return f"hash of {self.name}"

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class TinyPlanner:
    """Plans a manifest of ids."""

    samples: Samples
    manifest: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(root="/images", version=None)
    )
    plan_schema: pa.Schema = _PLAN
    columns: tuple[str, ...] = (*_PLAN.names, schema.ADDRESSES.name)

    def looker(self) -> SimpleNamespace:
        return SimpleNamespace(unseen={})

    def tables(self, looker: SimpleNamespace | None = None) -> Iterator[pa.Table]:
        for first in range(0, len(self.samples), ROWS_PER_PLAN_FILE):
            ids, prints = zip(*self.samples[first : first + ROWS_PER_PLAN_FILE], strict=True)
            yield pa.table([ids, ids, prints, pa.nulls(len(ids), schema.ERROR_TYPE)], schema=_PLAN)


@dataclass(slots=True)
class Task:
    """A block on its way: rows that a worker will write, unless something happens."""

    writer: ResultWriter
    planned: pa.Table

    def write(self, dice: random.Random, *, is_kind: bool = False) -> str:
        return self.writer(finished(self.planned, dice, is_kind=is_kind))


def finished(planned: pa.Table, dice: random.Random, *, is_kind: bool = False) -> pa.Table:
    """Rows as they leave the last stage: each with what becomes of it this time."""
    weights = [1, 0, 0] if is_kind else [6, 1, 2]
    ranks = dice.choices([PICTURE, FINAL, PASSING], weights, k=planned.num_rows)
    count = planned.num_rows
    pictures = [
        f"{id_} {print_}".encode() if rank == PICTURE else None
        for id_, print_, rank in zip(
            planned["sample_id"].to_pylist(), planned["fingerprint"].to_pylist(), ranks, strict=True
        )
    ]
    # The same picture takes another time at each try, so the same block has other bytes.
    times = [{"fetch_s": float(dice.randrange(1000))}] * count
    columns = [
        pictures, [None] * count, [None] * count, [0] * count, [0] * count,
        [_ERRORS[rank] for rank in ranks], times,
    ]  # fmt: skip
    table = planned.drop_columns(["error", "timings"] if "timings" in planned.column_names
                                 else ["error"])  # fmt: skip
    for column, values in zip(_FINISHED, columns, strict=True):
        table = table.append_column(column, pa.array(values, column.type))
    return table
