"""The diffusion backend: requests in, backgrounds out, through whichever pipeline the recipe names.

Same row, same pixels: a row's noise comes from a CPU generator of its own, seeded with its seed,
its prompt is encoded alone, and nothing is drawn at random besides. What is left between batch
sizes is the rounding of the kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import diffusers
import numpy as np
import torch
from pydantic import ValidationError

from pipeline.errors import ErrorCode, FatalError, RowError
from pipeline.models.fitting_batches import Fitting
from pipeline.models.generation.diffusion import bria
from pipeline.models.generation.diffusion.diffusion_config import (
    AnyDiffusionConfig,
    BriaConfig,
    InpaintingConfig,
    PhotoBackgroundConfig,
    SdxlControlNetInpaintConfig,
)
from pipeline.models.generation.diffusion.load_pipeline import load_pipeline
from pipeline.models.generation.diffusion.prompt_encoding import PromptEncoder
from pipeline.models.generation.diffusion.references import ReferenceEncoder
from pipeline.models.generation.diffusion.tensors import (
    control_picture,
    inpainting_arguments,
    resized,
)
from pipeline.models.generation.generator import (
    Background,
    GenerationRequest,
    Reference,
    Settings,
)
from pipeline.models.weights import one_at_a_time, revision_of
from pipeline.text.validation_errors import first_mistake

Size = tuple[int, int]
"""Height and width, px."""


class Diffusion:
    """Draws backgrounds with a diffusers pipeline. See `Generator`."""

    revision: str
    draws_product = True

    def __init__(self, config: AnyDiffusionConfig) -> None:
        """Load everything.

        Raises:
            FatalError: weights, device or library are not what the configuration expects.
        """
        self._config = config
        self.max_batch: int = config.max_batch
        self.device: Literal["cpu", "cuda"] = config.device
        self._adapter = config.adapter
        with one_at_a_time():
            self._pipeline, directory = load_pipeline(config, arguments=every_argument(config))
        self._prompts = (
            PromptEncoder(
                self._pipeline,
                self._adapter,
                capacity=config.prompt_cache,
                device=torch.device(config.device),
                offload=config.offload_text_encoder,
            )
            if self._adapter.encoding
            else None
        )
        self._references = ReferenceEncoder(self._pipeline, config)
        self._fitting = Fitting(config.max_batch)
        self.revision = (
            f"{config.revision}/{revision_of(directory)}/diffusers-{diffusers.__version__}"
        )

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Background]:
        """Draw one background per request, in order; requests of one size share batches.

        Raises:
            RowError: `bad_request`, a row asks for what this kind cannot do.
            FatalError: a size this pipeline cannot draw, which the recipe's `size` decides.
            MemoryError: one row alone does not fit.
            FloatingPointError: the network's numbers overflowed.
        """
        drawn: dict[int, Background] = {}
        for call, indices in _by_call(requests).items():
            self._check_size(call.size)
            draw = partial(self._draw, self._arguments(call))
            group = [requests[index] for index in indices]
            backgrounds = self._fitting.map(group, draw, key=call.size)
            drawn |= dict(zip(indices, backgrounds, strict=True))
        return [drawn[index] for index in range(len(requests))]

    def _arguments(self, call: _Call) -> dict[str, Any]:
        """What is the same for all rows of a call."""
        fixed = fixed_arguments(asked_for(self._config, call.settings))
        return fixed | self._references.arguments(call.reference, guided=self._is_guided(fixed))

    def _is_guided(self, fixed: Mapping[str, Any]) -> bool:
        """Whether the call is guided: a distilled LoRA decides that against the configuration."""
        guidance: float = fixed[self._adapter.guidance]
        return guidance > self._adapter.guided_above

    def _draw(
        self, fixed: Mapping[str, Any], requests: Sequence[GenerationRequest]
    ) -> list[Background]:
        """One call of the pipeline; all requests have one size."""
        num_rows = len(requests)
        size: Size = requests[0].alpha_HW.shape
        if self._config.compile:
            # One graph per size: a short batch is filled up with copies, which are thrown away.
            missing = self._fitting.limit(size) - num_rows
            requests = [*requests, *[requests[-1]] * missing]
        on_gpu = self._config.device == "cuda"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        guided = self._is_guided(fixed)
        with torch.inference_mode():
            output = self._pipeline(
                **fixed,
                **self._prompt_arguments(requests, guided=guided),
                **self._picture_arguments(requests, generators),
                height=size[0],
                width=size[1],
                **{self._adapter.generator: generators},
            )
        metrics = {"gpu_peak_bytes": float(torch.cuda.max_memory_allocated())} if on_gpu else {}
        return [
            Background(rgb_HWC=self._finished(rgb_HWC, size), metrics=dict(metrics))
            for rgb_HWC in output.images[:num_rows]
        ]

    def _prompt_arguments(
        self, requests: Sequence[GenerationRequest], *, guided: bool
    ) -> dict[str, Any]:
        pairs = [
            (request.prompt, request.negative_prompt or self._config.negative_prompt)
            for request in requests
        ]
        if self._prompts is not None:
            return self._prompts.arguments(pairs, guided=guided)
        arguments: dict[str, Any] = {self._adapter.prompt: [prompt for prompt, _ in pairs]}
        if self._adapter.negative_prompt is not None and guided:
            empty = self._adapter.empty_negative_prompt
            arguments[self._adapter.negative_prompt] = [negative or empty for _, negative in pairs]
        return arguments

    def _picture_arguments(
        self, requests: Sequence[GenerationRequest], generators: Sequence[torch.Generator]
    ) -> dict[str, Any]:
        config = self._config
        arguments = inpainting_arguments(self._adapter, requests)
        if isinstance(config, BriaConfig):
            return arguments | bria.control_arguments(
                self._pipeline,
                requests,
                generators,
                latents=config.control_latents,
                latent_original_size=config.latent_original_size,
            )
        if isinstance(config, SdxlControlNetInpaintConfig):
            arguments["control_image"] = control_picture(requests, config.control)
        if isinstance(config, PhotoBackgroundConfig):
            arguments["control_image"] = control_picture(requests, "background_mask")
        return arguments

    def _check_size(self, size: Size) -> None:
        multiple = self._adapter.multiple_px
        if any(side % multiple for side in size):
            raise FatalError(
                f"{self._config.kind} draws sides that are multiples of {multiple} px, asked for "
                f"{size[0]} x {size[1]}: set render.size.rule to 'generator' and "
                f"render.size.multiple_px to a multiple of {multiple}"
            )

    def _finished(self, rgb_HWC: np.ndarray[Any, Any], size: Size) -> Any:
        if not np.isfinite(rgb_HWC).all():
            raise FloatingPointError(
                f"{self._config.kind} drew numbers that are not finite in {self._config.dtype}: "
                "use bfloat16, or a VAE made for float16"
            )
        if rgb_HWC.shape[:2] != size and not self._adapter.chooses_size:
            raise FatalError(
                f"{self._config.kind} drew {rgb_HWC.shape[0]} x {rgb_HWC.shape[1]} px where "
                f"{size[0]} x {size[1]} were asked for: not the network this backend expects"
            )
        return resized(rgb_HWC.astype(np.float32, copy=False), *size)


def asked_for(config: AnyDiffusionConfig, settings: Settings) -> AnyDiffusionConfig:
    """The configuration with what a row asks for in other words.

    Raises:
        RowError: `bad_request`, this kind has no such setting, or not with such a value.
    """
    asked = settings.asked()
    if not asked:
        return config
    unknown = [name for name in asked if name not in type(config).model_fields]
    if unknown:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"{', '.join(unknown)}: {config.kind} has no such setting, leave it empty",
        )
    try:
        return type(config).model_validate({**dict(config), **asked})
    except ValidationError as error:
        raise RowError(ErrorCode.BAD_REQUEST, first_mistake(error).line) from None


def fixed_arguments(config: AnyDiffusionConfig) -> dict[str, Any]:
    """The arguments that are the same in every call."""
    adapter = config.adapter
    fixed: dict[str, Any] = {
        adapter.steps: config.num_inference_steps,
        adapter.guidance: config.guidance_scale,
        "output_type": "np",
        **adapter.call_options,
    }
    if adapter.strength is not None and isinstance(config, InpaintingConfig):
        fixed[adapter.strength] = config.strength
    if isinstance(config, BriaConfig):
        fixed[adapter.steps] = bria.FAST_STEPS if config.fast else config.num_inference_steps
        if config.fast_lora is not None:
            # An LCM LoRA has its guidance distilled in.
            fixed[adapter.guidance] = 0.0
    if isinstance(config, BriaConfig | SdxlControlNetInpaintConfig | PhotoBackgroundConfig):
        fixed["controlnet_conditioning_scale"] = config.controlnet_conditioning_scale
    return fixed


def every_argument(config: AnyDiffusionConfig) -> frozenset[str]:
    """The names of all arguments a call may have."""
    special = {"original_size"} if config.kind == "bria" else set()
    return config.adapter.arguments | set(fixed_arguments(config)) | special | {"height", "width"}


@dataclass(frozen=True, slots=True)
class _Call:
    """What requests must have in common to be drawn together."""

    size: Size
    settings: Settings
    reference: Reference | None


def _by_call(requests: Sequence[GenerationRequest]) -> dict[_Call, list[int]]:
    groups: dict[_Call, list[int]] = {}
    for index, request in enumerate(requests):
        call = _Call(request.alpha_HW.shape, request.settings, request.reference)
        groups.setdefault(call, []).append(index)
    return groups
