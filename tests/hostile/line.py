"""A run without its cluster: manifest, plan, all stages, result files, contact sheet.

The code is that of a real run. Ray is missing, and what only counts rows, so that an input costs no
more than its row.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.recipes import load_recipe
from jobs.results.sheet_cards import cards
from pipeline import schema
from pipeline.engine.on_ray.execution import _packed
from pipeline.engine.pools import pools
from pipeline.engine.strikes import Strikes
from pipeline.engine.worker import PoolWorker, Reader, Work
from pipeline.flow import stages
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import ROWS_PER_FILE, Planner
from pipeline.runs.identity import Request
from pipeline.runs.result_files import ResultWriter, committed_files
from pipeline.runs.run_folder import read_unit, start_ledger

_RECIPE = "studio"
_NEVER = 10**9
"""Strikes: a case that takes too long must not be held against the next, whose row has its id."""
_REQUEST = Request(manifest="manifest", where=None, limit=None, config_hash="0")


class Line:
    """All stages of a recipe, built once, as an actor of a run has them."""

    def __init__(self, catalogue: Path) -> None:
        """Build the stages; every manifest will lie in the folder `catalogue`."""
        self._manifest = catalogue / "manifest.parquet"
        self._run = str(catalogue.parent / "line" / "run_id=hostile")
        pq.write_table(pa.table({"id": ["a"], "image_uri": ["a"]}), self._manifest)
        listed = stages(load_recipe(_RECIPE), open_manifest(str(self._manifest)), self._run)
        (pool,) = pools(listed)
        timings = schema.timings(tuple(stage.name for stage in listed))
        read = Reader(partial(read_unit, self._run), timings)
        self._worker = PoolWorker(Work(pool, Strikes(), _NEVER, read=read))

    def results(self, table: pa.Table) -> list[Mapping[str, Any]]:
        """The result rows of a manifest, as they come back. Raises as `result_table`."""
        rows: list[Mapping[str, Any]] = self.result_table(table).to_pylist()
        return rows

    def result_table(self, table: pa.Table, settings: Sequence[str] = ()) -> pa.Table:
        """The result files of a manifest, as they come back from storage.

        Args:
            table: the manifest.
            settings: of the recipe, as far as they concern no stage.

        Raises:
            ValueError: the manifest was refused.
        """
        pq.write_table(table, self._manifest)
        try:
            return self._results(settings)
        finally:
            shutil.rmtree(self._run, ignore_errors=True)

    def _results(self, settings: Sequence[str]) -> pa.Table:
        recipe = load_recipe(_RECIPE, overrides=settings)
        planner = Planner(recipe=recipe, manifest=open_manifest(str(self._manifest)))
        planner.check()
        ledger = start_ledger(self._run, request=_REQUEST, recipe=recipe, planner=planner)
        write = ResultWriter(self._run, ledger.run_id, recipe)
        for unit in ledger.pending([], ROWS_PER_FILE):
            write(pa.concat_tables(self._worker(_packed([unit]))))
        files = committed_files(self._run)
        rows = pa.concat_tables([pq.ParquetFile(file).read() for file in files])
        assert rows.num_rows == ledger.num_planned
        assert len(cards(files, filesystem=None)) == rows.num_rows
        return rows
