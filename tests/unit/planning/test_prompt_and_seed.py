from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ErrorCode, RowError
from pipeline.planning.prompt_and_seed import resolve_prompt, resolve_seed, template_columns
from pipeline.recipe import Recipe, parse_recipe


def recipe_with(*overrides: str) -> Recipe:
    return parse_recipe("name: mine", overrides=overrides, source="mine")


@pytest.mark.parametrize(
    ("row", "overrides", "prompt", "origin"),
    [
        ({"prompt": "sand"}, [], "sand", "manifest"),
        ({"prompt": "sand"}, ["prompt.template='{c} wall'"], "sand", "manifest"),
        ({"prompt": None, "c": "red"}, ["prompt.template='{c} wall'"], "red wall", "template"),
        ({"prompt": " \t", "c": "red"}, ["prompt.template='{c} wall'"], "red wall", "template"),
        ({"c": 7}, ["prompt.template='{c} wall'"], "7 wall", "template"),
        (
            {"c": "red"},
            ["prompt.template='{c} wall'", "prompt.default=oak"],
            "red wall",
            "template",
        ),
        ({"c": None}, ["prompt.template='{c} wall'", "prompt.default=oak"], "oak", "default"),
        ({"prompt": ""}, ["prompt.default=oak"], "oak", "default"),
        ({"prompt": "{c}"}, ["prompt.template='{c} wall'"], "{c}", "manifest"),
        ({"c": "{c}"}, ["prompt.template='{{{c}}}'"], "{{c}}", "template"),
    ],
)
def test_the_prompt_is_the_rows_own_then_the_templates_then_the_default(
    row: Mapping[str, Any], overrides: list[str], prompt: str, origin: str
) -> None:
    assert resolve_prompt(row, recipe_with(*overrides)) == (prompt, origin)


def test_a_row_without_any_prompt_is_an_error() -> None:
    with pytest.raises(RowError, match="add one") as caught:
        resolve_prompt({"prompt": None}, recipe_with())
    assert caught.value.code == ErrorCode.PROMPT_MISSING


def test_a_row_without_a_value_its_template_needs_is_an_error_that_names_it() -> None:
    recipe = recipe_with("prompt.template='{color} {season}'")
    with pytest.raises(RowError, match="needs column 'season'") as caught:
        resolve_prompt({"color": "red", "season": None}, recipe)
    assert caught.value.code == ErrorCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("template", "names"),
    [
        (None, []),
        ("plain words", []),
        ("{color} kitchen, {season}", ["color", "season"]),
        ("{a}{a}", ["a", "a"]),
        ("{{literal}} {a}", ["a"]),
        ("{größe}", ["größe"]),
    ],
)
def test_a_template_names_its_columns(template: str | None, names: list[str]) -> None:
    assert template_columns(template) == names


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31 - 2])
def test_a_seed_asked_for_is_the_seed_used(seed: int) -> None:
    assert resolve_seed(seed, "any") == seed


@pytest.mark.parametrize("seed", [None, -1])
def test_no_seed_is_one_that_follows_from_the_id(seed: int | None) -> None:
    assert resolve_seed(seed, "shoe") == resolve_seed(None, "shoe")
    assert resolve_seed(seed, "shoe") != resolve_seed(seed, "shoe2")


def test_derived_seeds_never_change() -> None:
    digest = hashlib.sha256(b"seed\0shoe").digest()
    assert resolve_seed(None, "shoe") == int.from_bytes(digest[:8], "big") % (2**31 - 1)


@given(seed=st.none() | st.integers(-1, 2**64), sample_id=st.text())
def test_every_seed_fits_every_generator(seed: int | None, sample_id: str) -> None:
    assert 0 <= resolve_seed(seed, sample_id) < 2**31 - 1


@pytest.mark.parametrize("seed", [-2, -(2**40)])
def test_a_negative_seed_is_an_error(seed: int) -> None:
    with pytest.raises(RowError, match="use 0 or more, or -1") as caught:
        resolve_seed(seed, "any")
    assert caught.value.code == ErrorCode.BAD_REQUEST
