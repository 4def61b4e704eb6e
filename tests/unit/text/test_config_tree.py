"""Walking configurations: models at any depth, copies with some replaced, and types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.recipes import shipped_recipes
from pipeline.text.config_tree import (
    kind_field,
    located,
    model_of_kind,
    models_in,
    nested_models,
    rebuilt,
)


class Leaf(BaseModel):
    size: int = 1


class Branch(BaseModel):
    leaf: Leaf = Leaf()
    many: tuple[Leaf, ...] = ()
    rows: list[list[Leaf]] = []
    named: dict[str, Leaf] = {}
    plain: tuple[str, ...] = ("a",)


class Tree(BaseModel):
    branch: Branch = Branch()
    other: Leaf | None = None


FULL = Tree(
    branch=Branch(
        leaf=Leaf(size=2),
        many=(Leaf(size=3), Leaf(size=4)),
        rows=[[Leaf(size=5)]],
        named={"x": Leaf(size=6)},
    ),
    other=Leaf(size=7),
)


def test_every_model_is_met_once_with_its_path_and_its_holder() -> None:
    met = {".".join(path): (model, holder) for path, model, holder in nested_models(FULL)}
    sizes = {path: model.size for path, (model, _) in met.items() if isinstance(model, Leaf)}
    assert sizes == {
        "branch.leaf": 2,
        "branch.many.0": 3,
        "branch.many.1": 4,
        "branch.rows.0.0": 5,
        "branch.named.x": 6,
        "other": 7,
    }
    assert met[""] == (FULL, None)
    assert met["branch.many.1"][1] is FULL.branch
    assert met["other"][1] is FULL


def test_a_copy_has_what_was_changed_and_shares_the_rest() -> None:
    def doubled(model: BaseModel) -> BaseModel:
        return Leaf(size=20) if model == Leaf(size=4) else model

    made = rebuilt(FULL, doubled)
    assert [leaf.size for leaf in made.branch.many] == [3, 20]
    assert FULL.branch.many[1].size == 4
    assert made.branch.leaf is FULL.branch.leaf
    assert made.branch.rows is FULL.branch.rows
    assert made.other is FULL.other


def test_a_copy_in_which_nothing_changed_is_the_same_and_has_set_no_field() -> None:
    empty = Tree()
    assert rebuilt(empty, lambda model: model) is empty
    assert not rebuilt(empty, lambda model: model).model_fields_set


def test_a_replacement_is_not_looked_into() -> None:
    asked: list[type] = []

    def change(model: BaseModel) -> BaseModel:
        asked.append(type(model))
        return Branch(leaf=Leaf(size=9)) if isinstance(model, Branch) else model

    assert rebuilt(FULL, change).branch == Branch(leaf=Leaf(size=9))
    assert asked == [Tree, Branch, Leaf]


class Fast(BaseModel):
    kind: Literal["fast"] = "fast"
    device: Literal["cpu", "cuda"] = "cpu"
    speed: int = 1


class Slow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["slow", "slower"] = "slow"
    device: Literal["cpu", "cuda"] = "cpu"
    patience: int = 1


AnyPace = Annotated[Fast | Slow, Field(discriminator="kind")]


class Trip(BaseModel):
    pace: AnyPace = Fast()
    legs: tuple[AnyPace, ...] = ()


def test_kinds_are_told_apart_by_the_field_whose_words_no_two_share() -> None:
    models = models_in(AnyPace | None)
    assert models == [Fast, Slow]
    assert kind_field(models) == "kind"
    assert model_of_kind(models, "slower") is Slow
    assert model_of_kind(models, "fast") is Fast
    assert model_of_kind(models, "cpu") is None
    assert model_of_kind(models, 7) is None
    assert kind_field([Leaf, Branch]) is None
    assert kind_field([]) is None


@pytest.mark.parametrize(
    ("values", "path", "model"),
    [
        ({"pace": {"kind": "slow", "patience": "x"}}, ["pace", "patience"], Slow),
        ({"legs": [{"kind": "fast", "speed": "x"}]}, ["legs", "0", "speed"], Fast),
        ({"pace": 3}, ["pace"], Trip),
        ({"pace": {"kind": "slow", "speed": 2}}, ["pace", "speed"], Slow),
    ],
)
def test_a_mistake_is_located_as_it_was_written(values: Any, path: list[str], model: type) -> None:
    with pytest.raises(ValidationError) as refused:
        Trip.model_validate(values)
    assert located(Trip, refused.value.errors()[0]["loc"]) == (path, model)


def test_every_model_of_the_shipped_recipes_is_met() -> None:
    for recipe in shipped_recipes().values():
        dumped = recipe.model_dump()
        for path, model, _ in nested_models(recipe):
            below: Any = dumped
            for step in path:
                below = below[int(step)] if isinstance(below, list | tuple) else below[step]
            assert below == model.model_dump()
