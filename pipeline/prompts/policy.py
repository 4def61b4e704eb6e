"""Term policies: which words a prompt must not hold, and what becomes of them. Data, in YAML.

Several files with one `name` are one policy, so that a team adds to a shipped list, or takes from
it, in a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.prompts.folding import fold
from pipeline.text.validation_errors import first_mistake
from pipeline.text.yaml_text import load_yaml

SHIPPED = ("celebrities", "brands", "unsafe")
"""Policies that come with Backlot, named in a recipe without a path."""


class Action(StrEnum):
    """What becomes of a term."""

    REMOVE = "remove"
    REPLACE = "replace"
    REJECT = "reject"


class Term(BaseModel):
    """A word or phrase, and when it means what the policy is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: str = Field(
        min_length=2,
        max_length=200,
        description="Case, accents, plurals and hyphens are matched anyway.",
    )
    when: tuple[str, ...] = Field(
        (), description="Only if one of these words stands within two words of it; empty: always."
    )
    unless: tuple[str, ...] = Field(
        (), description="Not if one of these words stands within three words of it."
    )

    @field_validator("when", "unless")
    @classmethod
    def _folded(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(fold(word).text for word in words)


class Group(BaseModel):
    """Terms that are treated alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str | None = Field(None, description="What to say instead, for the action 'replace'.")
    attributive: str = Field(
        "", description="What to say instead before a noun; empty: nothing, the noun says enough."
    )
    terms: tuple[Term, ...] = Field(description="A term, or a mapping with its conditions.")

    @field_validator("terms", mode="before")
    @classmethod
    def _short_form(cls, terms: object) -> object:
        if not isinstance(terms, (list, tuple)):
            return terms
        return [{"term": term} if isinstance(term, str) else term for term in terms]


class Policy(BaseModel):
    """One list of terms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="Shown in notes and errors.")
    action: Action = Field(description="What becomes of a prompt that holds a term.")
    groups: tuple[Group, ...] = Field((), description="The terms.")
    allow: tuple[str, ...] = Field(
        (), description="Terms of earlier files with the same name that are to be let through."
    )

    @model_validator(mode="after")
    def _replacements_are_given(self) -> Policy:
        lacking = any(group.by is None for group in self.groups)
        if self.action == Action.REPLACE and lacking:
            raise ValueError(f"policy {self.name}: action 'replace' needs `by` in every group")
        return self


def parse_policy(text: str, *, source: str) -> Policy:
    """A policy from YAML.

    Raises:
        ValueError: one line with the source, the field and the fault. Nothing of the file is
            quoted: a recipe may name any file of the machine, and is not to be told what is in it.
    """
    try:
        values = load_yaml(text, quotes=False)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        first = first_mistake(error)
        known = {*Policy.model_fields, *Group.model_fields, *Term.model_fields}
        steps = [step if step in known or isinstance(step, int) else "…" for step in first.location]
        where = ".".join(map(str, steps))
        raise ValueError(f"{source}: {f'{where}: ' if where else ''}{first.what}") from None


@cache
def shipped_policy(name: str) -> Policy:
    """A policy that comes with Backlot; read once a process, which takes a second."""
    file = resources.files("pipeline.prompts") / "policies" / f"{name}.yaml"
    return parse_policy(file.read_text(encoding="utf-8"), source=f"policy {name}")


def merged(policies: Iterable[Policy]) -> list[Policy]:
    """Policies with the same name as one: a later file's action, terms and `allow` win."""
    by_name: dict[str, Policy] = {}
    for policy in policies:
        earlier = by_name.get(policy.name)
        by_name[policy.name] = policy if earlier is None else _onto(earlier, policy)
    return list(by_name.values())


def _onto(earlier: Policy, later: Policy) -> Policy:
    """One policy out of two.

    Raises:
        ValueError: the later file asks for replacements that the earlier one does not have.
    """
    settled = {fold(term.term).text for group in later.groups for term in group.terms}
    settled |= {fold(term).text for term in later.allow}
    kept = [
        group.model_copy(update={"terms": _without(group.terms, settled)})
        for group in earlier.groups
    ]
    try:
        return Policy(name=later.name, action=later.action, groups=(*kept, *later.groups))
    except ValidationError as error:
        raise ValueError(
            f"{first_mistake(error).what}, and the list that it extends has some without"
        ) from None


def _without(terms: Sequence[Term], settled: set[str]) -> tuple[Term, ...]:
    return tuple(term for term in terms if fold(term.term).text not in settled)
