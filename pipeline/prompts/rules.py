"""Rules: a prompt held against the policies until nothing more is found, every change noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ErrorCode, RowError
from pipeline.prompts.matching import Hit, Matcher
from pipeline.prompts.mending import instead, without
from pipeline.prompts.policy import Action, Policy

_ROUNDS = 4
"""Taking a word out can bring two others together: "Brad Brad Pitt Pitt"."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A prompt that keeps to the policies."""

    text: str
    notes: tuple[str, ...]


class Rules:
    """Policies, ready to be applied."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._matcher = Matcher(policies)

    def apply(self, text: str) -> Ruled:
        """Take out or replace what the policies name.

        >>> from pipeline.prompts.policy import shipped_policy
        >>> Rules([shipped_policy("celebrities")]).apply("a red carpet with Tom Cruise").text
        'a red carpet'

        Raises:
            RowError: `prompt_rejected`, a policy refuses a term, or nothing is left.
        """
        notes: list[str] = []
        named = ""
        for _ in range(_ROUNDS):
            hits = self._matcher.find(text)
            if not hits:
                break
            for hit in hits:
                if hit.action == Action.REJECT:
                    raise _rejected(hit.policy, f"does not allow {hit.term!r}")
            named = hits[-1].policy
            notes += [_note(text, hit) for hit in hits]
            for hit in reversed(hits):
                text = _changed(text, hit)
        else:
            raise _rejected(hits[0].policy, f"still finds {hits[0].term!r} after {_ROUNDS} rounds")
        if notes and not any(character.isalnum() for character in text):
            raise _rejected(named, "leaves nothing of it")
        return Ruled(text, tuple(dict.fromkeys(notes)))

    def found(self, text: str) -> list[Hit]:
        """Whatever the policies would act on."""
        return self._matcher.find(text)

    def first_hit(self, text: str) -> Hit | None:
        """The first of it, if there is any."""
        return next(iter(self.found(text)), None)


def _changed(text: str, hit: Hit) -> str:
    if hit.action == Action.REMOVE or hit.by is None:
        return without(text, hit.start, hit.end)
    return instead(
        text,
        hit.start,
        hit.end,
        by=hit.by,
        attributive=hit.attributive,
        is_plural=hit.is_plural,
    )


def _note(text: str, hit: Hit) -> str:
    written = text[hit.start : hit.end]
    if hit.action == Action.REMOVE:
        return f"{hit.policy}: {written!r} removed"
    return f"{hit.policy}: {written!r} made generic"


def _rejected(policy: str, why: str) -> RowError:
    return RowError(ErrorCode.PROMPT_REJECTED, f"policy {policy!r} {why}: reword the prompt")
