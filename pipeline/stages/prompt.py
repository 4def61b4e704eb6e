"""Prompt: the merchandiser's words in, the words the generator is given out.

Always: cleaned, held against the term policies, cut to what the generator reads. If the recipe says
so: put into a photographer's sentence, or rewritten by a language model, whose words count only if
they pass every check; else the deterministic prompt stands, and a column says why.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from pipeline import schema, storage
from pipeline.engine.actor_memory import Need
from pipeline.engine.isolation import each
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import Columns, ErrorCode, FatalError, Outcome, Row, RowError, TransientError
from pipeline.imaging.file_alpha.edge_colors import CutoutColors
from pipeline.imaging.file_alpha.filling import made_whole
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import decode_alpha
from pipeline.imaging.writing.product_on_white import on_white
from pipeline.models.language.language_config import TransformersConfig
from pipeline.prompts.cleaning import clean
from pipeline.prompts.conventions import STAR
from pipeline.prompts.length import estimate_tokens, fitted
from pipeline.prompts.policy import SHIPPED, Policy, merged, parse_policy, shipped_policy
from pipeline.prompts.question import Checks, Fallback, Question
from pipeline.prompts.rules import Rules
from pipeline.prompts.style import StyleConfig, style
from pipeline.stages.local_weights import weigh
from pipeline.stages.prompting.endpoint import EndpointConfig, headers_for
from pipeline.stages.prompting.enhancing import (
    AnyEnhancerConfig,
    Enhanced,
    Enhancer,
    language_model,
)
from pipeline.storage.retry import LONGEST_S

CODE_VERSION = 1
"""Counted up when the code or the instruction below this stage changes prompts."""

_LOOKING_MB = 30.0
"""The memory, in MB for each megapixel of a photograph that a model is shown: it is shrunk first.
"""


class PolicyFile(BaseModel):
    """A term policy: one that ships with Backlot, by its name, or a YAML file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(
        description="'celebrities', 'brands' or 'unsafe', or a .yaml file, local or s3://. Files "
        "with the same `name` inside are merged in order."
    )
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 the file must have. With it, a changed file is noticed by a nightly "
        "run; null: not checked.",
    )

    @field_validator("uri")
    @classmethod
    def _known(cls, uri: str) -> str:
        if uri not in SHIPPED and not uri.endswith((".yaml", ".yml")):
            raise ValueError(
                f"{uri!r} is neither a shipped policy ({', '.join(SHIPPED)}) nor a .yaml file"
            )
        return uri


_AnyPolicyFile = Annotated[
    PolicyFile, BeforeValidator(lambda value: {"uri": value} if isinstance(value, str) else value)
]


