from __future__ import annotations

import datetime as dt
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prompts.policy import parse_policy
from pipeline.recipe import parse_recipe
from pipeline.text.yaml_text import MOST_CHARACTERS, MOST_DEPTH, dump_yaml, load_yaml, yaml_line


def refusal(text: str) -> str:
    started = time.process_time()
    with pytest.raises(ValueError, match=r"\S") as caught:
        load_yaml(text)
    assert time.process_time() - started < 5
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_plain_values_are_read() -> None:
    text = "a: 1\nb: [x, 2.5, true, null]\nc: {d: 2026-02-28}\ne: |\n  two\n  lines\n"
    assert load_yaml(text) == {
        "a": 1,
        "b": ["x", 2.5, True, None],
        "c": {"d": dt.date(2026, 2, 28)},
        "e": "two\nlines\n",
    }
    assert load_yaml("") is None
    assert load_yaml("\ufeffa: é 😀") == {"a": "é 😀"}


def test_what_is_written_is_read_again() -> None:
    value = {"a": ["off", "12:30", "0x1f", "é 😀", "two\nlines", ""], "b": {"c": None, "d": 2.5}}
    assert load_yaml(dump_yaml(value)) == value


def test_merges_of_what_is_written_there_are_read() -> None:
    assert load_yaml("matte: {<<: {cpus: 1, most: 2}, most: 3}") == {
        "matte": {"cpus": 1, "most": 3}
    }


@pytest.mark.parametrize(
    "deep",
    [
        lambda n: "[" * n + "]" * n,
        lambda n: "{a: " * n + "1" + "}" * n,
        lambda n: "- " * n + "1",
        lambda n: "\n".join(" " * i + "a:" for i in range(n)),
        lambda n: "? " * n + "1",
        lambda n: "[" * n,
    ],
)
def test_what_is_nested_deeply_is_refused_where_it_gets_too_deep(deep) -> None:
    assert "line " in refusal(deep(MOST_DEPTH + 1))
    assert f"nested more than {MOST_DEPTH} deep" in refusal(deep(MOST_DEPTH + 1))
    assert f"nested more than {MOST_DEPTH} deep" in refusal(deep(900))
    load_yaml("[" * MOST_DEPTH + "]" * MOST_DEPTH)


def test_a_text_that_is_too_long_is_not_read_at_all() -> None:
    load_yaml("# " + "x" * (MOST_CHARACTERS - 2))
    assert "at most 500,000 are read" in refusal("x" * (MOST_CHARACTERS + 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [", "line 2, column"),
        ("a: 1\n\tb: 2", "line 2, column 1"),
        ("a: 1\nb: \x01", "line 2: the character U+0001"),
        ("a: 1\nb: \udc80", "line 2: the character U+DC80"),
        ('a: 1\nb: "\\ud800"', "line 2, column 4: half a surrogate pair"),
        ("a: 1\nb: *nobody", "line 2, column 4: an alias"),
        ("a: 1\nb: !!python/object:os.system {}", "line 2, column 4"),
        ("a: 1\nb: 2026-13-45", "line 2, column 4: '2026-13-45' is no timestamp"),
        ("a: 1\nb: 2026-02-28T10:00:00+99:99", "line 2, column 4"),
        ("a: 1\nb: !!int x", "line 2, column 4: 'x' is no int"),
        ("a: 1\nb: !!float x", "line 2, column 4: 'x' is no float"),
        ("a: 1\nb: !!bool x", "line 2, column 4: 'x' is no bool"),
        ("a: 1\nb: !!timestamp x", "line 2, column 4: 'x' is no timestamp"),
        ("a: 1\nb: 1" + "0" * 5000, "line 2, column 4"),
        ("a: 1\nb: !!str [1]", "line 2, column 4"),
        ("a: 1\n? [b]\n: 1", "line 2, column 3"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: 'a' stands there twice"),
        ("a: {b: 1,\n b: 2}", "line 2, column 2: 'b' stands there twice"),
        ("a: 1\n---\nb: 2", "line 2, column 1"),
        ("%YAML 9.9\n---\na: 1", "line 1, column 1"),
        ("a: 1\n<<: 3", "line 2, column 5"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    message = refusal(text)
    assert message.startswith("not valid YAML: ")
    assert said in message


@given(
    st.text(
        alphabet=st.sampled_from("ab1-:?[]{}&*!|>'\"%@`#, \n\t<=.0x~\\\x00\ud800é"), max_size=60
    )
)
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        load_yaml(text)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most of these texts are YAML


def test_recipes_settings_and_policies_are_read_so() -> None:
    for text in ("a: &a [1]\nb: *a", "x: " + "[" * 100, "name: a\nname: b"):
        with pytest.raises(ValueError, match=r"^recipe mine: not valid YAML: line \d"):
            parse_recipe(text, source="recipe mine")
        with pytest.raises(ValueError, match=r"^policy mine: not valid YAML: line \d"):
            parse_policy(text, source="policy mine")
    with pytest.raises(ValueError, match=r"^--set keep=\[.* nested more than"):
        parse_recipe("name: mine", overrides=["keep=" + "[" * 100], source="recipe mine")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "off",
            "12:30",
            "a\nb",
            "a\n",
            "\u2028",
            "\x85x",
            "a, b: #c",
            "😀 é",
            "\u202e",
            "",
            "...",
        ),
        *("- a", " a ", "\x1b[31m", "'", 'a "b"', "x y" * 500, None, True, 1, 1e-05, 0.1, [], {}),
        ["a\nb", "c, d"],
        {"a": {"b: c": ["no", None]}},
        [[1], "\u202e\n"],
    ],
)
def test_a_value_in_one_line_is_read_as_it_was(value: object) -> None:
    line = yaml_line(value)
    assert line.isprintable()
    assert load_yaml(f"a:\n  b: {line}  # from c\n  d: 1") == {"a": {"b": value, "d": 1}}
