from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.recipes import load_recipe
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.runs.identity import Request, run_uri
from pipeline.runs.run_folder import start_ledger
from pipeline.tables import parse_reading
from tests.conftest import MakeManifest


@pytest.fixture
def catalogue(make_manifest: MakeManifest) -> str:
    return make_manifest(
        id=["a", "b", "c"], image_uri=["1.jpg"] * 3, prompt=["sand"] * 3, n=[1, 2, 3]
    )


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


@pytest.fixture
def command(catalogue: str, output: Path) -> list[str]:
    return ["run", "studio", "--manifest", catalogue, "--output", str(output), "--dry-run"]


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a wrong command is answered with."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("backlot: error: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "No such command 'nope'"),
        (["run"], "Missing argument 'RECIPE'"),
        (["run", "studio"], "Missing option '--manifest'"),
        (["run", "studio", "--manifest", "x"], "Missing option '--output'"),
        (["run", "studio", "--bogus"], "No such option: --bogus"),
        (["run", "studio", "--limit"], "requires an argument"),
        (["recipes", "extra"], "No such command 'extra'"),
        (["schema", "extra"], "unexpected extra argument"),
        (["recipes", "show"], "Missing argument 'RECIPE'"),
        (["recipes", "show", "brai"], "did you mean 'bria'"),
        (["report"], "Missing argument 'RUN'"),
        (["report", "/nowhere/run_id=x"], "no report.json there; name the folder of a run"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in refusal(arguments, capsys)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--limit", "0"], "'--limit'"),
        (["--limit", "-3"], "'--limit'"),
        (["--limit", "many"], "'--limit'"),
        (["--set", "oops"], "--set oops: write it as section.field=value"),
        (["--set", "render.quality=900"], "render.quality: input should be less than or equal"),
        (["--set", "render.qualty=9"], "render.qualty: there is no such field"),
        (["--set", "keep=[colour]"], "keep: the manifest has no column 'colour'"),
        (["--set", "prompt.template='{n.real}'"], "prompt.template"),
        (["--where", "n ="], "--where 'n =': parser error"),
        (["--where", "colour = 1"], "colour"),
        (["--run-id", "../up"], "--run-id '../up': use letters"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2_and_writes_nothing(
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    output: Path,
    more: list[str],
    message: str,
) -> None:
    assert message in refusal([*command, *more], capsys)
    assert not output.exists()


def test_a_refusal_is_json_where_the_log_is(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main(["--log-format", "json", *command, "--limit", "0"]) == 2
    assert main(["--log-format", "json", *command, "--where", "n ="]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["exit_code"] for line in lines] == [2, 2]
    assert "--where" in lines[1]["message"]


def test_an_unknown_recipe_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    refused = refusal(["run", "studoi", *command[2:]], capsys)
    assert "did you mean 'studio'" in refused


@pytest.mark.parametrize("name", ["absent.parquet", "torn.parquet", "manifest.xlsx"])
def test_a_manifest_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "manifest.xlsx").write_bytes(b"PK")
    arguments = ["run", "studio", "--manifest", str(tmp_path / name), "--output", str(tmp_path)]
    assert str(tmp_path / name) in refusal(arguments, capsys)


def test_a_wrong_request_is_answered_before_a_cluster_is_started(
    capsys: pytest.CaptureFixture[str], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr("ray.init", lambda **settings: started.append(settings))
    assert "--where" in refusal([*command[:-1], "--where", "n ="], capsys)
    assert not started


@pytest.mark.parametrize("package", ["pymatting", "numba"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("setting", "instead"),
    [
        ("render.foreground=multilevel", "blur_fusion"),
        ("matte.refine.method=closed_form", "guided"),
    ],
)
def test_what_needs_an_extra_that_is_missing_is_refused_before_a_cluster_is_started(
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    more: list[str],
    setting: str,
    instead: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    started = []
    monkeypatch.setattr("ray.init", lambda **settings: started.append(settings))
    refused = refusal([*command[:-1], "--set", setting, *more], capsys)
    field, value = setting.split("=")
    assert f"{field} '{value}'" in refused
    assert "pip install 'backlot[closed-form]'" in refused
    assert f"'{instead}'" in refused
    assert not started
    assert not output.exists()


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], command: list[str], output: Path, catalogue: str
) -> None:
    assert main([*command, "--where", "n > 1", "--run-id", "tonight"]) == 0
    said = capsys.readouterr()
    assert "manifest.parquet: 2 rows selected" in said.out
    assert "run_id=tonight" in said.out
    assert "to do     2 rows" in said.out
    for stage in ("fetch", "matte", "prompt", "render", "store"):
        assert stage in said.out
    assert said.err == ""
    assert sorted(path.name for path in output.parent.iterdir()) == [Path(catalogue).name]


def test_a_dry_run_counts_the_files_that_were_passed_over(
    capsys: pytest.CaptureFixture[str], command: list[str], catalogue: str
) -> None:
    folder = Path(catalogue).parent / "folder"
    (folder / "_temporary" / "0").mkdir(parents=True)
    for name in ("part-0.parquet", "_temporary/0/part-0.parquet"):
        (folder / name).write_bytes(Path(catalogue).read_bytes())
    (folder / "._part-0.parquet").write_bytes(b"\0\5\x16\7")
    asked = [str(folder) if argument == catalogue else argument for argument in command]
    assert main([*asked, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "folder: 3 rows selected" in said.out
    assert "left out  2 files are passed over, whose names, or those of their folders" in said.out
    assert "2 files are passed over" in said.err


def test_a_dry_run_says_what_memory_an_actor_reserves_and_why(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--set", "input.max_megapixels=24"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"1 or more +1 +0 +\d\.\d GB \(24 Mpx x 1 at once\)", said)
    main([*command, "--set", "resources.render.memory_mb=1500"])
    assert "1.5 GB (as the recipe says)" in capsys.readouterr().out


def test_a_dry_run_says_that_a_run_would_be_continued(
    capsys: pytest.CaptureFixture[str], command: list[str], output: Path, catalogue: str
) -> None:
    recipe = load_recipe("studio")
    request = Request(manifest=catalogue, where=None, limit=None, config_hash=recipe.config_hash)
    planner = Planner(recipe=recipe, manifest=open_manifest(catalogue))
    start_ledger(run_uri(str(output), "r1"), request=request, recipe=recipe, planner=planner)
    assert main(command) == 0
    assert "run_id=r1: continues, 0 rows done" in capsys.readouterr().out


def test_columns_are_renamed_and_the_same_command_goes_on(
    capsys: pytest.CaptureFixture[str], output: Path, tmp_path: Path
) -> None:
    shop = tmp_path / "shop.csv"
    shop.write_text("Handle,Image Src,Look\nmug,1.jpg,oak\njug,2.jpg,sand\n")
    named = ["id=Handle", "image_uri=Image Src", "prompt=Look"]
    maps = [word for one in named for word in ("--map", one)]
    command = ["run", "studio", "--manifest", str(shop), "--output", str(output)]
    recipe, reading = load_recipe("studio"), parse_reading(named)
    request = Request(
        manifest=str(shop),
        where=None,
        limit=None,
        config_hash=recipe.config_hash,
        reading=reading.as_json(),
    )
    planner = Planner(recipe=recipe, manifest=open_manifest(str(shop), reading=reading))
    start_ledger(run_uri(str(output), "r1"), request=request, recipe=recipe, planner=planner)
    assert main([*command, *maps, "--dry-run"]) == 0
    assert "run_id=r1: continues, 0 rows done" in capsys.readouterr().out
    again = [word for one in reversed(named) for word in ("--map", one)]
    assert main([*command, *again, "--where", "id = 'mug'", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "shop.csv: 1 rows selected" in said
    assert "continues" not in said
    # Of the columns that decide which row is which, one other is another request.
    other = [*maps[:-1], "prompt=Image Src"]
    refused = refusal([*command, *other, "--run-id", "r1", "--dry-run"], capsys)
    assert "--run-id r1: started with another reading" in refused
    assert "'Handl', did you mean 'Handle'?" in refusal([*command, "--map", "id=Handl"], capsys)
    assert "such as --map id='sku'" in refusal(command, capsys)
    assert main(["prompts", str(shop), "--recipe", "studio", *maps]) == 0
    assert "mug" in capsys.readouterr().out


def test_a_run_of_another_request_is_not_continued(
    capsys: pytest.CaptureFixture[str], command: list[str], output: Path, catalogue: str
) -> None:
    recipe = load_recipe("studio")
    request = Request(manifest="other", where=None, limit=None, config_hash=recipe.config_hash)
    planner = Planner(recipe=recipe, manifest=open_manifest(catalogue))
    start_ledger(run_uri(str(output), "r1"), request=request, recipe=recipe, planner=planner)
    refused = refusal([*command, "--run-id", "r1"], capsys)
    assert "--run-id r1: started with another manifest" in refused


def test_recipes_lists_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("studio ") and len(line.split()) > 3 for line in lines)


def test_schema_prints_the_json_schema_of_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["properties"].pop("extends")["type"] == "string"
    assert printed == Recipe.model_json_schema()


def test_a_recipe_that_is_shown_can_be_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["recipes", "show", "rmbg-bria"]) == 0
    (tmp_path / "shown.yaml").write_text(capsys.readouterr().out)
    assert load_recipe(str(tmp_path / "shown.yaml")) == load_recipe("rmbg-bria")


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert "Usage" in said.out + said.err
    assert "error:" not in said.err


@pytest.mark.parametrize("command_name", ["run", "recipes", "schema", "report", "demo"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command_name: str) -> None:
    assert main([command_name, "--help"]) == 0
    assert command_name in capsys.readouterr().out
