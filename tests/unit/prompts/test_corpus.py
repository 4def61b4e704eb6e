"""Prompts as people write them, and what the shipped policies make of each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from pipeline.errors import RowError
from pipeline.prompts.cleaning import clean
from pipeline.prompts.policy import SHIPPED, shipped_policy
from pipeline.prompts.rules import Rules

CORPUS = yaml.safe_load(Path(__file__).with_name("corpus.yaml").read_text(encoding="utf-8"))
RULES = Rules([shipped_policy(name) for name in SHIPPED])


def outcome(written: str) -> tuple[str | None, set[str]]:
    """The text afterwards, None where it is refused, and the policies that acted."""
    text, _ = clean(written, max_characters=300)
    try:
        ruled = RULES.apply(text)
    except RowError as error:
        return None, {error.message.split("'")[1]}
    return ruled.text, {note.partition(":")[0] for note in ruled.notes}


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 200
    assert len({case["is"] for case in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["is"])
def test_each_prompt_comes_out_as_expected(case: dict[str, str]) -> None:
    text, acted = outcome(case["is"])
    if "reject" in case:
        assert (text, acted) == (None, {case["reject"]})
    else:
        assert text == case.get("to", clean(case["is"], max_characters=300)[0])
        assert bool(acted) == ("to" in case)


@pytest.mark.parametrize("policy", SHIPPED)
def test_a_policy_finds_what_it_is_about_and_little_else(policy: str) -> None:
    counted: Counter[str] = Counter()
    for case in CORPUS:
        acted = policy in outcome(case["is"])[1]
        counted["right"] += acted and case.get("wrongly") != policy
        counted["wrong"] += acted and case.get("wrongly") == policy
        counted["missed"] += case.get("missed") == policy
    assert counted["right"] >= 20
    assert counted["right"] / (counted["right"] + counted["wrong"]) >= 0.95
    assert counted["right"] / (counted["right"] + counted["missed"]) >= 0.90
