from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from jobs.recipes import load_recipe, shipped_recipes
from pipeline.recipe import Budget, Recipe, parse_recipe
from pipeline.stages.rendering import foreground_color


def parse(text: str = "name: mine", *overrides: str) -> Recipe:
    return parse_recipe(text, overrides=overrides, source="recipe mine.yaml")


def refusal(text: str = "name: mine", *overrides: str) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        parse(text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_name_is_enough() -> None:
    assert parse("name: mine") == Recipe(name="mine")


def test_sections_change_only_what_they_name() -> None:
    recipe = parse("name: mine\nrender:\n  quality: 80\n  shadow: {enabled: false}")
    assert recipe.render.quality == 80
    assert not recipe.render.shadow.enabled
    assert recipe.render.thumbnail_px == Recipe(name="mine").render.thumbnail_px


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("render.quality=70", lambda recipe: recipe.render.quality == 70),
        ("prompt.default=on sand", lambda recipe: recipe.prompt.default == "on sand"),
        ("prompt.default='a = b'", lambda recipe: recipe.prompt.default == "a = b"),
        ("keep=[title, brand]", lambda recipe: recipe.keep == ("title", "brand")),
        ("resources.render.max_actors=null", lambda r: r.resources.render.max_actors is None),
        ("render={quality: 60}", lambda recipe: recipe.render.quality == 60),
        (" render.quality =70", lambda recipe: recipe.render.quality == 70),
    ],
)
def test_settings_override_the_file(override: str, read: Any) -> None:
    assert read(parse("name: mine\nrender: {quality: 95}", override))


def test_the_last_setting_counts_and_earlier_ones_stay() -> None:
    recipe = parse("name: mine", "render.quality=1", "render.thumbnail_px=0", "render.quality=2")
    assert (recipe.render.quality, recipe.render.thumbnail_px) == (2, 0)


def test_a_setting_changes_one_field_of_a_pool_and_keeps_its_defaults() -> None:
    before = parse().resources.fetch
    after = parse("name: mine", "resources.fetch.min_actors=2").resources.fetch
    assert after.min_actors == 2
    assert (after.num_cpus, after.max_actors) == (before.num_cpus, before.max_actors)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("oops", "--set oops: write it as section.field=value"),
        ("=1", "--set =1: write it as section.field=value"),
        ("render..quality=1", "--set render..quality=1: write it as section.field=value"),
        ("render.quality=[1", "--set render.quality=[1: the value is not valid YAML"),
        ("name.first=x", "'first' lies below something that is no section"),
        ("render.quality=101", "render.quality: input should be less than or equal to 100, got"),
        ("render.quality=high", "render.quality: input should be a valid integer"),
        ("render.format=gif", "render.format: input should be"),
        ("budget.max_failures=-1", "budget.max_failures: input should be greater than or equal"),
        ("budget.max_failures=.inf", "budget.max_failures: input should be a finite number"),
        ("budget.max_failures=.nan", "budget.max_failures: input should be a finite number"),
        ("resources.render.num_gpus=.inf", "resources.render.num_gpus: input should be a finite"),
        ("resources.render.num_gpus=1.5", "num_gpus 1.5 must be a whole number above 1"),
        ("prompt=", "prompt: input should be a valid dictionary"),
        ("name=two words", "name: string should match pattern"),
        ("name=../up", "name: string should match pattern"),
    ],
)
def test_wrong_settings_are_one_line_that_names_the_field(override: str, message: str) -> None:
    assert message in refusal("name: mine", override)


def test_an_unknown_field_is_answered_with_those_there_are() -> None:
    message = refusal("name: mine", "render.qualty=80")
    assert "render.qualty: there is no such field" in message
    assert "quality" in message.partition("there are:")[2]


def test_an_unknown_section_is_answered_with_those_there_are() -> None:
    message = refusal("name: mine\nrendr: {}")
    assert "rendr: there is no such field (there are: name, description" in message


def test_an_unknown_field_two_levels_down_is_answered_with_those_there_are() -> None:
    message = refusal("name: mine\nresources: {render: {gpus: 1}}")
    assert "resources.render.gpus: there is no such field (there are: num_cpus, num_gpus" in message


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("matte.refine.method=nope", "matte.refine.method: "),
        ("matte.refine={method: vitmatte, model: 5}", "matte.refine.model: "),
        ("render.generator.aperture=wide", "render.generator.aperture: "),
    ],
)
def test_a_field_of_one_kind_of_section_is_named_as_a_recipe_writes_it(
    override: str, field: str
) -> None:
    assert refusal("name: mine", override).startswith(f"recipe mine.yaml: {field}")


def test_no_number_of_a_recipe_may_be_endless_or_none() -> None:
    """JSON, in which a run writes its recipe down, has neither."""
    known: set[type[BaseModel]] = set()

    def look_at(annotation: Any) -> None:
        for part in get_args(annotation):
            look_at(part)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return
        if annotation in known:
            return
        known.add(annotation)
        kinds = [field.annotation for field in annotation.model_fields.values()]
        if any(float in (kind, *get_args(kind)) for kind in kinds):
            assert annotation.model_config.get("allow_inf_nan") is False, annotation
        for kind in kinds:
            look_at(kind)

    look_at(Recipe)
    assert len(known) > 30
    for number in (".inf", "-.inf", ".nan"):
        assert "finite number" in refusal("name: mine", f"input.max_aspect={number}")


