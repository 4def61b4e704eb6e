"""Configurations are models that hold models: walking what they hold, and the types of it.

A field may hold a model, or a tuple, a list or a mapping with models in it. Whoever looks for one
kind of thing in a recipe, at whatever depth, looks here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, Tag

Config = TypeVar("Config", bound=BaseModel)


class Nested(NamedTuple):
    """A model within a configuration."""

    path: tuple[str, ...]
    """The names of fields, keys and places of items that lead to it; none to the whole."""
    model: BaseModel
    holder: BaseModel | None
    """The model in one of whose fields it lies. None: it is the whole."""


def nested_models(config: BaseModel) -> Iterator[Nested]:
    """Every model of a configuration: itself, then those in its fields, each before its own."""
    yield Nested((), config, None)
    yield from _below(config, ())


def _below(model: BaseModel, above: tuple[str, ...]) -> Iterator[Nested]:
    for name in type(model).model_fields:
        for steps, held in _models_held(getattr(model, name)):
            path = (*above, name, *steps)
            yield Nested(path, held, model)
            yield from _below(held, path)


def _models_held(value: Any) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    """The models in a field, and the steps from the field to each."""
    match value:
        case BaseModel():
            yield (), value
        case tuple() | list():
            for index, item in enumerate(value):
                for steps, held in _models_held(item):
                    yield (str(index), *steps), held
        case Mapping():
            for key, item in value.items():
                for steps, held in _models_held(item):
                    yield (str(key), *steps), held


def rebuilt(config: Config, change: Callable[[BaseModel], BaseModel]) -> Config:
    """A configuration with some of its models replaced; what holds none of those stays as it is.

    Args:
        config: any model.
        change: gives each model's replacement, which is not looked into; or the model itself, and
            then those within are asked about.
    """
    return _rebuilt(config, change)  # type: ignore[no-any-return]


def _rebuilt(value: Any, change: Callable[[BaseModel], BaseModel]) -> Any:
    match value:
        case BaseModel():
            replacement = change(value)
            if replacement is not value:
                return replacement
            held = {name: getattr(value, name) for name in type(value).model_fields}
            made = {name: _rebuilt(item, change) for name, item in held.items()}
            update = {name: item for name, item in made.items() if item is not held[name]}
            return value.model_copy(update=update) if update else value
        case tuple() | list():
            items = [_rebuilt(item, change) for item in value]
            is_same = all(new is old for new, old in zip(items, value, strict=True))
            return value if is_same else type(value)(items)
        case dict():
            entries = {key: _rebuilt(item, change) for key, item in value.items()}
            return value if all(entries[key] is value[key] for key in value) else entries
        case _:
            return value


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a value of a type may be: several where a section is one of several kinds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def kind_field(models: Sequence[type[BaseModel]]) -> str | None:
    """The field that tells models apart: each allows words there that no other does. None: none."""
    for name in models[0].model_fields if models else ():
        words = [_literals(model, name) for model in models]
        if all(words) and sum(map(len, words)) == len(frozenset().union(*words)):
            return name
    return None


def model_of_kind(models: Sequence[type[BaseModel]], kind: Any) -> type[BaseModel] | None:
    """The one of several models that goes by a word; None: there is none."""
    name = kind_field(models)
    if name is None or not isinstance(kind, str):
        return None
    return next((model for model in models if kind in _literals(model, name)), None)


def _literals(model: type[BaseModel], name: str) -> frozenset[Any]:
    field = model.model_fields.get(name)
    if field is None or get_origin(field.annotation) is not Literal:
        return frozenset()
    return frozenset(get_args(field.annotation))


def located(
    root: type[BaseModel], location: Sequence[int | str]
) -> tuple[list[str], type[BaseModel] | None]:
    """A field as its author writes it, and the model that it lies in; None: that is not known.

    Where a section is one of several kinds, pydantic puts the kind's name into the location, which
    the author does not write there.

    Args:
        root: the model of the whole.
        location: where pydantic says that it is.
    """
    path: list[str] = []
    model: type[BaseModel] | None = root
    below: Any = root
    for step in location:
        kinds = _kinds_in(below)
        if step in kinds:
            below = kinds[step]
            continue
        path.append(str(step))
        if isinstance(step, int):  # an item of a list, whose type names what its items are
            continue
        models = models_in(below)
        model = models[0] if len(models) == 1 else None
        field = None if model is None else model.model_fields.get(step)
        below = None if field is None else field.annotation
    return path, model


def _kinds_in(annotation: Any) -> dict[Any, Any]:
    """The models that a section may be, by the name under which pydantic tells them apart."""
    kinds = {
        model.model_fields["kind"].default: model
        for model in models_in(annotation)
        if "kind" in model.model_fields
    }
    parts = get_args(annotation)
    kinds |= {part.tag: parts[0] for part in parts if isinstance(part, Tag)}
    for part in parts:
        kinds |= _kinds_in(part)
    return kinds
