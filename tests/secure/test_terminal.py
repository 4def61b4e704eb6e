"""What others wrote cannot do more on a terminal than be read."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from pathlib import Path

import pytest
from PIL import Image
from rich.table import Table
from rich.text import Text

from jobs.cli import main
from jobs.terminal.logs import JsonLines, TextLines
from jobs.terminal.relay import marked
from jobs.terminal.screen import console, tell, tell_json, tell_log
from pipeline.errors import RowError
from pipeline.recipe import Recipe
from tests.conftest import MakeManifest
from tests.unit.past import past_run

_RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What a terminal would obey; a line feed is looked at by itself."""
NASTY = "\x1b]0;title\x07\x9b2J\u202egpj\u2066\x08\x7f\raccepted    forged.png\nFORGED 9 rows"


def check(said: str) -> None:
    assert not (found := _RAW.findall(said)), found
    assert not any(line.startswith(("FORGED", "accepted    forged")) for line in said.splitlines())


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main([*arguments])
    out, err = capsys.readouterr()
    check(out)
    check(err)
    assert re.search(r"U\+001B|\\x1b|u001b", out + err), "it was not shown at all"
    return out + err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    name = NASTY.replace("/", "")[:60]
    Image.new("RGB", (40, 40), "white").save(made / f"{name}.jpg")
    (made / f"{name}.png").write_bytes(b"no picture\x1b[2J")
    return made


@pytest.fixture
def catalogue(make_manifest: MakeManifest) -> str:
    return make_manifest(
        id=[f"a{NASTY}", f"b{NASTY}", f"[red]{NASTY}"],
        image_uri=[f"{NASTY}.jpg", f"https://{NASTY}/x", f"s3://{NASTY}"],
        prompt=[NASTY, f"oak {NASTY}", f"[bold]{NASTY}[/]"],
        title=[NASTY] * 3,
    )


def test_files_whose_names_are_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked(capsys, "validate", str(folder), "--channel", "amazon_main")
    checked(capsys, "inspect", str(folder))
    for line in checked(capsys, "inspect", str(folder), "--json").splitlines():
        assert NASTY[:20] in json.loads(line)["uri"]
    out = checked(capsys, "validate", str(folder), "--channel", "shopify", "--json")
    assert [NASTY[:20] in json.loads(line)["uri"] for line in out.splitlines()] == [True, True]


def test_manifests_that_are_commands(
    catalogue: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(capsys, "prompts", catalogue, "--recipe", "studio")
    asked = ["--manifest", catalogue, "--output", str(tmp_path / "out")]
    for option in ("--where", "--run-id", "--map", "--set"):
        checked(capsys, "run", "studio", *asked, "--dry-run", option, f"a{NASTY}='x'")
    checked(capsys, "run", f"{NASTY}.yaml", *asked)
    checked(capsys, "run", "studio", "--manifest", f"/{NASTY}", "--output", str(tmp_path / "out"))
    dry = ["run", "studio", "--manifest", catalogue, "--output", str(tmp_path / NASTY[:40])]
    checked(capsys, *dry, "--dry-run")


def test_datasets_that_are_commands(
    catalogue: str, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / NASTY[:40])
    ids = (f"a{NASTY}", f"b{NASTY}", f"[red]{NASTY}")
    failed = dict.fromkeys(ids, RowError("unexpected", NASTY))  # type: ignore[arg-type]
    ledger = past_run(output, "one", catalogue, failed, recipe=recipe)
    next(Path(ledger.uri, "results").iterdir()).unlink()
    checked(capsys, "verify", ledger.uri)
    past_run(output, "two", catalogue, recipe=recipe)
    checked(capsys, "current", output)
    checked(capsys, "current", output, "--json")
    checked(capsys, "current", output, "--materialise", f"{output}/merged")
    checked(capsys, "report", f"{output}/run_id=none")


def test_what_rich_draws_is_spelled_out_and_its_own_colours_stay() -> None:
    stream = io.StringIO()
    shown = console(file=stream, width=300)
    table = Table(box=None)
    table.add_column("id")
    table.add_row(Text(NASTY))
    shown.print(table)
    shown.print(Text(NASTY), style="bold")
    check(stream.getvalue().replace("\nFORGED", "\n FORGED"))  # a cell may have several lines
    assert "[U+001B]]0;title" in stream.getvalue()


def test_lines_of_logs_and_of_libraries(caplog: pytest.LogCaptureFixture) -> None:
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "INFO", "msg": "row %s", "args": (NASTY,)}
    )
    text = TextLines("%(message)s").format(record)
    check(text)
    assert "\n" not in text
    check(JsonLines().format(record))
    assert json.loads(JsonLines().format(record))["message"] == f"row {NASTY}"
    for as_json in (True, False):
        check(marked(NASTY.replace("\n", ""), as_json=as_json))
    assert marked("\x1b[36m(pid=7)\x1b[0m loaded", as_json=False) == "| (pid=7) loaded"


def test_what_is_printed_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tell(f"one {NASTY}", "two")
    assert len(capsys.readouterr().out.splitlines()) == 2
    tell_json(json.dumps({"a": NASTY}, ensure_ascii=False))
    out = capsys.readouterr().out
    check(out)
    assert json.loads(out) == {"a": NASTY}
    tell_log("\x1b[36m(pid=7)\x1b[0m 1\t2\r\nthree\x1b[2J\n")
    assert capsys.readouterr().out == "(pid=7) 1       2\nthree[U+001B][2J\n"


_DOORS = {"screen.py", "display.py", "capture.py", "relay.py", "cli.py"}
"""They write what has gone through here, or, `cli.py`, flush."""


def test_nobody_prints_beside_this_door() -> None:
    root = Path(__file__).parents[2]
    found = []
    for path in [*root.glob("jobs/**/*.py"), *root.glob("pipeline/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            named = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if path.name not in _DOORS and re.fullmatch(
                r"print|typer\.(echo|secho)|Console|sys\.std(out|err)\.write", named
            ):
                found.append(f"{path.relative_to(root)}:{node.lineno} {named}")
    assert not found
