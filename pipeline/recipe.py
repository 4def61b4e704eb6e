"""The recipe: everything that decides what a run does, read from YAML."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, Tag, ValidationError, model_validator

from pipeline.engine.stage import Resources
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.manifest.shots import Brief
from pipeline.stages.fetch import FetchConfig
from pipeline.stages.matte import MatteConfig
from pipeline.stages.prompt import PromptConfig
from pipeline.stages.render import RenderConfig
from pipeline.stages.store import OutputConfig
from pipeline.tables import type_named
from pipeline.text.printable import one_line
from pipeline.text.yaml_text import MOST_CHARACTERS, MOST_DEPTH, load_words, load_yaml


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


_MOST_TOLD = 10
"""Mistakes in one message."""


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_recipe(text: str, *, overrides: Sequence[str] = (), source: str) -> Recipe:
    """Build a recipe from YAML.

    Args:
        text: YAML.
        overrides: `a.b=value` settings, applied in order; values are YAML too.
        source: what to call it in messages.

    Raises:
        ValueError: one line naming the field, what is wrong with it and what is accepted.
    """
    try:
        values, words = load_yaml(text), load_words(text)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(  # noqa: TRY004 - the user's mistake, not the caller's
            f"{source}: a recipe is a mapping of sections, such as 'name: mine'"
        )
    uncolored = _UNCOLORED.search(text)
    if uncolored is not None:
        line = text.count("\n", 0, uncolored.start(1)) + 1
        raise ValueError(
            f"{source}: line {line}: {uncolored[1]} is a comment to YAML: write '{uncolored[1]}'"
        )
    unread: dict[tuple[str, ...], ValueError] = {}
    for override in overrides:
        steps, said = _parted(override)
        value, word, trouble = _value_of(override, said)
        values = _placed(values, steps, value, override)
        words = _placed(words, steps, word, override)
        if trouble is not None:
            unread[tuple(steps)] = trouble
    values = _with_words_for_keys(values, words)
    try:
        return validated(values, words)
    except ValidationError as error:
        for detail in error.errors():
            trouble = unread.get(tuple(_located(detail["loc"])[0]))
            if trouble is not None:
                raise trouble from None
        raise ValueError(f"{source}: {explain(error, words)}") from None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def validated(values: Any, words: Any) -> Recipe:
    """The recipe that values make; where a field wants a word, what YAML took for something else.

    Raises:
        ValidationError: with everything that is wrong.
        ValueError: true or false stands where a number should.
    """
    while True:
        try:
            recipe = Recipe.model_validate(values)
        except ValidationError as error:
            again = values
            for detail in error.errors():
                path, _ = _located(detail["loc"])
                word = _at(words, path)
                if detail["type"] in _WANT_WORDS and _at(values, path) != word is not None:
                    again = _replaced(again, path, word)
            if again is values:
                raise
            values = again
        else:
            _check_numbers(recipe, values, words)
            return recipe


def read_recipe(path: Path, *, overrides: Sequence[str] = ()) -> Recipe:
    """Build a recipe from a YAML file. Raises ValueError as `parse_recipe`, and for the file."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)  # one that is larger is refused by its length
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe {path}: cannot be read: {_one_line(error)}") from None
    return parse_recipe(text, overrides=overrides, source=f"recipe {path.name}")


def _with_words_for_keys(values: Any, words: Any) -> Any:
    """The same with keys as they are written, where YAML takes a word for something else."""
    if not isinstance(values, Mapping) or not isinstance(words, Mapping):
        return values
    named = values
    if len(values) == len(words) and not all(isinstance(key, str) for key in values):
        named = dict(zip(words, values.values(), strict=True))
    return {key: _with_words_for_keys(value, words.get(key)) for key, value in named.items()}


def _check_numbers(model: BaseModel, values: Mapping[str, Any], words: Any, *path: str) -> None:
    """Refuse numbers that are none as they stand there.

    Of `off` pydantic makes nought, and YAML 90 of `1:30` and 8 of `010`.
    """
    for name, value in values.items():
        found = getattr(model, name, None)
        said = _at(words, [*path, name]) or ""
        if isinstance(found, int | float) and _MISREAD.fullmatch(said) and value != _plain(said):
            raise ValueError(
                f"{'.'.join([*path, name])}: YAML reads {said} as {value}: write the number out, "
                f"such as {value}"
            )
        if isinstance(value, bool) and isinstance(found, int | float) and found is not value:
            written = _at(words, [*path, name])
            raise ValueError(
                f"{'.'.join([*path, name])}: input should be a number, got {written!r}"
            )
        if isinstance(value, Mapping) and isinstance(found, BaseModel):
            _check_numbers(found, value, words, *path, name)


