from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.engine.stage import Resources
from pipeline.errors import ErrorCode, FatalError, RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.prompts.style import StyleConfig
from pipeline.recipe import parse_recipe
from pipeline.stages.prompt import PolicyFile, PromptConfig, PromptMapper, prompt

SCENE = {"paint": "scene", "enhance_prompt": None}
PLAIN = {"paint": "plain", "enhance_prompt": None}


def mapped(config: PromptConfig, *prompts: str, **columns: object) -> list[object]:
    rows = [
        {"prompt": text, "prompt_origin": "manifest", "seed": 7, **({"shot": SCENE} | columns)}
        for text in prompts
    ]
    return list(PromptMapper(config, limits=ImageLimits(), book_root=None).map_batch(rows))


def written(outcomes: list[object]) -> list[str]:
    return [outcome["final_prompt"] for outcome in outcomes if isinstance(outcome, dict)]


def columns(final: str, *notes: str) -> dict[str, object]:
    return {
        "final_prompt": final,
        "prompt_source": "manifest",
        "prompt_model": None,
        "prompt_fallback": None,
        "prompt_notes": list(notes),
    }


def test_every_prompt_says_where_it_comes_from_and_what_was_changed() -> None:
    assert mapped(PromptConfig(), "sand", "create a  wall", "wall by Banksy") == [
        columns("sand"),
        columns("wall", "instruction 'create a' removed"),
        columns("wall", "celebrities: 'Banksy' removed"),
    ]


def test_a_prompt_of_which_nothing_is_left_is_an_error_of_its_row() -> None:
    first, second, third, fourth = mapped(PromptConfig(), "\u200b", "sand", "Brad Pitt", "* ")
    assert isinstance(first, RowError)
    assert first.code == ErrorCode.PROMPT_MISSING
    assert isinstance(second, dict)
    assert isinstance(third, RowError)
    assert third.code == ErrorCode.PROMPT_REJECTED
    assert isinstance(fourth, RowError)
    assert fourth.code == ErrorCode.PROMPT_MISSING


def test_an_unsafe_prompt_is_refused_and_its_neighbours_are_not() -> None:
    unsafe, safe = mapped(PromptConfig(), "n@zi flags", "oak table")
    assert isinstance(unsafe, RowError)
    assert unsafe.code == ErrorCode.PROMPT_REJECTED
    assert "'unsafe'" in unsafe.message
    assert safe == columns("oak table")


def test_the_suffix_is_added_once() -> None:
    config = PromptConfig(suffix="studio photo")
    assert written(mapped(config, "sand", "sand, studio photo")) == ["sand, studio photo"] * 2


def test_a_star_is_no_word_and_a_plain_colour_no_scene() -> None:
    config = PromptConfig(style=StyleConfig())
    (star,) = mapped(config, "* sunset, 50mm, product photograph")
    (plain,) = mapped(config, "a solid red background", shot=PLAIN)
    assert isinstance(star, dict)
    assert star["final_prompt"] == "sunset, 50mm, product photograph"
    assert star["prompt_notes"] == ["leading '*' taken off"]
    assert plain == columns("a solid red background")


def test_style_names_the_product_as_the_policies_allow() -> None:
    config = PromptConfig(
        style=StyleConfig(subject_column="title", camera=(), light=("dim light",))
    )
    (row,) = mapped(config, "oak table", title="Nike  running shoe")
    assert row == columns("product photograph of running shoe, oak table, dim light", "styled")
    (unsaid,) = mapped(config, "oak table", title="NSFW poster")
    assert unsaid == columns("product photograph, oak table, dim light", "styled")
    (none,) = mapped(config, "oak table", title=None)
    assert none == unsaid


def test_a_prompt_is_cut_to_what_clip_reads_and_the_suffix_stays() -> None:
    config = PromptConfig(max_tokens=12, suffix="studio photo", style=StyleConfig())
    (row,) = mapped(config, "oak table, linen, morning, " + "pine, " * 40)
    assert isinstance(row, dict)
    assert row["final_prompt"] == "oak table, linen, morning, pine, studio photo"
    assert row["prompt_notes"] == ["cut to 31 characters"]