def test_all_mistakes_are_told_at_once() -> None:
    message = refusal("name: mine", "render.quality=0", "rendr.x=1")
    assert "render.quality" in message
    assert "rendr" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a recipe is a mapping of sections"),
        ("- name: mine", "a recipe is a mapping of sections"),
        ("name: [", "not valid YAML"),
        ("name: mine\n\trender: {}", "not valid YAML"),
        ("description: nameless", "name: Field required"),
        ("name: mine\n1: 2", "1: "),
        ("name: !!python/object:os.system {}", "not valid YAML"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(text: str, message: str) -> None:
    refused = refusal(text)
    assert refused.startswith("recipe mine.yaml: ")
    assert message in refused


def test_a_recipe_that_would_keep_no_picture_is_refused() -> None:
    message = refusal("name: mine\noutput: {image_column: false, image_objects: false}")
    assert "no picture would be kept: set one of them" in message


def test_a_file_is_named_when_it_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"recipe .*absent\.yaml: cannot be read: .*No such file"):
        load_recipe(str(tmp_path / "absent.yaml"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match="cannot be read"):
        load_recipe(str(path))


def test_a_recipe_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse().render.quality = 1  # type: ignore[misc]


def test_config_hash_names_what_is_made_and_not_where() -> None:
    hashes = {
        parse("name: mine", *overrides).config_hash
        for overrides in ([], ["render.quality=80"], ["output.alpha=true"], ["keep=[a]"])
    }
    assert len(hashes) == 4
    for override in (
        "resources.render.num_cpus=2",
        "budget.max_failures=3",
        "fetch.max_seconds=600",
    ):
        assert parse("name: mine", override).config_hash == parse().config_hash
    assert parse().config_hash == parse("name: mine\nrender: {}").config_hash


@pytest.mark.parametrize(
    "override",
    [
        "fetch.concurrency=3",
        "output.image_column=false",
        "keep=[title]",
        "description=other words",
        "name=other",
    ],
)
def test_pixel_hash_ignores_what_does_not_decide_pixels(override: str) -> None:
    assert parse("name: mine", override).pixel_hash == parse().pixel_hash
    assert parse("name: mine", override).config_hash != parse().config_hash


@pytest.mark.parametrize(
    "override",
    [
        "render.quality=80",
        "render.shadow.enabled=false",
        "render.size.area_px=65536",
        "matte.use_file_alpha=never",
        "prompt.suffix=studio photo",
        "input.min_side_px=64",
    ],
)
def test_pixel_hash_follows_what_decides_pixels(override: str) -> None:
    assert parse("name: mine", override).pixel_hash != parse().pixel_hash


def test_pixel_hash_follows_the_code_that_estimates_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = parse().pixel_hash
    monkeypatch.setitem(foreground_color._REVISIONS, parse().render.foreground, 99)
    assert parse().pixel_hash != before


def test_hashes_do_not_depend_on_the_order_of_the_file() -> None:
    one = parse("name: mine\nrender: {quality: 80, thumbnail_px: 0}\nkeep: [a]")
    other = parse("keep: [a]\nrender: {thumbnail_px: 0, quality: 80}\nname: mine")
    assert one.config_hash == other.config_hash


def test_a_recipe_survives_being_written_down() -> None:
    recipe = parse("name: mine", "render.quality=80", "keep=[a, b]", "prompt.default=sand")
    again = Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json"))))
    assert again == recipe
    assert again.config_hash == recipe.config_hash


@pytest.mark.parametrize(
    ("max_failures", "num_rows", "allowed"),
    [(0, 1000, 0), (0.05, 1000, 50), (0.05, 19, 0), (1, 1000, 1), (7, 3, 7), (0.999, 1000, 999)],
)
def test_a_budget_is_a_fraction_below_1_and_a_count_from_1_on(
    max_failures: float, num_rows: int, allowed: int
) -> None:
    assert Budget(max_failures=max_failures).allowed_failures(num_rows) == allowed


def test_every_shipped_recipe_loads_under_the_name_of_its_file() -> None:
    recipes = shipped_recipes()
    assert "studio" in recipes
    for name, recipe in recipes.items():
        assert recipe.name == name
        assert recipe.description
        assert load_recipe(name) == recipe


def test_an_unknown_recipe_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"'studoi'.*did you mean 'studio'"):
        load_recipe("studoi")


@pytest.mark.parametrize("name", ["../recipes/studio", "", "/etc/passwd", "studio.txt"])
def test_a_name_is_not_taken_for_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="not among the shipped ones"):
        load_recipe(name)


def test_a_recipe_of_ones_own_is_named_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nrender: {quality: 50}")
    assert load_recipe(str(path), overrides=["render.quality=51"]).render.quality == 51


