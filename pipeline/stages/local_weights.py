"""Weights on this machine: configurations name them, and models read local folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from pipeline import storage
from pipeline.errors import FatalError, TransientError
from pipeline.models.pins import check_pin
from pipeline.models.weights import Checkpoint
from pipeline.text.config_tree import Config, nested_models, rebuilt

_PYTORCH_MB = 500
"""PyTorch, transformers and diffusers, imported; a GPU's driver takes more."""


def bring_weights(config: Config) -> Config:
    """The configuration with every checkpoint on this node.

    Args:
        config: any model; checkpoints are found at any depth, in tuples and dictionaries too.

    Returns:
        A copy in which those that named an object store name the local folder instead. Their names,
        and with them all revisions, stay what they were.

    Raises:
        FatalError: the store has no such weights, refuses, or does not answer; or they are not what
            their pin says, and then they are not kept.
    """
    return rebuilt(config, _with_folder)


def _with_folder(model: BaseModel) -> BaseModel:
    match model:
        case Checkpoint(uri=str(uri)):
            path = _mirrored(uri, model.manifest_sha256)
            return model.model_copy(update={"uri": None, "path": path})
        case _:
            return model


def _mirrored(uri: str, manifest_sha256: str | None) -> Path:
    def check(copy: Path) -> None:
        if manifest_sha256 is not None:
            check_pin(copy, manifest_sha256, named=uri)

    try:
        return storage.mirror(uri, check=check)
    except (OSError, TransientError) as error:
        raise FatalError(f"weights {uri}: cannot be brought to this node: {error}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What the models of a configuration take of an actor's memory."""

    megabytes: float
    """Files that lie where this is asked, and the libraries that read them."""
    unseen: tuple[str, ...]
    """The names of weights that lie elsewhere."""


def weigh(config: BaseModel) -> Weights:
    """How large the models of a configuration are.

    Counted at the size of their files, as if all stayed in the machine's memory: those on a GPU
    pass through it. What is in an object store or a cache of other machines cannot be seen.
    """
    models = [nested.model for nested in nested_models(config)]
    named = dict.fromkeys(model for model in models if isinstance(model, Checkpoint))
    sizes = {one: _megabytes(one.path) for one in named}
    return Weights(
        megabytes=sum(size or 0 for size in sizes.values()) + (_PYTORCH_MB if named else 0),
        unseen=tuple(one.name for one, size in sizes.items() if size is None),
    )


def _megabytes(path: Path | None) -> float | None:
    if path is None or not path.is_dir():
        return None
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 2**20
