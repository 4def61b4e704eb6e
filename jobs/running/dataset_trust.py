"""What a command believes of what a dataset says of itself.

`run.json` names a manifest, the folder its addresses start from, and a recipe. Whoever may write
the dataset could name others: another folder to read, other weights, code to run. So that is
believed only where nobody but us can have written it, or where whoever gives the command says so;
what a recipe permits is asked for again even then.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline import storage
from pipeline.recipe import Recipe
from pipeline.text.config_tree import nested_models

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_believed(
    output: str, *, manifest: str | None, recipe: str | None, trusts_dataset: bool
) -> None:
    """Refuse to make rows anew as a dataset says, unless nobody else can have written it.

    Args:
        output: the dataset.
        manifest: as given; None: the one that the dataset names.
        recipe: the same.
        trusts_dataset: `--trust-dataset`.

    Raises:
        ValueError: something would have to be believed; one line with the options that say it.
    """
    if trusts_dataset or (manifest is not None and recipe is not None):
        return
    why = _why_not(storage.absolute(output))
    if why is None:
        return
    missing = {"--manifest": manifest, "--recipe": recipe}
    options = " and ".join(option for option, given in missing.items() if given is None)
    raise ValueError(
        f"{output}: {why}, and its run.json would say what is read and which code makes the "
        f"pictures: say so yourself with {options}, or with --trust-dataset, if you would let "
        "whoever may write there run programs here"
    )


def check_permissions(recipe: Recipe, *, given: Sequence[str], run_id: str) -> None:
    """Refuse a dataset's recipe that permits anything which was not given with the command.

    Args:
        recipe: of the run, with what was given.
        given: `section.field=value` settings of the command.
        run_id: of the run.

    Raises:
        ValueError: it permits something; one line that names the fields.
    """
    said = {setting.partition("=")[0].strip() for setting in given}
    permits = {
        name: value
        for name, value in permissions(recipe).items()
        if not any(name == one or name.startswith(f"{one}.") for one in said)
    }
    if permits:
        settings = " ".join(f"--set {name}={_written(value)}" for name, value in permits.items())
        raise ValueError(
            f"the recipe of run {run_id} permits what no dataset may permit by itself: say it "
            f"again with {settings}, with --recipe, or with --trust-dataset"
        )


def permissions(config: BaseModel) -> dict[str, Any]:
    """What a recipe permits that it does not by default, by field: `allow_...`, `allowed_...`."""
    return {
        ".".join((*nested.path, name)): getattr(nested.model, name)
        for nested in nested_models(config)
        for name, field in type(nested.model).model_fields.items()
        if name.startswith(("allow_", "allowed_"))
        and getattr(nested.model, name) != field.get_default()
    }


def _written(value: Any) -> str:
    return f"'[{', '.join(value)}]'" if isinstance(value, tuple) else str(value).lower()


def _why_not(output: str) -> str | None:
    """Why a dataset may say what others have put there; None: only we can have written it."""
    if storage.scheme_of(output) != "file":
        return "who may write to a bucket cannot be seen from here"
    for path in _that_decide(Path(output)):
        status = path.lstat()
        if status.st_uid != os.geteuid():
            return f"{path} belongs to another user"
        if stat.S_ISLNK(status.st_mode):
            return f"{path} is a link"
        if status.st_mode & _OTHERS_WRITE:
            return f"{path} can be written by others"
    return None


def _that_decide(output: Path) -> Iterator[Path]:
    """The folder of a dataset, and what in it says how rows are made again."""
    if not output.is_dir():
        return
    yield output.resolve()
    for run in sorted(output.glob("run_id=*")):
        yield run
        yield from run.glob("run.json")
        yield from run.glob("_manifest")
        yield from run.glob("_manifest/*")
