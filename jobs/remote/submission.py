"""What travels to a cluster for a command line that was typed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jobs.options import RecipeOptions, RunOptions
from jobs.recipes import read_chain
from jobs.recipes.merged import merged_text
from jobs.remote.ray_jobs import COMMANDS, TRAVELLING_RECIPE, Submission
from jobs.running.reprocess import begun_run
from pipeline import storage
from pipeline.errors import TransientError
from pipeline.runs.clock import now
from pipeline.runs.identity import Request, fresh_run_id, identify, nightly_run_id, run_uri

Parse = Callable[[str, list[str]], Mapping[str, Any]]

_FLAGS = {"settings": "--set", "renamed": "--map"}


def submission(arguments: Sequence[str], *, parse: Parse, with_code: bool) -> Submission:
    """Check a command line as the cluster will, and make it one that does not depend on here.

    Relative paths become absolute, a recipe of one's own travels along, and the run gets its name
    now, so that the job can have the same. Where the job has to look first whether there is
    anything to do, it is called after the day's first night, or after the finished run.

    Args:
        arguments: a command of ours with its arguments; without a command's name, those of `run`.
        parse: how that command understands them.
        with_code: whether this installation's code is to travel too.

    Raises:
        ValueError: the request cannot be carried out.
    """
    name, *rest = arguments if arguments[:1] and arguments[0] in COMMANDS else ["run", *arguments]
    given = parse(name, rest)
    if given.get("dry_run"):
        raise ValueError("--dry-run touches no cluster: run it here, without submit")
    recipe = given["recipe"]
    own_recipe = None
    if recipe is not None and recipe.endswith((".yaml", ".yml")):
        own_recipe = _standing_alone(recipe)
        given = {**given, "recipe": TRAVELLING_RECIPE}
    if name == "reprocess":
        run_id, is_named = _reprocessing_id(given, recipe), True
    else:
        run_id, is_named = _run_id(name, given, recipe)
    if "run_id" in given and is_named:
        given = {**given, "run_id": run_id}
    return Submission(
        run_id=run_id,
        command=(name, *_arguments(name, given)),
        recipe=own_recipe,
        with_code=with_code,
    )


def _standing_alone(recipe: str) -> bytes:
    """A recipe's file; or its merged text if it extends others, which may be only here."""
    if len(read_chain(recipe)) == 1:
        return Path(recipe).read_bytes()
    return merged_text(recipe).encode()


def _run_id(name: str, given: Mapping[str, Any], recipe: str) -> tuple[str, bool]:
    """What the job is called, and whether its run is to be called so too."""
    kind = RunOptions if name in ("run", "nightly") else RecipeOptions
    values = {field.name: given[field.name] for field in fields(kind)}
    config = kind(**{**values, "recipe": recipe}).config()
    if name not in ("run", "nightly"):
        return f"{fresh_run_id(config.recipe.name, now())}-{name}", False
    if config.run_id is not None:
        run_uri(config.output, config.run_id)  # refuses what is no id
        return config.run_id, True
    request = Request(
        manifest=storage.absolute(config.manifest),
        where=config.where,
        limit=config.limit,
        config_hash=config.recipe.config_hash,
        only_changed=name == "nightly",
        reading=config.reading.as_json(),
        untrusted=config.why_untrusted is not None,
    )
    if request.only_changed:
        return nightly_run_id(request, config.recipe.name, now()), False
    try:
        meant = identify(
            config.output,
            request,
            config.recipe.name,
            clock=now,
            is_unchanged=lambda _: True,  # the job looks
            again=bool(given.get("again")),
        )
    except (OSError, TransientError) as error:
        raise ValueError(
            f"--output {config.output}: cannot be looked into from here "
            f"({' '.join(str(error).split())}), so that an unfinished run would not be found: name "
            "the run with --run-id"
        ) from None
    return meant.run_id, not meant.is_unchanged


def _reprocessing_id(given: Mapping[str, Any], recipe: str | None) -> str:
    if given["run_id"] is not None:
        run_uri(given["output"], given["run_id"])
        return str(given["run_id"])
    begun = begun_run(
        given["output"],
        condition=given["where"],
        recipe=recipe,
        overrides=given["settings"] or [],
        run_id=None,
        manifest=given["manifest"],
        trusts_dataset=given["trust_dataset"],
    )
    if begun is not None:
        return str(begun.run_id)
    return fresh_run_id("reprocess", now())


def _arguments(name: str, given: Mapping[str, Any]) -> list[str]:
    """The command line again, from what was understood of it."""
    positional = "output" if name == "reprocess" else "recipe"
    absolute = {**given, "output": storage.absolute(given["output"])}
    if given.get("manifest") is not None:
        absolute["manifest"] = storage.absolute(given["manifest"])
    options: list[str] = []
    for option, value in absolute.items():
        if option == "untrusted" and value is False:
            options.append("--trusted")
        if option in (positional, "address") or value in (None, False, []):
            continue
        flag = _FLAGS.get(option, f"--{option.replace('_', '-')}")
        for one in value if isinstance(value, list | tuple) else [value]:
            options += [flag] if one is True else [flag, str(one)]
    return [str(absolute[positional]), *options]
