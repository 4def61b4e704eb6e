"""What tests of several folders start from: a recipe, a manifest file, rows that are finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from pipeline import schema
from pipeline.errors import ErrorCode, RowError, error_value
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


class _FewRays(LoadScopeScheduling):
    """What shares a Ray in one process, what starts its own in another; else a file at a time.

    Of those that start their own, one at a time is enough for any machine.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        if not _has_tests_with_ray(self.config.rootpath / file):
            return file
        return "with one Ray" if file.startswith("tests/flow/") else "with Rays of their own"


@cache
def _has_tests_with_ray(file: Path) -> bool:
    """Whether it marks any as such: of tests in other processes, a scheduler knows only names."""
    return "pytest.mark.ray" in file.read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Which tests share a process, where there are several; `--dist load` is left as it is."""
    return _FewRays(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes that are no text by their kind alone, and leave the rest to pytest.

    Processes of one run stop where their tests' names differ, and what was packed, signed or drawn
    while a module was loaded may be other bytes in each.
    """
    if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()):
        return "bytes"
    return None


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