_MISREAD = re.compile(r"[+-]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Octal and sexagesimal numbers of YAML 1.1."""


def _plain(said: str) -> int | None:
    """The whole number that everybody else reads; None: they read none."""
    return None if ":" in said else int(said)


_UNCOLORED = re.compile(r"^[ ]*\w*color:[ ]+(#[0-9A-Fa-f]{3,8})[ ]*$", re.MULTILINE)

_WANT_WORDS = frozenset({"enum", "literal_error", "path_type", "string_type"})
"""What pydantic says of a value that is no text where there should be some."""


def _at(words: Any, path: Sequence[str]) -> str | None:
    """The text at a path; None: there is none."""
    for step in path:
        if isinstance(words, Mapping):
            words = words.get(step)
        elif isinstance(words, list) and step.isdecimal() and int(step) < len(words):
            words = words[int(step)]
        else:
            return None
    return words if isinstance(words, str) else None


def _replaced(values: Any, path: Sequence[str], word: str) -> Any:
    if not path:
        return word
    first, *rest = path
    if isinstance(values, list):
        index = int(first)
        return [*values[:index], _replaced(values[index], rest, word), *values[index + 1 :]]
    return {**values, first: _replaced(values[first], rest, word)}


def explain(error: ValidationError, words: Any = None) -> str:
    """A pydantic error as one line: the fields, what is wrong, and what would be right.

    Args:
        error: what pydantic says.
        words: what was written, as `load_words` gives it.
    """
    parts = []
    details = error.errors()
    for detail in details[:_MOST_TOLD]:
        path, model = _located(detail["loc"])
        where = ".".join(path)
        what = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            names = list(getattr(model, "model_fields", {}))
            what = f"there is no such field (there are: {', '.join(names)})"
        elif detail["type"] not in ("missing", "value_error"):
            given, written = detail["input"], _at(words, path)
            as_meant = written is None or str(given) == written
            value = one_line(repr(given if as_meant else written), most=200)
            what = f"{what[0].lower()}{what[1:]}, got {value}"
        parts.append(f"{where}: {what}" if where else what)
    more = len(details) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _located(location: tuple[int | str, ...]) -> tuple[list[str], Any]:
    """A field as a recipe writes it, and the model that it lies in.

    Where a section is one of several kinds, pydantic puts the kind's name into the location, which
    a recipe does not have there.
    """
    path: list[str] = []
    model: Any = Recipe
    below: Any = Recipe
    for step in location:
        kinds = _kinds_in(below)
        if step in kinds:
            below = kinds[step]
            continue
        models = _models_in(below)
        model = models[0] if len(models) == 1 else None
        path.append(str(step))
        field = getattr(model, "model_fields", {}).get(step)
        below = None if field is None else field.annotation
    return path, model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _kinds_in(annotation: Any) -> dict[Any, Any]:
    """The models that a section may be, by the name under which pydantic tells them apart."""
    kinds = {
        model.model_fields["kind"].default: model
        for model in _models_in(annotation)
        if "kind" in model.model_fields
    }
    parts = get_args(annotation)
    kinds |= {part.tag: parts[0] for part in parts if isinstance(part, Tag)}
    for part in parts:
        kinds |= _kinds_in(part)
    return kinds


def _parted(override: str) -> tuple[list[str], str]:
    """The fields on the way to the one that is set, and what is written for it."""
    path, separator, said = override.partition("=")
    steps = path.strip().split(".")
    if not separator or not all(steps):
        raise ValueError(f"--set {override}: write it as section.field=value")
    if len(steps) > MOST_DEPTH:
        raise ValueError(f"--set {override}: no field lies {len(steps)} sections deep")
    # A comment to YAML, and never meant as one where a value is set: it may be a colour.
    return steps, json.dumps(said.strip()) if said.lstrip().startswith("#") else said


def _value_of(override: str, said: str) -> tuple[Any, Any, ValueError | None]:
    """What is set, as YAML reads it and as it is written, and why YAML cannot read it.

    What is no YAML is a word, for those fields that want one, such as a prompt's template.
    """
    try:
        value, word = load_yaml(said), load_words(said)
    except ValueError as error:
        trouble = ValueError(f"--set {override}: the value is {error}")
        if said.lstrip().startswith(("'", '"')):  # a quote that is left open
            raise trouble from None
        return said.strip(), said.strip(), trouble
    is_laid_out = isinstance(value, list | dict) and not said.lstrip().startswith(("[", "{"))
    return value, said.strip() if is_laid_out else word, None


def _placed(values: Any, steps: Sequence[str], value: Any, override: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ValueError(  # noqa: TRY004 - the user's mistake, not the caller's
            f"--set {override}: {steps[0]!r} lies below something that is no section"
        )
    first, *rest = steps
    below = _placed(values.get(first) or {}, rest, value, override) if rest else value
    return {**values, first: below}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
