from __future__ import annotations

from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline import schema
from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.placing.placements import LOCATIONS
from pipeline.manifest.shots import COLUMNS, Brief, Shot, read_brief, shots, suffix

PLACEMENTS = st.lists(
    st.sampled_from([*LOCATIONS, "original", "fit", "padding:1,2,3,4", "box:5,6,7,8"]),
    min_size=1,
    unique=True,
)


def read(row: dict[str, Any], **defaults: Any) -> Brief:
    return read_brief(row, Brief(**defaults), columns=list(row))


def refusal(row: dict[str, Any]) -> str:
    with pytest.raises(RowError) as caught:
        read(row)
    assert caught.value.code == ErrorCode.BAD_REQUEST
    assert "\n" not in caught.value.message
    return caught.value.message


def test_every_field_of_a_brief_is_a_column_and_described() -> None:
    assert set(COLUMNS) == set(Brief.model_fields)
    assert all(field.description for field in Shot.model_fields.values())


def test_a_shot_fits_its_column() -> None:
    fields = {schema.SHOT_TYPE.field(n).name for n in range(schema.SHOT_TYPE.num_fields)}
    assert fields == set(Shot.model_fields)


@given(num_results=st.integers(1, 12), placements=PLACEMENTS)
def test_a_brief_comes_to_one_shot_per_placement_and_result_with_names_of_their_own(
    num_results: int, placements: list[str]
) -> None:
    listed = shots(Brief(num_results=num_results, placement=placements), None)
    assert len(listed) == num_results * len(placements)
    names = [suffix(shot, listed) for shot in listed]
    assert len(set(names)) == len(names)
    assert (names == [""]) == (len(listed) == 1)


@given(num_results=st.integers(1, 12), placements=PLACEMENTS)
def test_a_shot_survives_its_column(num_results: int, placements: list[str]) -> None:
    listed = shots(
        Brief(num_results=num_results, placement=placements, margin=0.125, steps=9), (1, 2, 3)
    )
    rows = [shot.model_dump(mode="json") for shot in listed]
    travelled = pa.array(rows, schema.SHOT_TYPE).to_pylist()
    assert [Shot.model_validate(row) for row in travelled] == listed


@pytest.mark.parametrize(
    ("value", "placement"),
    [
        ("automatic", ", ".join(LOCATIONS)),
        (["upper_left", "box:1,2,3,4"], "upper_left, box:1,2,3,4"),
        ("padding:1,2,3,4,original", "padding:1,2,3,4, original"),
    ],
)
def test_placements_are_read_from_text_and_from_lists(value: Any, placement: str) -> None:
    assert read({"placement": value}).placement == placement


def test_a_rows_own_values_come_before_the_recipes_and_blank_ones_do_not() -> None:
    brief = read(
        {"margin": 0.2, "placement": " ", "steps": None, "reference_uri": []},
        margin=0.1,
        placement="fit",
        steps=30,
    )
    assert (brief.margin, brief.placement, brief.steps) == (0.2, "fit", 30)


def test_one_reference_is_a_list_of_one() -> None:
    assert read({"reference_uri": "a.jpg"}).reference_uri == ("a.jpg",)


@pytest.mark.parametrize(
    ("row", "begins"),
    [
        ({"num_results": 0}, "num_results: "),
        ({"num_results": 13}, "num_results: "),
        ({"num_results": 1.5}, "num_results: "),
        ({"placement": "middle"}, "placement: 'middle' is no placement"),
        ({"placement": ["fit", "fit"]}, "placement: "),
        ({"placement": ["fit", None]}, "placement: "),
        ({"canvas_width": 0, "canvas_height": 100}, "canvas_width: "),
        ({"canvas_width": 100}, "canvas_width and canvas_height"),
        ({"canvas_width": 100, "canvas_height": 100, "aspect_ratio": "1:1"}, "aspect_ratio: "),
        ({"aspect_ratio": "wide"}, "aspect_ratio: "),
        ({"aspect_ratio": "\u0664:\u0665"}, "aspect_ratio: "),
        ({"placement": "box:\u0661,0,9,9"}, "placement: "),
        ({"aspect_ratio": "1:0"}, "aspect_ratio 1:0: "),
        ({"aspect_ratio": "100:1"}, "aspect_ratio 100:1: "),
        ({"margin": 0.5}, "margin: "),
        ({"margin": float("nan")}, "margin: "),
        ({"align": "middle"}, "align: "),
        ({"max_upscale": 0}, "max_upscale: "),
        ({"negative_prompt": "x" * 2001}, "negative_prompt: "),
        ({"steps": 3}, "steps: "),
        ({"steps": 51}, "steps: "),
        ({"guidance_scale": -1}, "guidance_scale: "),
        ({"strength": 0}, "strength: "),
        ({"reference_uri": ["a"] * 5}, "reference_uri: "),
        ({"reference_scale": 2}, "reference_scale: "),
        ({"background_color": "blurple"}, "background_color: 'blurple' is no colour"),
        ({"shadow": "long"}, "shadow: "),
        ({"shadow_direction_deg": 200}, "shadow_direction_deg: "),
        ({"shadow_length": 9}, "shadow_length: "),
        ({"shadow_opacity": 2}, "shadow_opacity: "),
        ({"harmonize": "very"}, "harmonize: "),
        ({"output_width": 1_000_000}, "output_width: "),
        ({"output_format": "bmp"}, "output_format: "),
    ],
)
def test_a_bad_value_is_named_by_its_column(row: dict[str, Any], begins: str) -> None:
    assert refusal(row).startswith(begins)


def test_a_recipe_cannot_ask_for_nonsense_either() -> None:
    with pytest.raises(ValidationError):
        Brief(placement="middle")


def test_the_aspect_ratio_is_exact() -> None:
    assert Brief(aspect_ratio="1.91:1").ratio == Fraction(191, 100)


@pytest.mark.parametrize(
    ("asked", "idle"),
    [
        ({"placement": "original", "margin": 0.1}, ["margin"]),
        ({"placement": "fit", "margin": 0.1, "keep_cropped_edges": True}, []),
        (
            {"placement": "padding:1,1,1,1", "aspect_ratio": "1:1", "keep_cropped_edges": True},
            ["canvas", "keep_cropped_edges"],
        ),
    ],
)
def test_what_has_no_effect_is_said(asked: dict[str, Any], idle: list[str]) -> None:
    (shot,) = shots(Brief(**asked), None)
    assert [note.partition(" ")[0] for note in shot.without_effect] == idle