def test_policies_come_from_files_and_are_merged(tmp_path: Path) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text(
        "name: brands\naction: replace\nallow: [nike]\ngroups: [{by: tumbler, terms: [quencher]}]\n"
    )
    pin = hashlib.sha256(ours.read_bytes()).hexdigest()
    config = PromptConfig(policies=("brands", {"uri": str(ours), "sha256": pin}))
    assert written(mapped(config, "a Quencher", "Nike wall", "Ikea wall", "wall by Banksy")) == [
        "a tumbler",
        "Nike wall",
        "wall",
        "wall by Banksy",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "name: x",
        "name: x\naction: replace\ngroups: [{terms: [nike]}]",
        "a: [",
        "7",
        f"name: x\naction: remove\ngroups: [{{terms: [{'x' * 50_000}]}}]",
    ],
)
def test_a_policy_that_cannot_be_used_stops_the_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(FatalError, match=r"bad\.yaml"):
        mapped(PromptConfig(policies=(PolicyFile(uri=str(tmp_path / "bad.yaml")),)), "sand")


def test_a_policy_that_does_not_fit_the_one_it_extends_stops_the_run(tmp_path: Path) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text("name: unsafe\naction: replace\ngroups: [{by: x, terms: [oak]}]\n")
    with pytest.raises(FatalError, match=r"prompt\.policies: .*unsafe"):
        mapped(PromptConfig(policies=("unsafe", PolicyFile(uri=str(ours)))), "sand")


def test_a_policy_that_is_missing_or_another_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"gone\.yaml"):
        mapped(PromptConfig(policies=(PolicyFile(uri=str(tmp_path / "gone.yaml")),)), "sand")
    (tmp_path / "p.yaml").write_text("name: x\naction: remove\n")
    pinned = PolicyFile(uri=str(tmp_path / "p.yaml"), sha256="0" * 64)
    with pytest.raises(FatalError, match="expected sha256 0000"):
        mapped(PromptConfig(policies=(pinned,)), "sand")


def test_a_misspelt_policy_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValidationError, match="neither a shipped policy"):
        PromptConfig(policies=(PolicyFile(uri="brand"),))


@pytest.mark.parametrize(
    ("setting", "reads"),
    [
        ("prompt.suffix=x", ()),
        ("prompt.style={subject_column: title}", ("title",)),
        ("prompt.enhancer={kind: openai, base_url: 'http://x/v1', model: m}", ()),
        (
            "prompt.enhancer={kind: openai, base_url: 'http://x/v1', model: m, looks: true, "
            "product_column: title}",
            ("title", "image_bytes", "alpha", "alpha_colors"),
        ),
    ],
)
def test_the_stage_reads_what_its_recipe_needs(setting: str, reads: tuple[str, ...]) -> None:
    config = parse_recipe("name: mine\nkeep: [title]", overrides=[setting], source="test").prompt
    stage = prompt(config, Resources(), limits=ImageLimits(), book_root=None)
    assert stage.reads == ("prompt", "prompt_origin", "seed", "shot", *reads)


def test_columns_that_do_not_travel_are_refused() -> None:
    with pytest.raises(ValueError, match="list it in `keep`"):
        parse_recipe("name: mine", overrides=["prompt.style.subject_column=title"], source="test")


def test_where_a_model_runs_is_no_reason_to_draw_again() -> None:
    def revision(*settings: str) -> str:
        base = "prompt.enhancer={kind: openai, base_url: 'http://a/v1', model: m}"
        return parse_recipe("name: mine", overrides=[base, *settings], source="test").pixel_hash

    assert revision("prompt.enhancer.base_url=http://b/v1") == revision()
    assert revision("prompt.enhancer.timeout_s=9", "prompt.enhancer.concurrency=2") == revision()
    assert revision("prompt.enhancer.model=n") != revision()
    assert revision("prompt.enhancer.looks=true") != revision()


def test_an_enhancement_that_the_recipe_cannot_give_is_noted() -> None:
    (outcome,) = mapped(PromptConfig(), "oak table", shot=SCENE | {"enhance_prompt": True})
    assert outcome == columns(
        "oak table", "enhance_prompt has no effect: the recipe has no enhancer"
    )
