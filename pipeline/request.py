"""A request: what somebody wants run, checked against its manifest before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.activity import doing
from pipeline.ledger import (
    Ledger,
    Origin,
    Request,
    find_run_id,
    nightly_run_id,
    open_ledger,
    run_uri,
)
from pipeline.manifest import open_manifest
from pipeline.placement import check_apart, check_named, check_writable
from pipeline.plan import Planner
from pipeline.recipe import Recipe
from pipeline.report import now
from pipeline.tables import AS_IT_IS, Reading


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything that a run depends on."""

    recipe: Recipe
    manifest: str
    output: str
    where: str | None = None
    limit: int | None = None
    reading: Reading = AS_IT_IS
    run_id: str | None = None
    """None: go on with the unfinished run of the same request, or start a new one."""
    only_changed: bool = False
    """Leave out the rows that earlier runs under the same output have settled."""
    origin: Origin | None = None
    """Of a re-processing run: the earlier runs that its manifest was selected from."""


@doing("checking the request")
def prepare(config: RunConfig) -> tuple[Planner, Request]:
    """Check what is asked for, reading the manifest's ids and leaving nothing behind.

    Raises:
        ValueError: one line naming the field and the fix.
    """
    check_named(config.output)
    manifest = open_manifest(
        config.manifest, where=config.where, limit=config.limit, reading=config.reading
    )
    check_apart(config.output, manifest.uri)
    check_writable(config.output)
    if config.origin is not None:
        manifest = replace(manifest, root=config.origin.image_root)
    planner = Planner(recipe=config.recipe, manifest=manifest)
    planner.check()
    return planner, Request(
        manifest=manifest.uri,
        where=config.where,
        limit=config.limit,
        config_hash=config.recipe.config_hash,
        only_changed=config.only_changed,
        reading=config.reading.as_json(),
    )


@doing("looking for an unfinished run")
def find_run(config: RunConfig, request: Request) -> tuple[str, Ledger | None]:
    """Where the run is or will be, and its ledger if it was started before.

    Raises:
        ValueError: the run id belongs to another request.
    """
    name, run_id = config.recipe.name, config.run_id
    if run_id is None and config.only_changed:
        run_id = nightly_run_id(request, name, now())
    elif run_id is None:
        run_id = find_run_id(config.output, request, name, now())
    uri = run_uri(config.output, run_id)
    return uri, open_ledger(uri, request=request)
