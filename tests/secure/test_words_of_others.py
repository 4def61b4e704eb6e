"""YAML and SQL that others wrote: what they may stand for, and what is told of them."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.cli import main
from pipeline.errors import FatalError
from pipeline.prompts.policy import parse_policy
from pipeline.recipe import parse_recipe
from pipeline.stages.prompt import PolicyFile, _read_policy
from pipeline.tables.sql import check_condition, query
from pipeline.text.yaml_text import load_yaml

SECRET = "hunter2-hunter2"


def repeated(levels: int, width: int) -> str:
    """Lists of aliases of lists, of a size that is harmless to build."""
    lines = [f"x0: &x0 [{', '.join('a' * width)}]"]
    lines += [
        f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * width)}]"
        for level in range(1, levels)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    ["a: &a 1\nb: *a", repeated(3, 3), "a: &a [*a]", "&a {? *a : 1}", "a: &a {b: 1}\nc: {<<: *a}"],
)
def test_yaml_has_no_aliases(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d+, column \d+: an alias"):
        load_yaml(text)
    with pytest.raises(ValueError, match=r"^recipe mine: not valid YAML: line \d.* an alias"):
        parse_recipe(text, source="recipe mine")


@pytest.mark.parametrize("depth", [33, 900, 100_000])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_what_is_nested_is_refused_at_once(
    depth: int, opening: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"name: mine\nprompt:\n  {opening * depth}")
    started = time.process_time()
    asked = ["--manifest", "x", "--output", str(tmp_path / "out")]
    assert main(["run", str(recipe), *asked]) == 2
    assert time.process_time() - started < 5
    err = capsys.readouterr().err
    assert "nested more than 32 deep" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    ["a: !!" + "x" * 9_000, "a: [1, " + "y" * 9_000 + ": {", '"' + "z" * 9_000, "!<" + "t" * 9000],
)
def test_little_of_the_text_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="not valid YAML") as caught:
        load_yaml(text)
    assert len(str(caught.value)) < 260
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"password: {SECRET}",
        f"{SECRET}: 1",
        f"{SECRET}",
        f"- {SECRET}\n- b: [",
        f"a: !{SECRET} 1",
        f"a: *{SECRET}",
        f"a: &{SECRET} 1\nb: &{SECRET} 2\nc: [",
        f"{SECRET}: 1\n{SECRET}: 2",
        f"a: !!int {SECRET}",
        f"a: !!timestamp '{SECRET}'",
        f"a: '{SECRET}",
        f"a: [1, {SECRET}\nb: 2",
        f"%{SECRET}\n---\na: 1",
        f"name: {SECRET}!\naction: remove",
        f"name: mine\naction: {SECRET}",
        f"name: mine\naction: remove\n{SECRET}: 1",
        f"name: mine\naction: remove\ngroups: [{{terms: [{{term: ab, {SECRET}: 1}}]}}]",
        f"name: mine\naction: remove\ngroups: {SECRET}",
        f"name: mine\naction: replace\ngroups: [{{terms: [{SECRET}]}}]",
    ],
)
def test_a_policy_that_is_another_file_is_not_quoted(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^policy mine: \S") as told:
        parse_policy(text, source="policy mine")
    assert "hunter2" not in str(told.value)
    file = tmp_path / "credentials.yaml"
    file.write_text(text)
    with pytest.raises(FatalError) as caught:
        _read_policy(PolicyFile(uri=str(file)))
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 400


ROWS = pa.table({"n": [1, 2]})


@pytest.mark.parametrize(
    "second", ["SELECT 2", "SET threads = 1", "RESET threads", "PRAGMA threads = 1", "BEGIN"]
)
def test_a_condition_is_one_expression(second: str) -> None:
    for condition in (f"n = 1; {second}", f"n = 1); {second}", f"n = 1); {second}; SELECT (1"):
        with pytest.raises(ValueError, match=r"^\S"):
            check_condition(condition, ROWS.schema)
        with pytest.raises(ValueError, match="must be one statement"):
            query(f"SELECT n FROM rows WHERE n = 1; {second}", rows=ROWS)


@pytest.mark.parametrize("statement", ["SET threads = 1", "CREATE TABLE x (i INT)", "BEGIN"])
def test_only_questions_are_asked(statement: str) -> None:
    with pytest.raises(ValueError, match="is no question"):
        query(statement)
    with pytest.raises(ValueError, match="must be one statement"):
        query("")


def test_what_a_connection_may_do_stays_so() -> None:
    for statement in (
        "SET threads = 1",
        "SET memory_limit = '9TB'",
        "RESET enable_external_access",
    ):
        with pytest.raises(ValueError, match=r"[Cc]annot|locked"):
            query(statement, "SELECT 1")
    names = "('threads', 'lock_configuration', 'enable_external_access')"
    asked = f"SELECT name, value FROM duckdb_settings() WHERE name IN {names} ORDER BY name"
    found = [tuple(row.values()) for row in query(asked).read_all().to_pylist()]
    assert found == [
        ("enable_external_access", "false"),
        ("lock_configuration", "true"),
        ("threads", "4"),
    ]
