"""Recipes that extend others: what they come to, what is refused, and how they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.recipes import load_recipe, recipe_schema, shipped_recipes
from jobs.recipes.merged import merged_text
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe, parse_recipe
from pipeline.text.yaml_text import MOST_CHARACTERS
from tests.conftest import MakeManifest


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(own: str, *overrides: str, **parents: str) -> Recipe:
    """The recipe mine.yaml, beside others that are named by keyword."""
    for name, text in parents.items():
        Path(f"{name}.yaml").write_text(text)
    Path("mine.yaml").write_text(own)
    return load_recipe("mine.yaml", overrides=overrides)


def refusal(own: str, *overrides: str, **parents: str) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        load(own, *overrides, **parents)
    message = str(caught.value)
    assert "\n" not in message
    return message


HOUSE = """
name: house
description: Ours.
keep: [title, brand]
keep_types: {title: text}
brief: {channel: ebay, margin: 0.1}
prompt: {suffix: no}
render:
  quality: 80
  shadow: {enabled: false}
resources:
  render: {num_cpus: 3}
"""
OWN = """
name: mine
extends: house.yaml
keep: [brand]
keep_types: {brand: text, title: text}
brief: {harmonize: off}
render: {shadow: {opacity: 0.3}, format: webp}
"""
WRITTEN_OUT = """
name: mine
keep: [title, brand]
keep_types: {brand: text, title: text}
brief: {channel: ebay, margin: 0.1, harmonize: off}
prompt: {suffix: no}
render:
  quality: 80
  shadow: {enabled: false, opacity: 0.3}
  format: webp
resources:
  render: {num_cpus: 3}
