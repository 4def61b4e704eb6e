"""Enhancing: questions to a language model, each asked once, and only answers that pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import storage
from pipeline.models.language.language_config import TransformersConfig
from pipeline.prompts.asking import LanguageModel
from pipeline.prompts.question import (
    INSTRUCTION_DIGEST,
    Answer,
    Checks,
    Fallback,
    Question,
    overlong,
    parse,
)
from pipeline.stages.prompting.answer_book import AnswerBook
from pipeline.stages.prompting.endpoint import ChatEndpoint, EndpointConfig

AnyEnhancerConfig = EndpointConfig | TransformersConfig


@dataclass(frozen=True, slots=True)
class Enhanced:
    """A prompt that a model wrote and every check let pass."""

    prompt: str
    answer: Answer


class Enhancer:
    """Asks a model what is not known yet, and believes what passes the checks."""

    def __init__(
        self, model: LanguageModel, checks: Checks, *, book_root: str | None, capacity: int
    ) -> None:
        """Open the answer book.

        Args:
            model: answers.
            checks: what an answer has to pass.
            book_root: folder of the answer books, one for each model and instruction; None: answers
                are remembered by this process alone.
            capacity: answers to hold in memory.
        """
        self._model = model
        self._checks = checks
        self._name = f"{model.revision}/{INSTRUCTION_DIGEST}"
        self._book = None
        if book_root is not None:
            folder = "".join(c if c.isalnum() or c in ".-" else "-" for c in self._name)
            self._book = AnswerBook(storage.join(book_root, folder), capacity=capacity)
        self._heard: dict[str, str] = {}
        self._capacity = capacity

    @property
    def revision(self) -> str:
        """What answers."""
        return self._model.revision

    def enhance(self, questions: Sequence[Question]) -> list[Enhanced | Fallback]:
        """Find a better prompt for each question, in order, or why there is none."""
        keys = [question.key(self._name) for question in questions]
        by_key = dict(zip(keys, questions, strict=True))
        said: dict[str, str | Fallback] = {
            key: self._heard[key] for key in by_key if key in self._heard
        }
        if self._book is not None:
            said |= self._book.find([key for key in by_key if key not in said])
        unasked = [key for key in by_key if key not in said]
        if unasked:
            asked = self._model.ask([by_key[key] for key in unasked])
            # Before it is remembered: thousands of endless answers would fill the memory.
            bounded = [(isinstance(one, str) and overlong(one)) or one for one in asked]
            said |= dict(zip(unasked, bounded, strict=True))
        read = {key: self._read(said[key], question) for key, question in by_key.items()}
        self._remember({key: said[key] for key in unasked}, by_key, read)
        return [read[key] for key in keys]

    def _read(self, said: str | Fallback, question: Question) -> Enhanced | Fallback:
        if isinstance(said, Fallback):
            return said
        answer = parse(said)
        if isinstance(answer, Fallback):
            return answer
        prompt = self._checks.usable(answer, question.scene)
        return prompt if isinstance(prompt, Fallback) else Enhanced(prompt, answer)

    def _remember(
        self,
        said: dict[str, str | Fallback],
        by_key: dict[str, Question],
        read: dict[str, Enhanced | Fallback],
    ) -> None:
        """Keep what was said: useful words for ever, useless ones while this process lives."""
        words = {key: text for key, text in said.items() if isinstance(text, str)}
        for key, text in words.items():
            if len(self._heard) < self._capacity:
                self._heard[key] = text
        if self._book is not None:
            self._book.add(
                {
                    key: (by_key[key].scene, text)
                    for key, text in words.items()
                    if isinstance(read[key], Enhanced)
                }
            )


def language_model(config: AnyEnhancerConfig) -> LanguageModel:
    """The model that a recipe names, loaded."""
    if isinstance(config, EndpointConfig):
        return ChatEndpoint(config)
    # Imported here: most recipes have no language model, and torch takes seconds.
    from pipeline.models.language.local_model import LocalLanguageModel

    return LocalLanguageModel(config)
