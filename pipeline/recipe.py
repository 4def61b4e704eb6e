"""The recipe: everything that decides what a run does, read from YAML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.engine.stage import Resources
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.manifest.shots import Brief
from pipeline.stages.fetch import FetchConfig
from pipeline.stages.matte import MatteConfig
from pipeline.stages.prompt import PromptConfig
from pipeline.stages.render import RenderConfig
from pipeline.stages.store import OutputConfig
from pipeline.tables import type_named
from pipeline.text.config_tree import located
from pipeline.text.settings_validation import validated
from pipeline.text.validation_errors import explain, mistakes
from pipeline.text.written_settings import Written, laid_over, read_settings, with_setting

EXTENDS = "extends"
"""The line of a recipe's file that names another recipe, whose settings hold where it says none."""


class Budget(BaseModel):
    """How many rows may fail before a run counts as failed itself (exit code 3)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_failures: float = Field(
        0.05,
        ge=0,
        description="Failed rows accepted: below 1 a fraction of the run, from 1 on a count.",
    )
    max_unexpected: int = Field(
        10, ge=0, description="Rows with code 'unexpected' accepted: those are bugs."
    )
    max_fallbacks: float = Field(
        0.2,
        ge=0,
        description="Prompts that a language model was asked about in vain: below 1 a fraction of "
        "the run, from 1 on a count.",
    )
    max_cost: float | None = Field(
        None,
        gt=0,
        description="What a run may cost, in `prices.currency`: `backlot estimate` exits with 3 "
        "when its forecast is above. null: anything.",
    )
    max_strikes: int = Field(
        3,
        ge=1,
        description="How often a row may take its worker process down before it is given up.",
    )
    max_row_seconds: float = Field(
        600.0,
        ge=1,
        allow_inf_nan=False,
        description="Seconds that a row may take in any one stage, waits for servers not counted. "
        "Its worker process is ended then, and the row fails as too_slow; a batch has as many "
        "times the limit as it has rows. An honest row takes some seconds, one of 100 megapixels "
        "a minute, and minutes where a diffusion model draws on a CPU.",
    )

    def allowed_failures(self, num_rows: int) -> int:
        """Failed rows accepted in a run of `num_rows`."""
        return _allowed(self.max_failures, num_rows)

    def allowed_fallbacks(self, num_rows: int) -> int:
        """Prompts in a run of `num_rows` that may stay as they were when a model was asked."""
        return _allowed(self.max_fallbacks, num_rows)


def _allowed(most: float, num_rows: int) -> int:
    return int(most) if most >= 1 else int(most * num_rows)


class Pools(BaseModel):
    """Actors of each stage. The defaults suit a laptop and the embedded models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fetch: Resources = Field(Resources(num_cpus=0.2, max_actors=2), description="Reads bytes.")
    matte: Resources = Field(Resources(num_cpus=1), description="Cuts out.")
    prompt: Resources = Field(Resources(num_cpus=0.1, max_actors=1), description="Cleans prompts.")
    render: Resources = Field(Resources(num_cpus=1), description="Generates and composites.")
    store: Resources = Field(Resources(num_cpus=0.2, max_actors=2), description="Writes objects.")

    @model_validator(mode="before")
    @classmethod
    def _over_defaults(cls, values: Any) -> Any:
        """What a recipe does not say of a pool is that pool's default, not any pool's."""
        if not isinstance(values, Mapping):
            return values
        return {
            name: {**cls.model_fields[name].default.model_dump(), **pool}
            if name in cls.model_fields and isinstance(pool, Mapping)
            else pool
            for name, pool in values.items()
        }


