"""The JSON documents in a run's folder: what each must hold, whoever has had the folder since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, ValidationError

from pipeline import storage
from pipeline.text.validation_errors import first_mistake

# What is read goes by these names, and must not lead out of the run's folder.
_ResultFile = Annotated[str, StringConstraints(pattern=r"^[^./\\][^/\\]*$")]
_PlanFile = Annotated[str, StringConstraints(pattern=r"^_?plan/[^./\\][^/\\]*$")]


class _Request(BaseModel):
    manifest: str
    config_hash: str


class _Plan(BaseModel):
    rows: int
    files: list[_PlanFile]


class _Run(BaseModel):
    run_id: str
    created_at: datetime
    request: _Request
    parent: list[str]
    condition: str | None
    image_root: str
    recipe: dict[str, Any]
    plan: _Plan
    unchanged: int
    adopted: dict[str, list[_ResultFile]] = {}


class _Files(BaseModel):
    results: list[_ResultFile]


class _Rows(BaseModel):
    planned: int
    ok: int
    failed: int
    already_done: int


class _Budget(BaseModel):
    max_failures: int
    max_unexpected: int
    exceeded: str | None


class _Report(BaseModel):
    run_id: str
    output: str
    recipe: str
    config_hash: str
    manifest: str
    started_at: datetime
    finished_at: datetime
    wall_s: float
    images_per_s: float
    rows: _Rows
    failures: dict[str, int]
    failures_by_stage: dict[str, int]
    stage_seconds: dict[str, float]
    budget: _Budget


_MUST_HOLD: Mapping[str, type[BaseModel]] = {
    "run.json": _Run,
    "report.json": _Report,
    "results.json": _Files,
    "_SUCCESS": _Files,
}
"""What readers of each rely on; there is more in them."""


def files_that_count(run_uri: str) -> tuple[str, ...] | None:
    """Names of the result files that hold every row once; None: that is not decided yet.

    A run decides by its `results.json`, before it takes any other file away; its `_SUCCESS`
    repeats it when all is tidy.

    Raises:
        ValueError: a document is damaged.
    """
    return decision(run_uri)[0]


def decision(run_uri: str) -> tuple[tuple[str, ...] | None, bool]:
    """Names of the result files that count, as `files_that_count`; and whether the run is finished.

    Raises:
        ValueError: a document is damaged.
    """
    for name in ("_SUCCESS", "results.json"):
        document = read_document(run_uri, name)
        if document is not None:
            return tuple(document["results"]), name == "_SUCCESS"
    return None, False


def as_json(document: Mapping[str, Any]) -> bytes:
    """A document as it is written."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode()


def read_document(run_uri: str, name: str) -> dict[str, Any] | None:
    """`run.json`, `results.json`, `report.json` or `_SUCCESS` of a run; None where there is none.

    Raises:
        ValueError: it is damaged, or something else; one line names it.
    """
    uri = storage.join(run_uri, name)
    try:
        data = storage.read(uri)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(f"{uri}: cannot be read: {error.strerror or error}") from None
    try:
        document = json.loads(data)
        _MUST_HOLD[name].model_validate(document)
    except ValidationError as error:
        first = first_mistake(error)
        where = first.where or "all of it"
        raise ValueError(
            f"{uri}: not as a run writes it ({where}: {first.lowered}): bring the file back, or "
            "remove the run's folder"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{uri}: no JSON ({error}): bring the file back, or remove the run's folder"
        ) from None
    return dict(document)
