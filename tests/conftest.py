"""What tests of several folders start from: a recipe, a manifest file, rows that are finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from pipeline import schema
from pipeline.errors import ErrorCode, RowError
from pipeline.plan import error_value
from pipeline.recipe import Recipe

# A run is the same everywhere: the same examples, however slow the machine.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

FINISHED = pa.schema(
    [
        schema.SAMPLE_ID,
        schema.PICTURE,
        schema.ALPHA,
        schema.PROMPT_FALLBACK,
        schema.FETCH_RETRIES,
        schema.STORE_RETRIES,
        schema.ERROR,
        schema.timings(("fetch", "render")),
    ]
)

MakeManifest = Callable[..., str]
MakeFinished = Callable[..., pa.Table]


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(name="plain")


@pytest.fixture
def make_manifest(tmp_path: Path) -> MakeManifest:
    """Write columns as a Parquet manifest; returns its path."""

    def make(name: str = "manifest.parquet", **columns: Sequence[Any]) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
        return str(path)

    return make


@pytest.fixture
def make_finished() -> MakeFinished:
    """Rows as they leave the last stage, by id: a picture's bytes, or why there is none."""

    def make(outcomes: Mapping[str, bytes | RowError]) -> pa.Table:
        rows = [
            {
                "sample_id": sample_id,
                "fetch_retries": 0,
                "picture": None if isinstance(outcome, RowError) else outcome,
                "error": error_value("fetch", outcome) if isinstance(outcome, RowError) else None,
                "timings": {
                    "fetch_s": 0.5,
                    "render_s": None if isinstance(outcome, RowError) else 2.0,
                },
            }
            for sample_id, outcome in outcomes.items()
        ]
        return pa.Table.from_pylist(rows, schema=FINISHED)

    return make


@pytest.fixture
def not_found() -> RowError:
    return RowError(ErrorCode.NOT_FOUND, "nothing there")