"""


def test_a_recipe_that_extends_is_the_same_as_one_written_out(make_manifest: MakeManifest) -> None:
    own = OWN.replace("keep: [brand]\n", "")
    extended = load(own, house=HOUSE)
    written_out = parse_recipe(WRITTEN_OUT, source="recipe mine.yaml")
    assert extended == written_out
    assert extended.brief.model_fields_set == written_out.brief.model_fields_set
    assert extended.config_hash == written_out.config_hash
    assert extended.pixel_hash == written_out.pixel_hash
    assert "extends" not in extended.model_dump()
    uri = make_manifest(id=["a"], image_uri=["1.jpg"], prompt=["oak"], title=["t"], brand=["b"])
    manifest = open_manifest(str(uri))
    fingerprints = [
        [row for table in planner.tables() for row in table.column("fingerprint").to_pylist()]
        for planner in (
            Planner(recipe=recipe, manifest=manifest) for recipe in (extended, written_out)
        )
    ]
    assert len(fingerprints[0]) == 1
    assert fingerprints[0] == fingerprints[1]


def test_sections_are_joined_and_lists_and_values_replaced() -> None:
    made = load(OWN.replace(", title: text", ""), "keep_types={brand: text}", house=HOUSE)
    assert made.keep == ("brand",)
    assert (made.render.shadow.enabled, made.render.shadow.opacity) == (False, 0.3)
    assert (made.render.quality, made.render.format) == (80, "webp")


def test_name_and_description_are_a_recipes_own() -> None:
    assert load("name: mine\nextends: house.yaml", house=HOUSE).description == ""
    assert "mine.yaml: name: Field required" in refusal("extends: house.yaml", house=HOUSE)


def test_chains_are_followed_each_from_its_own_folder() -> None:
    Path("teams/shoes").mkdir(parents=True)
    Path("teams/base.yaml").write_text("name: base\nextends: studio\nrender: {quality: 60}")
    Path("teams/shoes/all.yml").write_text("name: all\nextends: ../base.yaml\nkeep: [title]")
    made = load("name: mine\nextends: teams/shoes/all.yml\nrender: {format: png}")
    assert (made.render.quality, made.keep, made.render.format) == (60, ("title",), "png")
    assert made.resources == load_recipe("studio").resources


def test_settings_count_after_all_files() -> None:
    made = load(OWN, "render.quality=7", "keep=[title, brand]", house=HOUSE)
    assert (made.render.quality, made.keep) == (7, ("title", "brand"))
    assert "--set extends" in refusal("name: mine", "extends=bria")


@pytest.mark.parametrize(
    ("own", "kind", "below"),
    [
        # By its name, from a kind that is named, and from one that is a section's default.
        ("render: {generator: {kind: studio}}", "studio", "render.generator"),
        (
            "matte: {network: {kind: isnet, weights: /w.onnx}}",
            "isnet",
            "matte.network",
        ),
        ("matte: {refine: {method: guided}}", "guided", "matte.refine"),
    ],
)
def test_a_section_of_another_kind_is_replaced_as_a_whole(own: str, kind: str, below: str) -> None:
    parent = """
    name: parent
    render:
      generator: {kind: z-image, checkpoint: {path: /z}, num_inference_steps: 5}
      size: {rule: generator, multiple_px: 64}
    matte:
      network: {weights_sha256: WHICH, runtime: openvino}
      refine: {method: vitmatte, model: {checkpoint: {path: /v}}}
    """.replace("WHICH", "a" * 64)
    made: Any = load(f"name: mine\nextends: parent.yaml\n{own}", parent=parent)
    alone: Any = parse_recipe(f"name: mine\n{own}", source="alone")
    for step in below.split("."):
        made, alone = getattr(made, step), getattr(alone, step)
    assert kind in (getattr(made, "kind", None), getattr(made, "method", None))
    assert made == alone


def test_a_section_of_the_same_kind_is_joined() -> None:
    bria: Any = load_recipe("bria").render.generator
    for said in ("", "kind: bria, "):
        made: Any = load(
            f"name: mine\nextends: bria\nrender: {{generator: {{{said}guidance_scale: 3}}}}"
        ).render.generator
        assert made == bria.model_copy(update={"guidance_scale": 3.0})
    parent = "name: parent\nmatte: {network: {runtime: openvino}}"
    own = "name: mine\nextends: parent.yaml\nmatte: {network: {kind: u2net, precision: bfloat16}}"
    network: Any = load(own, parent=parent).matte.network
    assert (network.runtime, network.precision) == ("openvino", "bfloat16")


def test_weights_from_elsewhere_take_over_nothing_from_those_they_replace() -> None:
    parent = """
    name: parent
    extends: bria
    render: {generator: {checkpoint: {path: /a, manifest_sha256: PIN, allow_pickle: true}}}
    """.replace("PIN", "a" * 64)
    own = "name: mine\nextends: parent.yaml\nrender: {generator: {checkpoint: {SAID}}}"
    made: Any = load(own.replace("SAID", "uri: s3://weights/b"), parent=parent).render.generator
    assert made.checkpoint.uri == "s3://weights/b"
    assert (made.checkpoint.path, made.checkpoint.pinned) == (None, False)
    assert not made.checkpoint.allow_pickle
    assert made.controlnet == load_recipe("bria").render.generator.controlnet  # type: ignore[union-attr]
    made = load(own.replace("SAID", "allow_pickle: false"), parent=parent).render.generator
    assert (made.checkpoint.path, made.checkpoint.pinned) == (Path("/a"), True)


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ("brai", "extends: 'brai': not among the shipped ones"),
        ("brai", "did you mean 'bria'; name a recipe of your own by its .yaml file"),
        ("none.yaml", "extends: there is no file none.yaml: name a shipped recipe, or a .yaml"),
        ("s3://bucket/x.yaml", "extends: there is no file s3:/bucket/x.yaml"),
        ("../bria", "not among the shipped ones"),
        ("[studio, bria]", "extends: name one recipe, shipped or by its .yaml file"),
        ("", "extends: name one recipe"),
        ("{a: b}", "extends: name one recipe"),
        ("mine.yaml", "extends: mine.yaml -> mine.yaml goes in a circle: take one `extends` out"),
        ("./mine.yaml", "goes in a circle"),
    ],
)
def test_what_cannot_be_extended_is_refused_in_one_line(extends: str, said: str) -> None:
    message = refusal(f"name: mine\nextends: {extends}")
    assert message.startswith("recipe mine.yaml: extends: ")
    assert said in message


def test_a_circle_is_found_however_long_it_is_and_whatever_its_files_are_called() -> None:
    Path("again.yaml").symlink_to("mine.yaml")
    message = refusal(
        "name: mine\nextends: one.yaml",
        one="name: one\nextends: two.yaml",
        two="name: two\nextends: again.yaml",
    )
    assert message.startswith("recipe two.yaml: extends: mine.yaml -> one.yaml -> two.yaml -> ")


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        ("name: [", "not valid YAML: line 1"),
        ("name: parent\nkeep: &a [x]\nbrief: *a", "an alias (*name) is not read"),
        ("[]", "a recipe is a mapping of sections"),
        ("name: parent\n" + "#" * MOST_CHARACTERS, "characters, at most"),
        ("name: parent\nbrief:\n  background_color: #ff8000\n", "line 3: #ff8000 is a comment"),
    ],
)
def test_a_parent_is_read_as_any_recipe_is(parent: str, said: str) -> None:
    message = refusal("name: mine\nextends: parent.yaml", parent=parent)
    assert message.startswith("recipe mine.yaml: extends: recipe parent.yaml: ")
    assert said in message


def test_a_mistake_is_told_with_the_file_in_which_it_stands() -> None:
    parent = "name: parent\nrender: {quality: 900, shadow: {opcity: 1}}\n"
    message = refusal("name: mine\nextends: parent.yaml\nrender: {format: gif}", parent=parent)
    told = message.removeprefix("recipe mine.yaml: ").split("; ")
    assert len(told) == 3
    by_field = {each.partition(":")[0]: each for each in told}
    assert by_field["render.quality"].endswith("got 900 (in recipe parent.yaml)")
    assert by_field["render.shadow.opcity"].endswith(" (in recipe parent.yaml)")
    assert by_field["render.format"].endswith("got 'gif'")
    mended = "name: parent\nbudget: {max_strikes: 1:30}"
    message = refusal("name: mine\nextends: parent.yaml", parent=mended)
    assert "budget.max_strikes: YAML reads 1:30 as 90" in message
    assert message.endswith(" (in recipe parent.yaml)")
    assert "(in" not in refusal("name: mine\nextends: bria", "render.quality=900")


def test_a_mistake_of_several_files_names_them() -> None:
    message = refusal(
        "name: mine\nextends: parent.yaml\nbrief: {canvas_width: 100}",
        parent="name: parent\nbrief: {margin: 0.1}",
    )
    assert message.endswith(" (in recipe parent.yaml and recipe mine.yaml)")
    lacking = "name: parent\nrender: {generator: {kind: bria, checkpoint: {path: /a}}}"
    assert refusal("name: mine\nextends: parent.yaml", parent=lacking).endswith(
        "render.generator.controlnet: Field required (in recipe parent.yaml)"
    )


def test_a_recipe_that_is_no_file_extends_nothing() -> None:
    with pytest.raises(ValueError, match=r"recipe of run r1: extends: only a recipe's own file"):
        parse_recipe("name: mine\nextends: bria", source="recipe of run r1")


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_is_what_is_shown_of_it(name: str) -> None:
    shown = parse_recipe(merged_text(name), source="shown")
    recipe = load_recipe(name)
    assert shown == recipe
    assert shown.config_hash == recipe.config_hash
    assert shown.brief.model_fields_set == recipe.brief.model_fields_set


def test_what_is_shown_says_where_it_is_from_and_reads_the_same_whatever_it_holds() -> None:
    Path("house.yaml").write_text(HOUSE)
    Path("mine.yaml").write_text(
        "# Licence: ours.\n"
        "name: mine\nextends: house.yaml\nkeep: [on, 'a, b', '# c', title]\n"
        "keep_types: {on: text}\n"
        'prompt:\n  default: "two\\nlines\\u2028 \\u202e 😀: #"\n'
        "brief: {background_color: 112233}\nresources: {matte: {num_gpus: 1e-1}}\n"
        "render: {generator: {kind: bria, checkpoint: {path: /a}, controlnet: {path: /b},"
        " loras: [{checkpoint: {path: /c}, weight_name: 'x: y'}]},"
        " size: {rule: generator, multiple_px: 64}}\n"
    )
    made = load_recipe("mine.yaml")
    text = merged_text("mine.yaml")
    assert parse_recipe(text, source="shown") == made
    lines = text.splitlines()
    assert lines[:2] == ["# Recipe mine.yaml, which extends house.yaml", "# Licence: ours."]
    assert "  quality: 80  # from house.yaml" in lines
    assert "      path: /a" in lines
    assert all(line.isprintable() for line in lines)


def test_an_editor_takes_every_shipped_recipe_for_one() -> None:
    import yaml
    from jsonschema import Draft202012Validator

    import jobs.recipes

    validator = Draft202012Validator(recipe_schema())
    files = sorted(Path(jobs.recipes.__file__).parent.glob("*.yaml"))
    assert any("extends:" in file.read_text() for file in files)
    for file in files:
        assert not list(validator.iter_errors(yaml.safe_load(file.read_text()))), file.name