class Prices(BaseModel):
    """Prices of what a run uses; all zero until somebody fills them in."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="ISO 4217.")
    cpu_hour: float = Field(0.0, ge=0, description="A CPU of the cluster for an hour.")
    gpu_hour: dict[str, float] = Field(
        {},
        description="A GPU for an hour, with the machine around it, by node group; '*' is for "
        "groups that are not named.",
    )
    put_1000: float = Field(0.0, ge=0, description="1000 PUT or LIST requests.")
    get_1000: float = Field(0.0, ge=0, description="1000 GET or HEAD requests.")
    gb_month: float = Field(0.0, ge=0, description="A gigabyte (1e9 bytes) stored for a month.")

    @property
    def known(self) -> bool:
        """Whether anything has a price at all."""
        return bool(self.cpu_hour or self.gpu_hour or self.put_1000 or self.gb_month)

    def gpu(self, group: str | None) -> float:
        """A GPU of a node group for an hour."""
        return self.gpu_hour.get(group or "*", self.gpu_hour.get("*", 0.0))


class Recipe(BaseModel):
    """Everything that decides what a run does, except which manifest it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="Name of the recipe."
    )
    description: str = Field("", description="What it is for, in a sentence.")
    keep: tuple[str, ...] = Field(
        (), description="Manifest columns carried to the result, under their own name."
    )
    keep_types: Mapping[str, str] = Field(
        {},
        description="Types of kept columns, by name: text, integer, number, boolean, date, "
        "timestamp (UTC) or decimal(precision, scale). Without one a column keeps the type that it "
        "has in this dataset, or else in the manifest; one of a text file is text.",
    )
    ignore_columns: tuple[str, ...] = Field(
        (),
        description="Manifest columns that have the name of a field of `brief` and mean something "
        "else, such as a 'margin' in money.",
    )
    brief: Brief = Field(
        Brief(), description="What rows ask for that do not say: defaults of manifest columns."
    )
    input: ImageLimits = Field(ImageLimits(), description="Which photographs are accepted.")
    fetch: FetchConfig = Field(FetchConfig(), description="How photographs are read.")
    matte: MatteConfig = Field(MatteConfig(), description="How products are cut out.")
    prompt: PromptConfig = Field(PromptConfig(), description="How prompts are prepared.")
    render: RenderConfig = Field(RenderConfig(), description="How pictures are made.")
    output: OutputConfig = Field(OutputConfig(), description="What is written.")
    budget: Budget = Field(Budget(), description="How many failures are too many.")
    resources: Pools = Field(Pools(), description="Where it runs: actors of each stage.")
    prices: Prices = Field(Prices(), description="What machines and requests cost.")

    @model_validator(mode="after")
    def _something_is_written(self) -> Recipe:
        if not (self.output.image_column or self.output.image_objects):
            raise ValueError(
                "output: image_column and image_objects are both false, so no picture would be "
                "kept: set one of them"
            )
        return self

    @model_validator(mode="after")
    def _columns_travel(self) -> Recipe:
        for name in self.prompt.columns:
            if name not in self.keep:
                raise ValueError(f"prompt reads the column {name!r}: list it in `keep`")
        return self

    @model_validator(mode="after")
    def _types_are_known(self) -> Recipe:
        for name, kind in self.keep_types.items():
            if name not in self.keep:
                raise ValueError(f"keep_types: {name!r} is not in `keep`")
            try:
                type_named(kind)
            except ValueError as error:
                raise ValueError(f"keep_types.{name}: {error}") from None
        return self

    @property
    def config_hash(self) -> str:
        """Names what the recipe makes: all but pools, budget, prices, time limits, what is allowed.

        A run that is continued with more actors, or with more patience, is the same run; so is one
        whose photographs were in places that had to be allowed first.
        """
        left_out: dict[str, bool | set[str]] = {
            "resources": True,
            "budget": True,
            "prices": True,
            "fetch": {"allowed_prefixes", "batch_bytes", "max_seconds"},
        }
        return _hash(self.model_dump(mode="json", exclude=left_out))

    @property
    def pixel_hash(self) -> str:
        """Names what decides pixels: those sections of the recipe, and the models' revisions.

        Not `brief`: what it comes to is decided row by row, and counts there.
        """
        sections = {"input", "matte", "render"}
        revisions = [self.matte.revision, self.prompt.revision, self.render.revision]
        return _hash([self.model_dump(mode="json", include=sections), revisions])


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_recipe(text: str, *, overrides: Sequence[str] = (), source: str) -> Recipe:
    """Build a recipe from YAML that stands alone.

    Args:
        text: YAML.
        overrides: `a.b=value` settings, applied in order; values are YAML too.
        source: what to call it in messages.

    Raises:
        ValueError: one line naming the field, what is wrong with it and what is accepted. Also
            where the text extends another recipe: it may come from a dataset, whose recipe is the
            whole one, and names no file here.
    """
    written = read_written_recipe(text, source=source)
    if EXTENDS in (written.entries or {}):
        raise ValueError(
            f"{source}: {EXTENDS}: only a recipe's own file may extend another one: write out what "
            "it takes from there, as 'backlot recipes show' prints it"
        )
    return recipe_of(written, overrides=overrides)


def read_written_recipe(text: str, *, source: str) -> Written:
    """A recipe as it is written, not yet checked, but for being YAML and a mapping.

    Raises:
        ValueError: it is not; one line.
    """
    written = read_settings(text, source=source)
    if written.entries is None:
        raise ValueError(f"{source}: a recipe is a mapping of sections, such as 'name: mine'")
    return written


def merged_recipe(chain: Sequence[Written]) -> Written:
    """A recipe and those that it extends as one, which extends nothing.

    Name and description are the recipe's own: those of another one would be wrong.

    Args:
        chain: the recipe, the one that it extends, the one that this extends, and so on.
    """
    *children, merged = (_without(each, EXTENDS) for each in chain)
    for child in reversed(children):  # the eldest first: a child may leave the kind to it
        merged = laid_over(child, _without(merged, "name", "description"), Recipe)
    return merged


def recipe_of(written: Written, *, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe that settings make.

    Args:
        written: all of a recipe's settings, merged where it extends others.
        overrides: as of `parse_recipe`.

    Raises:
        ValueError: as `parse_recipe`. What is wrong in a file that the recipe extends is told with
            that file.
    """
    source = written.source
    for override in overrides:
        written = with_setting(written, override)
    if EXTENDS in (written.entries or {}):
        raise ValueError(f"--set {EXTENDS}: a recipe's file says what it extends, no setting can")
    try:
        return validated(Recipe, written)
    except ValidationError as error:
        for mistake in mistakes(error):
            trouble = written.trouble_at(located(Recipe, mistake.location)[0])
            if trouble is not None:
                raise trouble from None
        raise ValueError(f"{source}: {explain(error, Recipe, written)}") from None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def _without(section: Written, *names: str) -> Written:
    entries = section.entries or {}
    return replace(section, entries={k: v for k, v in entries.items() if k not in names})
