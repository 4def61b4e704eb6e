from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.prompts.length import estimate_tokens, fitted
from pipeline.prompts.style import StyleConfig, style

WORDS = ["oak", "table", "sunset", "light", "vase", "photograph", "product", "lens", "50mm", "sand"]
SCENES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


def styled(scene: str, subject: str | None = None, *, seed: int = 1, most: int = 300) -> str:
    return style(scene, subject, StyleConfig(), seed=seed, fits=lambda text: len(text) <= most)


@given(scene=SCENES, subject=st.none() | SCENES, seed=st.integers(0, 9))
def test_styling_twice_changes_nothing_more(scene: str, subject: str | None, seed: int) -> None:
    once = styled(scene, subject, seed=seed)
    assert styled(once, subject, seed=seed) == once
    assert scene in once


def test_the_seed_chooses_and_the_same_seed_the_same() -> None:
    made = {styled("oak", seed=seed) for seed in range(20)}
    assert len(made) == 6
    assert styled("oak", seed=3) == styled("oak", seed=3)


def test_what_would_not_fit_is_left_out_and_the_scene_stays() -> None:
    assert styled("oak table", most=40) == "product photograph, oak table"
    assert styled("oak table", most=10) == "oak table"


@given(text=st.lists(st.sampled_from([*WORDS, "sand,", "é", "砂"]), max_size=60).map(" ".join))
def test_what_is_cut_is_a_beginning_that_fits(text: str) -> None:
    cut = fitted(text, max_characters=60, max_tokens=12)
    assert text.startswith(cut)
    assert len(cut) <= 60
    assert estimate_tokens(cut) <= 12
    assert fitted(cut, max_characters=60, max_tokens=12) == cut
