"""The adapter table: how each diffusers pipeline calls what all of them have in common.

An argument a pipeline does not have is None here and is never passed. Nothing in this file imports
diffusers, so a recipe can be read and checked on a machine that has none; the names are compared
with the real class when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """One pipeline class in canonical terms."""

    pipeline: str
    """Name of the class in diffusers."""
    image: str | None = "image"
    """The argument for the photograph; None where another module makes the picture arguments."""
    mask: str | None = "mask_image"
    """The argument for where to repaint. White means repaint in every diffusers pipeline, so it is
    given the inverted coverage of the product."""
    control_image: str | None = None
    """The argument for a ControlNet's picture."""
    prompt: str = "prompt"
    negative_prompt: str | None = "negative_prompt"
    empty_negative_prompt: str | None = None
    """What stands for 'no negative prompt'. Where the unconditional embedding was trained as zeros
    it is None; where it was trained as text it is that text."""
    guidance: Literal["guidance_scale", "true_cfg_scale"] = "guidance_scale"
    strength: str | None = "strength"
    steps: str = "num_inference_steps"
    generator: str = "generator"
    reference: str | None = None
    """The argument for a picture whose style the background follows."""
    encoding: Literal["sd", "sdxl", "flux", "flux2", "z-image"] | None
    """How prompts become embeddings; None where the embedding sees the photograph too, and prompts
    therefore go to the pipeline as text."""
    guided_above: float = 1.0
    """Guidance at or below this is none at all, and costs nothing."""
    multiple_px: int
    """Both sides of a generated picture are multiples of this."""
    max_batch: int | None = None
    """The most rows of one call, where the pipeline itself is limited."""
    pictures: Literal["tensor", "pil"] = "tensor"
    chooses_size: bool = False
    """The pipeline draws at a size of its own; the result is resampled to the request's."""
    load_options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    call_options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @property
    def arguments(self) -> frozenset[str]:
        """Every argument that may be passed to `__call__`, for the check at load."""
        always = {self.prompt, self.guidance, self.steps, self.generator, "output_type"}
        optional = {
            self.image,
            self.mask,
            self.control_image,
            self.negative_prompt,
            self.strength,
            self.reference,
        }
        embeddings = EMBEDDINGS[self.encoding] if self.encoding else frozenset()
        names = always | optional | embeddings | set(self.call_options)
        return frozenset(name for name in names if name is not None)


EMBEDDINGS: Mapping[str, frozenset[str]] = {
    "sd": frozenset({"prompt_embeds", "negative_prompt_embeds"}),
    "sdxl": frozenset(
        {
            "prompt_embeds",
            "negative_prompt_embeds",
            "pooled_prompt_embeds",
            "negative_pooled_prompt_embeds",
        }
    ),
    "flux": frozenset({"prompt_embeds", "pooled_prompt_embeds"}),
    "flux2": frozenset({"prompt_embeds", "negative_prompt_embeds"}),
    "z-image": frozenset({"prompt_embeds", "negative_prompt_embeds"}),
}
"""The arguments that carry embeddings, by family of text encoders."""

# Without it diffusers writes an invisible watermark into the pixels where a library is installed.
NO_WATERMARK = MappingProxyType({"add_watermarker": False})

ADAPTERS: Mapping[str, Adapter] = {
    "sdxl-inpaint": Adapter(
        pipeline="StableDiffusionXLInpaintPipeline",
        reference="ip_adapter_image_embeds",
        encoding="sdxl",
        multiple_px=8,
        load_options=NO_WATERMARK,
    ),
    "sdxl-controlnet-inpaint": Adapter(
        pipeline="StableDiffusionXLControlNetInpaintPipeline",
        control_image="control_image",
        reference="ip_adapter_image_embeds",
        encoding="sdxl",
        multiple_px=8,
        load_options=NO_WATERMARK,
    ),
    "bria": Adapter(
        pipeline="StableDiffusionXLControlNetPipeline",
        image=None,
        mask=None,
        control_image="image",
        empty_negative_prompt="",
        strength=None,
        reference="ip_adapter_image_embeds",
        encoding="sdxl",
        multiple_px=64,
        load_options=NO_WATERMARK,
    ),
    "photo-background": Adapter(
        pipeline="StableDiffusionControlNetInpaintPipeline",
        control_image="control_image",
        empty_negative_prompt="",
        encoding="sd",
        multiple_px=8,
        load_options=MappingProxyType({"safety_checker": None, "requires_safety_checker": False}),
    ),
    "flux-fill": Adapter(
        pipeline="FluxFillPipeline",
        negative_prompt=None,
        encoding="flux",
        multiple_px=16,
    ),
    "flux2-klein": Adapter(
        pipeline="Flux2KleinInpaintPipeline",
        negative_prompt=None,
        reference="image_reference",
        encoding="flux2",
        multiple_px=16,
        chooses_size=True,  # above 1024 x 1024 it scales the photograph down by itself
    ),
    "z-image": Adapter(
        pipeline="ZImageInpaintPipeline",
        guided_above=0.0,
        empty_negative_prompt="",
        encoding="z-image",
        multiple_px=16,
    ),
    "qwen-edit": Adapter(
        pipeline="QwenImageEditInpaintPipeline",
        empty_negative_prompt=" ",
        guidance="true_cfg_scale",
        encoding=None,
        multiple_px=16,
        # With a list of pictures it leaves out the resize it does for one, so that the text
        # encoder would see a row differently in a batch than alone.
        max_batch=1,
        pictures="pil",
        chooses_size=True,  # always near 1024 x 1024
    ),
}
"""Every kind of backend that draws through diffusers."""
