"""Asking: what every kind of language model is told to do, and the one thing it has to offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from pipeline.prompts.question import Fallback, Question


class AskingConfig(BaseModel):
    """What all kinds share. Not used by itself."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    RUNTIME: ClassVar[frozenset[str]] = frozenset({"max_remembered", "remember", "timeout_s"})
    """Fields that decide where and how fast a model answers, not what it is asked."""

    looks: bool = Field(default=False, description="Show the model the product, cut out, on white.")
    picture_px: int = Field(512, ge=64, le=2048, description="Longest side of that picture, px.")
    product_column: str | None = Field(
        None,
        description="Column of the manifest with a title of the product for the model to read; it "
        "must be in `keep`.",
    )
    remember: bool = Field(
        default=True,
        description="Keep answers in the dataset's folder, and ask no question twice, in this run "
        "or in later ones.",
    )
    max_remembered: int = Field(
        200_000,
        ge=0,
        description="Answers an actor holds in memory, the newest; about 0.5 kB each.",
    )
    timeout_s: float = Field(
        5.0, gt=0, le=600, description="Longest wait for an answer, retries included, s."
    )
    max_new_tokens: int = Field(200, ge=16, le=4096, description="Longest answer, in tokens.")

    @property
    def patience_s(self) -> float:
        """Most seconds that one question may take, the wait for its turn included."""
        return 2 * self.timeout_s


class LanguageModel(Protocol):
    """Answers questions. `revision` names what answers: model, weights, options."""

    @property
    def revision(self) -> str:
        """Changes whenever answers may."""
        ...

    def ask(self, questions: Sequence[Question]) -> list[str | Fallback]:
        """Ask the model each question, in order: its words, unread, or why there are none."""
        ...