class PromptConfig(BaseModel):
    """Where the prompt comes from when the row has none, and what is made of it."""

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
    max_tokens: int | None = Field(
        None,
        ge=8,
        le=512,
        description="Most tokens by CLIP's count, which is estimated: 75 for generators that read "
        "prompts with CLIP (SD, SDXL). Null: no limit.",
    )
    policies: tuple[_AnyPolicyFile, ...] = Field(
        tuple(PolicyFile(uri=name) for name in SHIPPED),
        description="Which words are taken out, made generic or refused.",
    )
    style: StyleConfig | None = Field(
        None, description="Puts medium, subject, light and camera around the scene; no model."
    )
    enhancer: Annotated[EndpointConfig | TransformersConfig | None, Field(discriminator="kind")] = (
        Field(None, description="A language model that rewrites prompts; null: none.")
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """The manifest's columns that this stage reads."""
        named = (
            self.style and self.style.subject_column,
            self.enhancer and self.enhancer.product_column,
        )
        return tuple(dict.fromkeys(name for name in named if name))

    def check_key(self) -> None:
        """Refuse an endpoint to which this machine's key must not be sent.

        Raises:
            ValueError: it is set for another one; one line with the fix.
        """
        if isinstance(self.enhancer, EndpointConfig):
            headers_for(self.enhancer.base_url)

    @property
    def looks(self) -> bool:
        """Whether the product is looked at."""
        return self.enhancer is not None and self.enhancer.looks

    @property
    def revision(self) -> str:
        """Names what decides prompts: all fields but those of where and how fast a model runs.

        Shipped policies do not count, nor do files without `sha256`: a list that grew by a name is
        no reason to draw a catalogue again. `backlot reprocess` does, for the prompts concerned.
        """
        exclude = {} if self.enhancer is None else {"enhancer": set(self.enhancer.RUNTIME)}
        fields = self.model_dump(mode="json", exclude=exclude)
        text = json.dumps([CODE_VERSION, fields], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Draft:
    """A prompt that needs no model, and what to ask one."""

    text: str
    notes: tuple[str, ...]
    question: Question | None


class PromptMapper:
    """Prepares prompts; without an enhancer, the same way every time."""

    def __init__(self, config: PromptConfig, *, limits: ImageLimits, book_root: str | None) -> None:
        self._config = config
        self._limits = limits
        self._rules = Rules(_read_policies(config.policies))
        self._enhancer = None
        if config.enhancer is not None:
            checks = Checks(
                policies=self._rules,
                additions=Rules([shipped_policy("additions")]),
                max_characters=self._most_characters,
                max_tokens=self._most_tokens,
            )
            self._enhancer = Enhancer(
                language_model(config.enhancer),
                checks,
                book_root=book_root if config.enhancer.remember else None,
                capacity=config.enhancer.max_remembered,
            )

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Draft every prompt, ask about the distinct ones, finish each."""
        drafted = each(rows, lambda row: {"row": row, "draft": self._draft(row)})
        drafts = [outcome for outcome in drafted if not isinstance(outcome, RowError)]
        asked = [draft for draft in drafts if draft["draft"].question is not None]
        replies: dict[int, Enhanced | Fallback] = {}
        if self._enhancer is not None and asked:
            found = self._enhancer.enhance([draft["draft"].question for draft in asked])
            replies = {id(draft): reply for draft, reply in zip(asked, found, strict=True)}
        return [
            outcome
            if isinstance(outcome, RowError)
            else self._finish(outcome["row"], outcome["draft"], replies.get(id(outcome)))
            for outcome in drafted
        ]

    @property
    def _most_characters(self) -> int:
        """What is left for a prompt beside the suffix."""
        return max(16, self._config.max_characters - len(self._ending))

    @property
    def _most_tokens(self) -> int | None:
        most = self._config.max_tokens
        return None if most is None else max(8, most - estimate_tokens(self._ending))

    @property
    def _ending(self) -> str:
        return f", {self._config.suffix}" if self._config.suffix else ""

    def _draft(self, row: Row) -> _Draft:
        text, notes = clean(row["prompt"], max_characters=self._config.max_characters)
        if text.startswith(STAR):
            text = text.lstrip(f"{STAR} ")
            notes.append("leading '*' taken off")
        ruled = self._rules.apply(text)
        if not ruled.text:
            raise RowError(
                ErrorCode.PROMPT_MISSING, "prompt is empty: fill it in or set prompt.default"
            )
        text = fitted(
            ruled.text, max_characters=self._most_characters, max_tokens=self._most_tokens
        )
        if text != ruled.text:
            notes.append(f"cut to {len(text)} characters")
        notes += ruled.notes
        shot = row["shot"]
        if shot["paint"] != "scene":  # a colour is no scene to elaborate
            return _Draft(text=text, notes=tuple(notes), question=None)
        if shot["enhance_prompt"] and self._enhancer is None:
            notes.append("enhance_prompt has no effect: the recipe has no enhancer")
        wanted = self._enhancer is not None and shot["enhance_prompt"] is not False
        question = self._question(row, text) if wanted else None
        if self._config.style is not None:
            styled = self._styled(row, text, self._config.style, notes)
            return _Draft(text=styled, notes=tuple(notes), question=question)
        return _Draft(text=text, notes=tuple(notes), question=question)

    def _styled(self, row: Row, text: str, config: StyleConfig, notes: list[str]) -> str:
        subject = self._product(row, config.subject_column)
        styled = style(text, subject, config, seed=row["seed"], fits=self._fits)
        if styled != text:
            notes.append("styled")
        return styled

    def _question(self, row: Row, text: str) -> Question:
        config = self._config.enhancer
        assert config is not None
        picture = None
        if config.looks:
            photo = decode(row["image_bytes"], self._limits, shown_px=config.picture_px)
            alpha_HW = decode_alpha(row["alpha"])
            rgb_HWC = photo.rgb_HWC
            if row["alpha_colors"] is not None:
                rgb_HWC = made_whole(rgb_HWC, alpha_HW, CutoutColors.parse(row["alpha_colors"]))
            picture = on_white(rgb_HWC, alpha_HW, max_side_px=config.picture_px)
        product = self._product(row, config.product_column)
        return Question(scene=text, product=product, picture=picture)

    def _product(self, row: Row, name: str | None) -> str | None:
        """A title from the manifest, held against the policies like a prompt."""
        if name is None or row[name] is None:
            return None
        title, _ = clean(str(row[name]), max_characters=self._config.max_characters)
        try:
            return self._rules.apply(title).text or None
        except RowError:
            return None  # the title is no request: what must not be said of it is left unsaid

    def _finish(self, row: Row, draft: _Draft, reply: Enhanced | Fallback | None) -> Columns:
        text, notes, source, fallback = draft.text, draft.notes, row["prompt_origin"], None
        if isinstance(reply, Fallback):
            fallback = str(reply.reason)
            if reply.detail:
                notes = (*notes, f"enhancer: {reply.reason}, {reply.detail}")
        elif reply is not None and self._config.enhancer is not None:
            text, source = reply.prompt, self._config.enhancer.kind
            notes = (*notes, f"seen: {reply.answer.subject}, {reply.answer.medium}")
        suffix = self._config.suffix
        if suffix and not text.endswith(suffix):
            text = f"{text}, {suffix}"
        return {
            "final_prompt": text,
            "prompt_source": source,
            "prompt_model": None
            if self._enhancer is None or not isinstance(reply, Enhanced)
            else self._enhancer.revision,
            "prompt_fallback": fallback,
            "prompt_notes": list(notes),
        }

    def _fits(self, text: str) -> bool:
        most = self._most_tokens
        return len(text) <= self._most_characters and (
            most is None or estimate_tokens(text) <= most
        )


def _read_policies(files: Sequence[PolicyFile]) -> list[Policy]:
    policies = [_read_policy(file) for file in files]
    try:
        return merged(policies)
    except ValueError as error:
        raise FatalError(f"prompt.policies: {error}") from None


def _read_policy(file: PolicyFile) -> Policy:
    if file.uri in SHIPPED:
        return shipped_policy(file.uri)
    try:
        data = storage.read(storage.absolute(file.uri))
        found = hashlib.sha256(data).hexdigest()
        if file.sha256 not in (None, found):
            raise FatalError(f"policy {file.uri}: expected sha256 {file.sha256}, found {found}")
        return parse_policy(data.decode("utf-8"), source=file.uri)
    except (OSError, ValueError, TransientError) as error:
        raise FatalError(f"policy {file.uri}: cannot be used: {error}") from None


def _need(config: PromptConfig, limits: ImageLimits) -> Need:
    weights = weigh(config)
    return Need(
        loaded_mb=weights.megabytes,
        megapixels=limits.max_megapixels if config.looks else 0,
        has_photographs=config.looks,
        mb_per_megapixel=_LOOKING_MB if config.looks else 0,
        uncounted=weights.unseen,
    )


def _patience_s(enhancer: AnyEnhancerConfig | None) -> float:
    """Most seconds that a row may wait for an answer, and for the book of answers."""
    if enhancer is None:
        return 0.0
    return enhancer.patience_s + (2 * LONGEST_S if enhancer.remember else 0.0)


def prompt(
    config: PromptConfig, resources: Resources, *, limits: ImageLimits, book_root: str | None
) -> Stage:
    """The stage that prepares prompts; `book_root` is where answers of models are kept."""
    pictures = ("image_bytes", "alpha", "alpha_colors") if config.looks else ()
    return Stage(
        name="prompt",
        mapper=partial(PromptMapper, limits=limits, book_root=book_root),
        config=config,
        reads=("prompt", "prompt_origin", "seed", "shot", *config.columns, *pictures),
        adds=pa.schema(
            [
                schema.FINAL_PROMPT,
                schema.PROMPT_SOURCE,
                schema.PROMPT_MODEL,
                schema.PROMPT_FALLBACK,
                schema.PROMPT_NOTES,
            ]
        ),
        drops=("prompt_origin",),
        batch_size=64,
        # A model's memory, and an endpoint's pace, are per actor: not one for each core.
        resources=resources if config.enhancer is None else resources.alone(),
        need=_need(config, limits),
        patience_s=_patience_s(config.enhancer),
    )
