"""Render: photograph, alpha and prompt in, the finished and encoded picture out.

Generation and compositing share an actor, so that a background never crosses the object store. The
photograph is resized here too and not one stage earlier: compositing at full resolution decodes it
anyway, and a resize costs less than carrying a second, lossless picture between the stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline import schema
from pipeline.engine.actor_memory import WAITING_MB, Need
from pipeline.engine.isolation import alone, isolate
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import Columns, ErrorCode, Outcome, Row, RowError
from pipeline.imaging.compositing.cast_shadow import CastConfig
from pipeline.imaging.compositing.harmonise import HarmoniseConfig
from pipeline.imaging.compositing.shadow import ShadowConfig
from pipeline.imaging.placing.canvas import fill
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import OutputFormat
from pipeline.imaging.writing.thumbnail import cutout_thumbnail, thumbnail
from pipeline.models.generation.generator import Background, GeneratorConfig
from pipeline.models.generation.kinds import AnyGeneratorConfig, build_generator
from pipeline.models.generation.studio.studio import StudioConfig
from pipeline.stages.local_weights import bring_weights, weigh
from pipeline.stages.rendering.compose import Composed, compose, plain, rendering
from pipeline.stages.rendering.finish import Finisher
from pipeline.stages.rendering.foreground_color import (
    FOREGROUND_DESCRIPTION,
    ForegroundMethod,
    check_installed,
    load,
    revision_of,
)
from pipeline.stages.rendering.overlap import BATCHES_HELD, overlapped
from pipeline.stages.rendering.preparation import Preparation, SizeConfig, Task, drawn_size
from pipeline.stages.rendering.provenance import ProvenanceConfig
from pipeline.stages.rendering.release_checks import Checks, ChecksConfig
from pipeline.stages.rendering.shadow_and_light import Look, sized

_BATCHES_AT_ONCE = 8

# Of memory, MB; see pipeline/engine/actor_memory.py.
_LIBRARIES_MB = 220
"""What compiles the solver of foreground colours, and draws."""
_SIGNER_MB = 36
"""The process beside it that signs, between two pictures."""
_COMPOSING_MB: dict[ForegroundMethod, float] = {
    "multilevel": 90,
    "blur_fusion": 130,
    "blur_fusion_cuda": 130,
    "plain": 90,
}
"""The memory of each method, in MB for each megapixel: the estimate of the foreground's colours
holds the most at once."""
_REFERENCES_MB = 12.0
"""The memory, in MB for each megapixel of a row's references, of which it may have four."""


