"""A language model's answer is a stranger's text: bounded before anything of it is looked at."""

import json
import time

import pytest

from pipeline.prompts.asking import LanguageModel
from pipeline.prompts.question import (
    MOST_ANSWER_BYTES,
    Answer,
    Checks,
    Fallback,
    Question,
    Reason,
    parse,
)
from pipeline.prompts.rules import Rules
from pipeline.stages.prompting.endpoint.chat import read_completion
from pipeline.stages.prompting.enhancing import Enhancer
from tests.chat_server import completion

SPOKEN = json.dumps({"subject": "vase", "medium": "photograph", "prompt": "warm oak table"})


@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        "```json\n{}\n```",
        "```\n{}\n```",
        " \n```json \t\n\n{}\n\n  ``` \n",
        "<think>{{}} ``` </think>\n```json\n{}\n```",
        "\n<think>first</think> {}",
    ],
)
def test_thoughts_and_a_fence_are_taken_off(wrapped):
    answer = parse(wrapped.replace("{}", SPOKEN))
    assert isinstance(answer, Answer)
    assert answer.prompt == "warm oak table"


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}",
        "```json {}```",
        "```json\n{}```",
        "```python\n{}\n```",
        "<think>{}",
        "```\n```",
    ],
)
def test_what_does_not_end_or_is_no_fence_of_json_is_malformed(wrapped):
    answer = parse(wrapped.replace("{}", SPOKEN))
    assert isinstance(answer, Fallback)
    assert answer.reason is Reason.MALFORMED


def test_a_fence_that_is_not_closed_takes_no_time():
    """The pattern that was here took 2.9 s for a tenth of it, and eight times that for a fifth."""
    start = time.perf_counter()
    for text in ("```" + "\n" * 16_000, "```\n" + "\n " * 8_000, "```" + " \n```" * 3_000):
        assert isinstance(parse(text), Fallback)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\ud800"])
def test_a_long_answer_is_refused_before_it_is_read(letter):
    size = len(letter.encode(errors="surrogatepass"))
    text = letter * (MOST_ANSWER_BYTES // size)
    text += "x" * (MOST_ANSWER_BYTES - size * len(text))
    shorter, longer = parse(text), parse(text + "x")
    assert isinstance(shorter, Fallback)
    assert "bytes" not in shorter.detail
    assert longer == Fallback(Reason.MALFORMED, "an answer of 16385 bytes, at most 16384 are read")
    assert longer == read_completion(completion(text + "x").body)


class _Rambling(LanguageModel):
    revision = "rambling@1"

    def ask(self, questions):
        return ["x" * 2**20 for _ in questions]


def test_a_long_answer_is_remembered_by_nobody(tmp_path):
    checks = Checks(policies=Rules(()), additions=Rules(()), max_characters=500, max_tokens=None)
    enhancer = Enhancer(_Rambling(), checks, book_root=str(tmp_path), capacity=10)
    (answer,) = enhancer.enhance([Question(scene="oak")])
    assert isinstance(answer, Fallback)
    assert answer.reason is Reason.MALFORMED
    assert not enhancer._heard
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