def test_the_json_schema_describes_every_field() -> None:
    document = Recipe.model_json_schema()
    assert set(document["properties"]) == set(Recipe.model_fields)
    assert document["additionalProperties"] is False
    models = document["$defs"]
    for model in (document, *models.values()):
        for name, field in model.get("properties", {}).items():
            # A description that repeats the model's own is written there only.
            known = field | models.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
            assert known.get("description"), f"{model['title']}.{name} has no description"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("brief.harmonize=off", "off"),
        ("prompt.default=no", "no"),
        ("prompt.default=Yes", "Yes"),
        ("prompt.default=12:30", "12:30"),
        ("prompt.default=2026-11-28", "2026-11-28"),
        ("prompt.default=0012", "0012"),
        ("prompt.default=1_000", "1_000"),
        ("prompt.default=a=b", "a=b"),
        ("prompt.default=# 1 oak", "# 1 oak"),
        ("prompt.default='# \"1\" oak'", '# "1" oak'),
        ("prompt.default=null", None),
        ("name=1e5", "1e5"),
        ("name=0x10", "0x10"),
        ("keep=[no, 1e5, 007]", ("no", "1e5", "007")),
        ("brief.background_color=000000", "#000000"),
        ("brief.background_color=#ff8000", "#ff8000"),
        (f"matte.network.weights_sha256={'12' * 32}", "12" * 32),
        ("brief.solid_colors=on", True),
        ("brief.margin=0.1", 0.1),
    ],
)
def test_words_are_words_where_a_field_wants_one(setting: str, expected: Any) -> None:
    recipe = parse_recipe("name: mine", overrides=[setting], source="mine")
    found: Any = recipe
    for step in setting.partition("=")[0].split("."):
        found = getattr(found, step)
    assert found == expected


def test_words_of_a_recipe_file_are_words_too() -> None:
    text = """
    name: 007
    prompt: &told {default: no}
    brief: {harmonize: off, solid_colors: off, background_color: 112233}
    keep: [on, 12:30]
    render: {provenance: {<<: {exif: none}}}
    """
    recipe = parse_recipe(text, source="mine")
    assert (recipe.name, recipe.prompt.default, recipe.keep) == ("007", "no", ("on", "12:30"))
    assert (recipe.brief.harmonize, recipe.brief.solid_colors) == ("off", False)
    assert recipe.brief.background_color == "#112233"
    assert recipe.render.provenance.exif == "none"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("render.provenance.exif=off", "input should be 'none', 'credits' or 'capture', got 'off'"),
        ("brief.margin=off", "brief.margin: input should be a number, got 'off'"),
        ("budget.max_failures=yes", "budget.max_failures: input should be a number, got 'yes'"),
        ("render.quality=12:30", "got '12:30'"),
        ("brief.num_results=0", "greater than or equal to 1, got 0"),
        ("keep=[[no]]", "keep.0: input should be a valid string"),
    ],
)
def test_what_is_wrong_is_told_as_it_was_written(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^mine: ") as refused:
        parse_recipe("name: mine", overrides=[setting], source="mine")
    assert message in str(refused.value)


def test_a_colour_that_yaml_takes_for_a_comment_is_refused() -> None:
    text = "name: mine\nbrief:\n  background_color: #ff8000\n  margin: 0.1\n"
    with pytest.raises(ValueError, match="line 3: #ff8000 is a comment to YAML: write '#ff8000'"):
        parse_recipe(text, source="mine")


@pytest.mark.parametrize(
    "said", ["{title} on oak", "oak: light", "- oak", "@home", "%a", "`x`", "> oak", "*", "? oak"]
)
def test_a_setting_that_wants_text_takes_what_is_no_yaml(said: str) -> None:
    assert parse("name: mine", f"prompt.default={said}").prompt.default == said
    assert "valid YAML" in refusal("name: mine", "render.quality=@1")
    assert "--set prompt.default='oak: the value is not valid YAML" in refusal(
        "name: mine", "prompt.default='oak"
    )
    assert parse("name: mine", "brief=margin: 0.1").brief.margin == 0.1


@pytest.mark.parametrize("said", ["1:30", "030", "+0_17", "1:0.5"])
def test_a_number_that_yaml_reads_as_another_is_refused(said: str) -> None:
    assert f"budget.max_failures: YAML reads {said} as " in refusal(
        "name: mine", f"budget.max_failures={said}"
    )
    text = f"name: mine\nbudget:\n  max_failures: {said}"
    assert f"YAML reads {said} as " in refusal(text)


def test_a_number_is_what_everybody_reads() -> None:
    for said, number in (("00", 0), ("007", 7), ("1_000", 1000), ("0x10", 16), ("1e1", 10)):
        assert parse("name: mine", f"budget.max_failures={said}").budget.max_failures == number


def test_keys_are_words() -> None:
    text = "name: mine\nkeep: [no, 0012, 1e3]\nkeep_types: {no: text, 0012: integer}"
    made = parse(text, "keep_types={on: text, 1e3: number}", "keep=[on, 1e3]")
    assert made.keep_types == {"on": "text", "1e3": "number"}
    assert parse(text).keep_types == {"no": "text", "0012": "integer"}
