"""Prompt: the merchandiser's words in, the words the generator is given out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipeline import schema
from pipeline.errors import Columns, ErrorCode, Outcome, Row, RowError, each
from pipeline.stage import Resources, Stage

# "Create a new background for" is how people talk to a chat, and means nothing to a generator.
_INSTRUCTION = re.compile(
    r"^(?:(?:please\s+)?create\s+(?:(?:an?\s+)?(?:new\s+)?background\s+(?:for|of|with)\s+)?"
    r"(?:an?\s+)?)+",
    re.IGNORECASE,
)


class PromptConfig(BaseModel):
    """Where the prompt comes from when the row has none, and how it is cleaned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: str | None = Field(
        None, description="Prompt of rows that have none. Null: such a row is an error."
    )
    template: str | None = Field(
        None,
        description="Prompt of rows that have none, with {column} for manifest columns, such as "
        "'{color} kitchen, {season}'. Comes before `default`.",
    )
    suffix: str = Field("", description="Words added to the end of every prompt.")
    max_characters: int = Field(
        300, ge=16, le=4000, description="Longer prompts are cut at a word, with a note."
    )


class PromptMapper:
    """Cleans prompts, the same way every time."""

    def __init__(self, config: PromptConfig) -> None:
        self._config = config

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Clean each prompt and say what was changed."""
        return each(rows, self._clean)

    def _clean(self, row: Row) -> Columns:
        text, notes = clean(row["prompt"], max_characters=self._config.max_characters)
        if not text:
            raise RowError(
                ErrorCode.PROMPT_MISSING, "prompt is empty: fill it in or set prompt.default"
            )
        if self._config.suffix and not text.endswith(self._config.suffix):
            text = f"{text}, {self._config.suffix}"
        return {"final_prompt": text, "prompt_source": row["prompt_origin"], "prompt_notes": notes}


def clean(prompt: str, *, max_characters: int) -> tuple[str, list[str]]:
    """Normalise a prompt without changing what it asks for.

    Args:
        prompt: any Unicode text.
        max_characters: where a longer prompt is cut, at the end of a word.

    Returns:
        The prompt, and one note for each kind of change that a person would want to know of.
    """
    notes = []
    # NFKC folds full-width and ligature forms, which tokenizers would split into pieces.
    text = unicodedata.normalize("NFKC", prompt)
    visible = "".join(
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
        for character in text
        if unicodedata.category(character) not in ("Cf", "Co", "Cs", "Cn")
    )
    if sum(not character.isspace() for character in visible) != sum(
        not character.isspace() and unicodedata.category(character) != "Cc" for character in text
    ):
        notes.append("invisible characters removed")
    # Once more: what stood around a removed character may now belong together.
    text = " ".join(unicodedata.normalize("NFKC", visible).split())
    without = _INSTRUCTION.sub("", text, count=1)
    if without != text and without:
        notes.append(f"instruction {text[: len(text) - len(without)].strip()!r} removed")
        text = without
    if len(text) > max_characters:
        # One word longer than the limit has no space to cut at: then it is cut inside.
        text = text[: max_characters + 1].rpartition(" ")[0] or text[:max_characters]
        notes.append(f"cut to {max_characters} characters")
    return text, notes


def prompt(config: PromptConfig, resources: Resources) -> Stage:
    """The stage that prepares prompts."""
    return Stage(
        name="prompt",
        mapper=PromptMapper,
        config=config,
        reads=("prompt", "prompt_origin"),
        adds=pa.schema([schema.FINAL_PROMPT, schema.PROMPT_SOURCE, schema.PROMPT_NOTES]),
        drops=("prompt_origin",),
        batch_size=64,
        resources=resources,
    )
