"""Cleaning: the same words, written as one would type them."""

from __future__ import annotations

import re
import unicodedata

# "Create a new background for" is how people talk to a chat, and means nothing to a generator.
_INSTRUCTION = re.compile(
    r"^(?:(?:please\s+)?create\s+(?:(?:an?\s+)?(?:new\s+)?background\s+(?:for|of|with)\s+)?"
    r"(?:an?\s+)?)+",
    re.IGNORECASE,
)


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