class RenderConfig(BaseModel):
    """What draws the background, how the product is set into it, and what file comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    generator: AnyGeneratorConfig = Field(StudioConfig(), description="What draws the background.")
    size: SizeConfig = Field(SizeConfig(), description="The size at which it is drawn.")
    crispness: float = Field(
        0.7,
        ge=0,
        le=2,
        description="Sharpening of backgrounds that are drawn smaller than the photograph, which "
        "gives back the steepness that enlarging takes from edges; 0: none.",
    )
    foreground: ForegroundMethod = Field("blur_fusion", description=FOREGROUND_DESCRIPTION)
    shadow: ShadowConfig = Field(
        ShadowConfig(), description="The shadow where product and ground meet."
    )
    cast: CastConfig = Field(CastConfig(), description="The shadow thrown on the ground.")
    harmonise: HarmoniseConfig = Field(
        HarmoniseConfig(), description="How product and background come under one light."
    )
    checks: ChecksConfig = Field(ChecksConfig(), description="What finished pictures must pass.")
    format: OutputFormat = Field(OutputFormat.JPEG, description="File format of the result.")
    quality: int = Field(92, ge=1, le=100, description="Quality of JPEG, WebP and AVIF.")
    provenance: ProvenanceConfig = Field(
        ProvenanceConfig(), description="What finished files say of themselves."
    )
    thumbnail_px: int = Field(
        224, ge=0, le=512, description="Longer side of the report's thumbnails, px; 0: none."
    )

    @model_validator(mode="after")
    def _sizes_the_generator_draws(self) -> RenderConfig:
        multiple = self.generator.multiple_px
        if multiple is None:
            return self
        if self.size.rule != "generator" or self.size.multiple_px % multiple:
            raise ValueError(
                f"{self.generator.kind} draws sides that are multiples of {multiple} px: set "
                f"render.size.rule to 'generator' and render.size.multiple_px to a multiple of it"
            )
        return self

    @property
    def revision(self) -> str:
        """Names the code and weights that draw and compose, before they are loaded."""
        return f"{self.generator.revision}+{revision_of(self.foreground)}"


class RenderMapper:
    """Draws backgrounds and sets products into them."""

    def __init__(self, config: RenderConfig, *, limits: ImageLimits, num_threads: int) -> None:
        config = bring_weights(config)
        load(config.foreground)
        self._config = config
        self._generator = build_generator(config.generator)
        self._prepare = Preparation(
            config.generator,
            config.size,
            limits=limits,
            draws_product=self._generator.draws_product,
        )
        self._checks = Checks(config.checks, num_threads=num_threads)
        self._finisher = Finisher(
            config.provenance,
            format=config.format,
            quality=config.quality,
            system=config.generator.kind if config.generator.is_trained else None,
            revision=self._generator.revision,
        )
        # A generator on the CPU is itself the work that others would have to wait for.
        self._num_threads = num_threads if self._generator.device == "cuda" else 0

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Draw all; draw again, with another seed, those whose product grew."""
        checked = self._config.checks.growth
        outcomes = self._drawn(rows, attempt=0)
        for attempt in range(1, 1 + checked.retries):
            grown = [number for number, outcome in enumerate(outcomes) if _grew(outcome)]
            if not grown:
                break
            again = self._drawn([rows[number] for number in grown], attempt=attempt)
            for number, outcome in zip(grown, again, strict=True):
                outcomes[number] = _less_grown(outcomes[number], outcome)
        if checked.on_growth == "flag":
            return outcomes
        return [_failed(outcome) if _grew(outcome) else outcome for outcome in outcomes]

    def _drawn(self, rows: Sequence[Row], *, attempt: int) -> list[Outcome]:
        """One picture for each row; rows that are generated at one size share batches."""
        sizes = [drawn_size(row, self._config.size) for row in rows]
        batches = _batches(sizes, most=self._generator.max_batch)
        done = overlapped(
            [[rows[number] for number in batch] for batch in batches],
            before=lambda row: alone(
                row, lambda row: {"task": self._prepare(row, attempt=attempt), "row": row}
            ),
            draw=self._draw,
            after=lambda drawn: alone({"drawn": drawn}, self._finish, of=_origin(drawn)),
            num_threads=self._num_threads,
        )
        order = [number for batch in batches for number in batch]
        by_number = dict(zip(order, chain.from_iterable(done), strict=True))
        return [by_number[number] for number in range(len(rows))]

    def _draw(self, decoded: Sequence[Outcome]) -> list[Outcome]:
        """Backgrounds for what could be decoded, each beside its task."""
        tasks = [outcome for outcome in decoded if not isinstance(outcome, RowError)]
        drawn = iter(isolate(self._generate, tasks))
        return [outcome if isinstance(outcome, RowError) else next(drawn) for outcome in decoded]

    def _generate(self, tasks: Sequence[Row]) -> list[Outcome]:
        requests = [row["task"].request for row in tasks if row["task"].shot.paint != "plain"]
        drawn = iter(self._generator.generate(requests) if requests else [])
        return [
            {**row, "background": plain(task) if task.shot.paint == "plain" else next(drawn)}
            for row in tasks
            for task in [row["task"]]
        ]

    def _finish(self, row: Row) -> Columns:
        drawn = row["drawn"]
        if isinstance(drawn, RowError):
            raise drawn
        task: Task = drawn["task"]
        background: Background = drawn["background"]
        config, shot = self._config, task.shot
        if task.keeps_rendering:
            done = rendering(task, background, crispness=config.crispness)
        else:
            done = compose(
                task,
                background,
                recipe=Look(shadow=config.shadow, cast=config.cast, harmonise=config.harmonise),
                foreground=config.foreground,
                crispness=config.crispness,
            )
        rgb8_HWC = sized(done.rgb8_HWC, shot)
        finished = self._finisher.finish(task, rgb8_HWC)
        return {
            **finished,
            "prompt_understood": list(background.understood),
            "geometry": asdict(task.geometry),
            "metrics": self._metrics(task, background, done),
            "shot_notes": [
                *shot.without_effect,
                *task.placed.layout.notes,
                *self._prepare.unused(shot),
                *finished["shot_notes"],
            ],
            "generation_model": self._generator.revision,
            "thumbs": _thumbs(task, rgb8_HWC, config.thumbnail_px),
        }

    def _metrics(self, task: Task, background: Background, done: Composed) -> dict[str, Any]:
        growth = None
        if not task.keeps_rendering and task.shot.paint != "plain":
            request = task.request
            growth = self._checks.growth_of(request.image_HWC, request.alpha_HW, background.rgb_HWC)
        alpha_HW, shift = task.placed.alpha_HW, done.harmonised and done.harmonised.shift
        return {
            "coverage": float(alpha_HW.mean()),
            "soft_fraction": float(((alpha_HW > 0.02) & (alpha_HW < 0.98)).mean()),
            "background_scale": alpha_HW.shape[1] / task.geometry.normalised_width,
            "growth": growth,
            "product_grew": None if growth is None else growth > self._config.checks.growth.limit,
            "unsafe": self._checks.is_unsafe(done.rgb8_HWC),
            "generation_seed": task.request.seed,
            "gpu_peak_bytes": background.metrics.get("gpu_peak_bytes"),
            "product_scale": task.placed.layout.scale,
            "product_fill": fill(alpha_HW),
            "recolor_clipped": done.recolored and done.recolored.clipped,
            "recolor_kept": done.recolored and done.recolored.kept,
            "light_confidence": done.harmonised and done.harmonised.confidence,
            "shift_mean": shift and shift.mean,
            "shift_p95": shift and shift.p95,
            "shift_max": shift and shift.max,
            "shift_luminance": shift and shift.luminance,
        }


