from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prompts.cleaning import clean

# Unicode text, and text made of the pieces that cleaning is about.
WORDS = ["please", "Create", "a", "an", "new", "background", "for", "with", "sand", "e", "é"]
MARKS = [" ", "\t", "\0", "\u200b", "\u200d", "\u0301", "\u00ad", "\ufb01", "\u2028", "\uff21"]
PROMPTS = st.text() | st.lists(st.sampled_from(WORDS + MARKS), max_size=30).map("".join)
LIMITS = st.integers(16, 64)


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("  white   marble\n\tcounter ", "white marble counter"),
        ("white\u00a0marble\u2003counter\u2028end", "white marble counter end"),
        ("line\x00one\x1btwo", "line one two"),
        ("Oak & slate, 50% #2", "Oak & slate, 50% #2"),
        ("sunset à la plage, 夕焼け 🌅", "sunset à la plage, 夕焼け 🌅"),
        ("", ""),
        (" \u200b\n", ""),
    ],
)
def test_whitespace_is_folded_and_words_kept(prompt: str, cleaned: str) -> None:
    assert clean(prompt, max_characters=300)[0] == cleaned


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("ｗｈｉｔｅ　ｓａｎｄ", "white sand"),
        ("\ufb01ne ca\u0301fe\u0301", "fine cáfé"),
        ("5 m²", "5 m2"),
        ("e\u200d\u0301tagère", "étagère"),
    ],
)
def test_forms_that_mean_the_same_are_written_the_same(prompt: str, cleaned: str) -> None:
    assert clean(prompt, max_characters=300)[0] == cleaned


@pytest.mark.parametrize(
    "character",
    ["\u200b", "\u200d", "\u00ad", "\ufeff", "\u202e", "\u2066", "\U000e0041", "\ue000", "\uffff"],
)
def test_invisible_characters_are_removed_with_a_note(character: str) -> None:
    text, notes = clean(f"white{character} marble", max_characters=300)
    assert text == "white marble"
    assert notes == ["invisible characters removed"]


@pytest.mark.parametrize("prompt", ["white marble", " white \n marble ", "white\tmarble"])
def test_nobody_is_told_of_whitespace(prompt: str) -> None:
    assert clean(prompt, max_characters=300) == ("white marble", [])


@pytest.mark.parametrize(
    ("prompt", "cleaned", "removed"),
    [
        ("Create a new background for a beach", "beach", "Create a new background for a"),
        ("please create an oak table", "oak table", "please create an"),
        ("CREATE background with sand", "sand", "CREATE background with"),
        ("create create a forest", "forest", "create create a"),
        ("create a create a dune", "dune", "create a create a"),
    ],
)
def test_words_for_a_chat_are_removed_with_a_note(prompt: str, cleaned: str, removed: str) -> None:
    assert clean(prompt, max_characters=300) == (cleaned, [f"instruction {removed!r} removed"])


@pytest.mark.parametrize(
    "prompt", ["create", "creative studio", "a place to create art", "please, sand", "recreate"]
)
def test_other_words_are_not_taken_for_an_instruction(prompt: str) -> None:
    assert clean(prompt, max_characters=300) == (prompt, [])


@pytest.mark.parametrize(
    ("prompt", "cut"),
    [
        ("sixteen is enough", "sixteen is"),
        ("exactly sixteen!", "exactly sixteen!"),
        ("exactly sixteen! and more", "exactly sixteen!"),
        ("incomprehensibilities", "incomprehensibil"),
        ("a incomprehensibilities", "a"),
    ],
)
def test_long_prompts_are_cut_at_a_word(prompt: str, cut: str) -> None:
    text, notes = clean(prompt, max_characters=16)
    assert text == cut
    assert notes == ([] if text == prompt else ["cut to 16 characters"])


@given(prompt=PROMPTS, limit=LIMITS)
def test_cleaning_twice_changes_nothing_more(prompt: str, limit: int) -> None:
    once, _ = clean(prompt, max_characters=limit)
    assert clean(once, max_characters=limit) == (once, [])


@given(prompt=PROMPTS, limit=LIMITS)
def test_a_cleaned_prompt_is_short_visible_text(prompt: str, limit: int) -> None:
    text, _ = clean(prompt, max_characters=limit)
    assert len(text) <= limit
    assert text == " ".join(text.split())
    assert unicodedata.is_normalized("NFKC", text)
    assert not {unicodedata.category(character)[0] for character in text} & {"C"}


@given(prompt=PROMPTS)
def test_nothing_is_taken_away_without_a_note(prompt: str) -> None:
    text, notes = clean(prompt, max_characters=4000)
    if not notes:
        spaced = prompt.translate(dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " "))
        assert text == " ".join(unicodedata.normalize("NFKC", spaced).split())
