"""Runs written by hand, for tests of what later runs make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pipeline import schema, storage
from pipeline.errors import RowError, error_value
from pipeline.manifest.reader import open_manifest
from pipeline.planning.kept_columns import HeldColumn
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.runs.earlier_runs import settled
from pipeline.runs.identity import Request, run_uri
from pipeline.runs.result_files import ResultWriter
from pipeline.runs.run_folder import Ledger, Origin, read_unit, start_ledger
from pipeline.runs.seen_photographs import SeenBefore
from pipeline.storage.object_names import object_path
from pipeline.tables import AS_IT_IS, Reading


def past_run(
    output: str,
    run_id: str,
    manifest: str,
    outcomes: Mapping[str, bytes | RowError] | None = None,
    *,
    recipe: Recipe,
    nightly: bool = False,
    origin: Origin | None = None,
    finished: bool = True,
    reading: Reading = AS_IT_IS,
    held: Mapping[str, HeldColumn] | None = None,
    seen: bool = False,
) -> Ledger:
    """Plan a run and write its results: a picture for each row but those that `outcomes` names.

    `seen`: as commands do, with the versions that earlier runs saw, and no run for no rows.
    """
    opened = open_manifest(manifest, reading=reading)
    if origin is not None:
        opened = replace(opened, root=origin.image_root)
    planner = Planner(recipe=recipe, manifest=opened, held=held or {})
    if seen:
        planner = replace(planner, seen_before=SeenBefore(output))
    ledger = start_ledger(
        run_uri(output, run_id),
        request=Request(
            manifest=storage.absolute(manifest),
            where=None,
            limit=None,
            config_hash=recipe.config_hash,
            only_changed=nightly,
            reading=reading.as_json(),
        ),
        recipe=recipe,
        planner=planner,
        settled=settled(output) if nightly else None,
        origin=origin,
        keeps_empty=not seen,
    )
    for unit in ledger.pending([], rows_per_block=2):
        planned = read_unit(ledger.uri, unit)
        ResultWriter(ledger.uri, run_id, recipe)(as_finished(planned, ledger.uri, outcomes or {}))
    if finished:
        ledger.succeed(ledger.committed())
    return ledger


def as_finished(planned: pa.Table, uri: str, outcomes: Mapping[str, bytes | RowError]) -> pa.Table:
    """Planned rows of a run as they leave the last stage, with pictures as objects."""
    run_id = uri.rpartition("/run_id=")[2]
    pictures, paths, errors = [], [], []
    for sample_id in planned["sample_id"].to_pylist():
        outcome = outcomes.get(sample_id, f"{sample_id} by {run_id}".encode())
        failed = isinstance(outcome, RowError)
        path = None if failed else object_path(sample_id, ".jpg")
        if not isinstance(outcome, RowError):
            storage.write(storage.join(uri, str(path)), outcome)
        pictures.append(None if failed else outcome)
        paths.append(path)
        errors.append(error_value("fetch", outcome) if isinstance(outcome, RowError) else None)
    count = planned.num_rows
    timings = schema.timings(("fetch",))
    planned = planned.drop_columns(["error", "image_input", "prompt_origin", "reference_uris"])
    for field, values in (
        (schema.PICTURE, pictures),
        (schema.IMAGE_PATH, paths),
        (schema.ALPHA, [None] * count),
        (schema.PROMPT_FALLBACK, [None] * count),
        (schema.FETCH_RETRIES, [0] * count),
        (schema.STORE_RETRIES, [0] * count),
        (schema.ERROR, errors),
        (timings, [{"fetch_s": 1.0}] * count),
    ):
        planned = planned.append_column(field, pa.array(values, field.type))
    return planned


def files_of(ledger: Ledger) -> list[Path]:
    return sorted(Path(ledger.uri, "results").glob("*.parquet"))