def _batches(sizes: Sequence[tuple[int, int]], *, most: int) -> list[list[int]]:
    """Positions of equal sizes together, at most so many; sizes in the order they first appear."""
    groups: dict[tuple[int, int], list[int]] = {}
    for number, size in enumerate(sizes):
        groups.setdefault(size, []).append(number)
    return [
        group[first : first + most]
        for group in groups.values()
        for first in range(0, len(group), most)
    ]


def _origin(drawn: Outcome) -> object:
    """The row that something was drawn for; None: nothing was."""
    return None if isinstance(drawn, RowError) else drawn["row"]


def _grew(outcome: Outcome) -> bool:
    return not isinstance(outcome, RowError) and bool(outcome["metrics"]["product_grew"])


def _less_grown(before: Outcome, after: Outcome) -> Outcome:
    """The better of two attempts; one that failed is worse than one that grew."""
    if isinstance(after, RowError) or isinstance(before, RowError):
        return before
    return min(before, after, key=lambda outcome: float(outcome["metrics"]["growth"]))


def _failed(outcome: Outcome) -> Outcome:
    assert not isinstance(outcome, RowError)
    growth = outcome["metrics"]["growth"]
    return RowError(
        ErrorCode.PRODUCT_GREW, f"the generator added {growth:.0%} to the product's area"
    )


def _thumbs(task: Task, rgb8_HWC: NDArray[np.uint8], side_px: int) -> Columns | None:
    if side_px == 0:
        return None
    placed = task.placed
    return {
        "source": thumbnail(task.photo.rgb_HWC, max_side_px=side_px),
        "cutout": cutout_thumbnail(placed.rgb_HWC, placed.alpha_HW, max_side_px=side_px),
        "result": thumbnail(rgb8_HWC, max_side_px=side_px),
    }


_SIGNINGS = 2
"""Times that a picture is tried to be signed, each within `timeout_s`."""


def _need(config: RenderConfig, limits: ImageLimits, *, num_threads: int) -> Need:
    generator: GeneratorConfig = config.generator
    weights = weigh(config)
    held, worked_on = generator.max_batch, 1
    if generator.device == "cuda":
        held, worked_on = BATCHES_HELD * generator.max_batch, num_threads
    return Need(
        loaded_mb=_LIBRARIES_MB
        + weights.megabytes
        + (0 if config.provenance.sign is None else _SIGNER_MB),
        megapixels=limits.max_megapixels,
        has_photographs=True,
        has_pictures=True,
        mb_per_megapixel=_COMPOSING_MB[config.foreground],
        worked_on=min(held, worked_on),
        waiting=max(0, held - worked_on),
        waiting_mb_per_megapixel=WAITING_MB
        + (_REFERENCES_MB if generator.follows_references else 0),
        uncounted=weights.unseen,
    )


def render(config: RenderConfig, resources: Resources, *, limits: ImageLimits) -> Stage:
    """The stage that draws backgrounds and composites.

    Raises:
        ValueError: a setting needs packages that are not installed.
    """
    check_installed(config.foreground)
    sign = config.provenance.sign
    return Stage(
        name="render",
        mapper=partial(RenderMapper, limits=limits, num_threads=resources.num_threads),
        config=config,
        reads=(
            "image_bytes",
            "reference_bytes",
            "alpha",
            "alpha_colors",
            "prompt",
            "final_prompt",
            "seed",
            "shot",
        ),
        adds=pa.schema(
            [
                schema.PICTURE,
                schema.HEIGHT,
                schema.WIDTH,
                schema.PROMPT_UNDERSTOOD,
                schema.GEOMETRY,
                schema.METRICS,
                schema.SHOT_NOTES,
                schema.FIDELITY,
                schema.VERDICT,
                schema.PROVENANCE,
                schema.GENERATION_MODEL,
                schema.THUMBS,
            ]
        ),
        drops=("image_bytes", "reference_bytes"),
        # Several of the generator's batches: while it draws one, its neighbours are decoded and
        # encoded, and rows of one size find each other.
        batch_size=_BATCHES_AT_ONCE * config.generator.max_batch,
        resources=resources,
        need=_need(config, limits, num_threads=resources.num_threads),
        patience_s=0.0 if sign is None else _SIGNINGS * sign.timeout_s,
    )
