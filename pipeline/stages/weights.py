"""Between configurations, which name weights, and models, which read local folders."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from pipeline import storage
from pipeline.errors import FatalError, TransientError
from pipeline.models.weights import Checkpoint

Config = TypeVar("Config", bound=BaseModel)


def bring_weights(config: Config) -> Config:
    """The configuration with every checkpoint on this node.

    Args:
        config: any model; checkpoints are found at any depth, in tuples and dictionaries too.

    Returns:
        A copy in which those that named an object store name the local folder instead. Their names,
        and with them all revisions, stay what they were.

    Raises:
        FatalError: the store has no such weights, refuses, or does not answer.
    """
    brought: Config = _brought(config)
    return brought


def _brought(value: Any) -> Any:
    match value:
        case Checkpoint(uri=str(uri)):
            return value.model_copy(update={"uri": None, "path": _mirrored(uri)})
        case BaseModel():
            fields = {name: _brought(getattr(value, name)) for name in type(value).model_fields}
            return value.model_copy(update=fields)
        case tuple():
            return tuple(_brought(item) for item in value)
        case dict():
            return {name: _brought(item) for name, item in value.items()}
        case _:
            return value


def _mirrored(uri: str) -> Any:
    try:
        return storage.mirror(uri)
    except (OSError, TransientError) as error:
        raise FatalError(f"weights {uri}: cannot be brought to this node: {error}") from error
