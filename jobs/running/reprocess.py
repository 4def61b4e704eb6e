"""Making chosen rows of earlier runs anew, as a run of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from jobs.recipes import load_recipe
from jobs.running.dataset_trust import check_believed, check_permissions
from jobs.running.run import run_and_report
from pipeline import storage
from pipeline.manifest.reader import open_manifest
from pipeline.planning.used_columns import used_columns
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs.clock import now
from pipeline.runs.identity import fresh_run_id, identify_reprocessing, run_id_of, run_uri
from pipeline.runs.output_checks import folders_as_before
from pipeline.runs.past_runs import PastRun
from pipeline.runs.reselect import Selection, choose, write_manifest
from pipeline.runs.run_config import RunConfig
from pipeline.runs.run_folder import Origin
from pipeline.text.yaml_text import dump_yaml

logger = logging.getLogger(__name__)


def reprocess(
    output: str,
    *,
    condition: str,
    recipe: str | None,
    overrides: Sequence[str],
    run_id: str | None,
    address: str | None,
    manifest: str | None = None,
    trusts_dataset: bool = False,
    untrusted: bool | None = None,
    assume_single_driver: bool = False,
) -> int:
    """Run the rows that meet a condition again; returns the exit code.

    The same command goes on with its unfinished run, whose rows stay as they were chosen.

    Args:
        output: folder of the dataset.
        condition: SQL over result and manifest columns.
        recipe: by name or file; None: as the rows were made.
        overrides: recipe fields to change.
        run_id: of the new run; None: the unfinished one of the same request, or a fresh one.
        address: of a Ray cluster; None: one on this machine.
        manifest: that the rows are taken from, and whose folder photographs lie in; None: as the
            dataset says.
        trusts_dataset: whether all that it says is believed, whoever may have written it.
        untrusted: as of `RunConfig`.
        assume_single_driver: the same.

    Raises:
        ValueError: one line; nothing was written.
        FatalError: no row can be finished.
    """
    begun = begun_run(
        output,
        condition=condition,
        recipe=recipe,
        overrides=overrides,
        run_id=run_id,
        manifest=manifest,
        trusts_dataset=trusts_dataset,
    )
    if begun is not None:
        begun = replace(begun, assume_single_driver=assume_single_driver, untrusted=untrusted)
        return run_and_report(begun, address=address)
    chosen = choose(output, condition, manifest=manifest)
    if chosen is None:
        logger.info("nothing to do: no row meets --where %r", condition)
        return 0
    resolved = _recipe(chosen.parents, recipe, overrides, trusts_dataset=trusts_dataset)
    uri = run_uri(output, fresh_run_id(resolved.name, now()) if run_id is None else run_id)
    config = RunConfig(
        recipe=resolved,
        manifest=storage.join(uri, "_manifest"),
        output=output,
        run_id=run_id_of(uri),
        taken_from=manifest,
        assume_single_driver=assume_single_driver,
        untrusted=untrusted,
        origin=Origin(
            parent=tuple(run.run_id for run in chosen.parents),
            condition=condition,
            image_root=chosen.image_root,
        ),
    )
    return _run_chosen(chosen, config, uri, address)


def begun_run(
    output: str,
    *,
    condition: str,
    recipe: str | None,
    overrides: Sequence[str],
    run_id: str | None,
    manifest: str | None = None,
    trusts_dataset: bool = False,
) -> RunConfig | None:
    """The run that the same request has started before; None if there is none to go on with.

    Arguments are those of `reprocess`.

    Raises:
        ValueError: the run id is none, or belongs to another request; or the dataset would have to
            be believed.
    """
    check_believed(output, manifest=manifest, recipe=recipe, trusts_dataset=trusts_dataset)

    def recipe_of(parents: Sequence[PastRun]) -> Recipe | None:
        if not parents and recipe is None:
            return None  # gone, and with them the recipe that the overrides were to change
        return _recipe(parents, recipe, overrides, trusts_dataset=trusts_dataset)

    begun = identify_reprocessing(output, condition=condition, run_id=run_id, recipe_of=recipe_of)
    return None if begun is None else _begun(*begun, output, manifest)


def _run_chosen(chosen: Selection, config: RunConfig, uri: str, address: str | None) -> int:
    assert config.origin is not None
    manifest = config.manifest
    with folders_as_before(manifest):
        try:
            num_rows = write_manifest(chosen, manifest, used=used_columns(config.recipe))
            logger.info("%d rows meet --where %r", num_rows, config.origin.condition)
            return run_and_report(config, address=address)
        except ValueError:
            if not storage.exists(storage.join(uri, "run.json")):
                for file in storage.list_files(manifest):
                    storage.remove(file)
            raise


def _begun(run: PastRun, recipe: Recipe, output: str, manifest: str | None) -> RunConfig:
    """The request of a run that goes on."""
    document = run.document
    root = document["image_root"] if manifest is None else open_manifest(manifest).root
    return RunConfig(
        recipe=recipe,
        manifest=storage.join(run.uri, "_manifest"),
        output=output,
        run_id=run.run_id,
        taken_from=manifest,
        origin=Origin(
            parent=tuple(document["parent"]), condition=document["condition"], image_root=root
        ),
    )


def _recipe(
    parents: Sequence[PastRun],
    name: str | None,
    overrides: Sequence[str],
    *,
    trusts_dataset: bool,
) -> Recipe:
    """The recipe that is named, or the one that the newest parent was made with.

    Raises:
        ValueError: the latter permits something that was not given with the command.
    """
    if name is not None:
        return load_recipe(name, overrides=overrides)
    names = sorted({parent.document["recipe"]["name"] for parent in parents})
    if len(names) > 1:
        raise ValueError(
            f"--where selects rows made with {len(names)} recipes ({', '.join(names)}): say with "
            "--recipe which one is to make them anew"
        )
    newest = parents[-1]
    text = dump_yaml(newest.document["recipe"])
    recipe = parse_recipe(text, overrides=overrides, source=f"recipe of run {newest.run_id}")
    if not trusts_dataset:
        check_permissions(recipe, given=overrides, run_id=newest.run_id)
    return recipe
