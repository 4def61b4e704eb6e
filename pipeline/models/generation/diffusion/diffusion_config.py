"""What a recipe says about a diffusion backend: one frozen model for each kind.

Defaults are for replacing backgrounds, which is not what the classes' own defaults are for: an
inpainting strength below 1 keeps a ghost of the old background.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.models.generation.diffusion.pipeline_table import ADAPTERS, Adapter
from pipeline.models.weights import Checkpoint

# Counted up when the code below this package changes pixels.
CODE_VERSION = 1

BRIA_NEGATIVE_PROMPT = "Logo,Watermark,Text,Ugly,Bad proportions,Bad quality,Out of frame,Mutation"
"""The negative prompt of the model card of BRIA-2.3-ControlNet-BG-Gen."""


class Lora(BaseModel):
    """A low-rank adapter, fused into the weights when they load."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    checkpoint: Checkpoint = Field(description="The directory that holds it.")
    weight_name: str = Field(description="File name within the directory.")
    scale: float = Field(1.0, ge=-2, le=2, description="How strongly it acts, 1 as trained.")


class IpAdapter(BaseModel):
    """A picture whose style every background follows, through an IP-Adapter (arXiv 2308.06721)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    picture: Path | None = Field(
        None,
        description="The reference picture, a local file. Null: rows bring their own, and those "
        "that bring none are drawn without.",
    )
    checkpoint: Checkpoint = Field(description="The adapter's directory.")
    weight_name: str = Field(description="File name of the adapter within `subfolder`.")
    subfolder: str = Field("", description="Folder of the adapter within the directory.")
    image_encoder_folder: str = Field(
        "image_encoder",
        description="Folder of its image encoder: within `subfolder`, or, if it contains a slash, "
        "within the directory.",
    )
    scale: float = Field(0.6, ge=0, le=2, description="Weight of the picture, 0 for none.")


class DiffusionConfig(BaseModel):
    """What all kinds share. Not used by itself."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    RUNTIME: ClassVar[frozenset[str]] = frozenset({"cache_dir", "device", "max_batch"}) | {
        "offload_text_encoder",
        "prompt_cache",
    }
    """Fields that decide where and how fast, not what is drawn."""
    is_trained: ClassVar[bool] = True

    kind: str = Field(description="Which pipeline draws.")
    checkpoint: Checkpoint = Field(description="The pipeline's directory (has model_index.json).")
    cache_dir: Path | None = Field(
        None, description="Hugging Face cache to find hub ids in; none: what HF_HOME says."
    )
    device: Literal["cuda", "cpu"] = Field("cuda", description="Where it runs.")
    dtype: Literal["bfloat16", "float16", "float32"] = Field(
        "bfloat16", description="Number format of weights and activations."
    )
    max_batch: int = Field(
        4, ge=1, le=64, description="Most rows drawn at once; halved where memory does not suffice."
    )
    num_inference_steps: int = Field(30, ge=1, le=200, description="Denoising steps.")
    guidance_scale: float = Field(
        7.5, ge=0, le=100, description="How closely the prompt is followed; 0 or 1: unguided."
    )
    negative_prompt: str = Field(
        "", description="What to avoid, for rows that do not say it themselves."
    )
    scheduler: Literal["checkpoint", "euler_ancestral", "lcm"] = Field(
        "checkpoint", description="Sampler: the checkpoint's own, or a replacement for U-Nets."
    )
    loras: tuple[Lora, ...] = Field((), description="Low-rank adapters, fused in this order.")
    channels_last: bool = Field(
        default=True, description="Lay convolutions out as tensor cores read them."
    )
    compile: bool = Field(
        default=False,
        description="Compile the denoiser, once for each picture size; the first batch of a size "
        "takes minutes, and short batches are padded so that one graph serves them all.",
    )
    offload_text_encoder: bool = Field(
        default=False,
        description="Keep text encoders off the device except while a new prompt is encoded.",
    )
    prompt_cache: int = Field(
        256, ge=1, le=65536, description="Distinct prompts whose embeddings are kept in memory."
    )
    vae_slicing: bool = Field(
        default=False, description="Decode one picture at a time: less memory, a little slower."
    )

    @model_validator(mode="after")
    def _possible(self) -> DiffusionConfig:
        limit = self.adapter.max_batch
        if limit is not None and self.max_batch > limit:
            raise ValueError(f"{self.kind} draws at most {limit} row(s) at once: set max_batch")
        if self.adapter.encoding is None and self.offload_text_encoder:
            raise ValueError(
                f"{self.kind} encodes every prompt together with its photograph, so its text "
                "encoder cannot leave the device: leave offload_text_encoder off"
            )
        if self.adapter.encoding not in ("sd", "sdxl") and self.scheduler != "checkpoint":
            raise ValueError(f"{self.kind} draws with its checkpoint's own scheduler only")
        return self

    @property
    def follows_references(self) -> bool:
        """Whether a row may bring pictures whose style its background follows."""
        return getattr(self, "reference", None) is not None

    @property
    def adapter(self) -> Adapter:
        """The pipeline's row of the table."""
        return ADAPTERS[self.kind]

    @property
    def multiple_px(self) -> int:
        """Sides that it can draw are multiples of this, px."""
        return self.adapter.multiple_px

    @property
    def revision(self) -> str:
        """Names code, weights and settings before they are loaded."""
        drawn = {name: value for name, value in self if name not in self.RUNTIME}
        text = json.dumps(drawn, sort_keys=True, default=_plain)
        settings = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.kind}-{CODE_VERSION}/{self.checkpoint.name}/{settings}"


def _plain(value: Any) -> Any:
    """What JSON does not know. A checkpoint by its name: where weights lie changes no pixel."""
    match value:
        case Checkpoint():
            return value.name
        case BaseModel():
            return dict(value)
        case Path():
            return str(value)
        case _:
            raise TypeError(f"no setting of a generator holds a {type(value).__name__}")


class InpaintingConfig(DiffusionConfig):
    """What kinds that repaint a photograph share. Not used by itself."""

    strength: float = Field(
        1.0, gt=0, le=1, description="1 starts from noise; less keeps some of the old background."
    )


class SdxlInpaintConfig(InpaintingConfig):
    """SDXL inpainting checkpoints, or any SDXL checkpoint."""

    kind: Literal["sdxl-inpaint"] = Field("sdxl-inpaint", description="SDXL inpainting.")
    strength: float = Field(
        0.9999,
        gt=0,
        le=1,
        description="Just below 1, as the inpainting checkpoint was made to be used: at 1 its "
        "latents start as pure noise, which it renders washed out.",
    )
    reference: IpAdapter | None = Field(None, description="A picture whose style is followed.")


class SdxlControlNetInpaintConfig(InpaintingConfig):
    """SDXL with a ControlNet that is shown the product."""

    kind: Literal["sdxl-controlnet-inpaint"] = Field(
        "sdxl-controlnet-inpaint", description="SDXL inpainting with a ControlNet."
    )
    controlnet: Checkpoint = Field(description="The ControlNet's directory.")
    control: Literal["background_mask", "product_on_white", "product_on_black"] = Field(
        "product_on_white", description="The picture the ControlNet was trained to be shown."
    )
    controlnet_conditioning_scale: float = Field(
        1.0, ge=0, le=2, description="Weight of the ControlNet."
    )
    guidance_scale: float = Field(5.0, ge=0, le=100, description="How closely to follow prompts.")
    strength: float = Field(
        0.9999,
        gt=0,
        le=1,
        description="1 starts from noise alone; less keeps some of the old background.",
    )
    reference: IpAdapter | None = Field(None, description="A picture whose style is followed.")


class BriaConfig(DiffusionConfig):
    """BRIA 2.3 with its background-generation ControlNet."""

    kind: Literal["bria"] = Field("bria", description="BRIA 2.3 background generation.")
    controlnet: Checkpoint = Field(description="Directory of BRIA-2.3-ControlNet-BG-Gen.")
    vae: Checkpoint | None = Field(
        None, description="Replaces the VAE; with float16, sdxl-vae-fp16-fix."
    )
    fast: bool = Field(default=False, description="12 steps rather than `num_inference_steps`.")
    fast_lora: Lora | None = Field(
        None,
        description="Bria's LCM LoRA. Given, the LCM scheduler is used, unguided; 8 steps suffice.",
    )
    controlnet_conditioning_scale: float = Field(
        1.0, ge=0, le=2, description="Weight of the ControlNet."
    )
    control_latents: Literal["mode", "sample"] = Field(
        "mode",
        description="How the photograph's latent is taken from the VAE: 'mode' its most likely "
        "value, 'sample' drawn by the row's seed, as in the original.",
    )
    latent_original_size: bool = Field(
        default=True,
        description="Tell the U-Net the latent's size for `original_size`, as the original does by "
        "reading it from its control tensor; off: the picture's size, as SDXL means it.",
    )
    guidance_scale: float = Field(5.0, ge=0, le=100, description="How closely to follow prompts.")
    negative_prompt: str = Field(
        BRIA_NEGATIVE_PROMPT, description="What to avoid, for rows that do not say it themselves."
    )
    scheduler: Literal["checkpoint", "euler_ancestral", "lcm"] = Field(
        "euler_ancestral", description="Sampler; Bria's own code uses Euler ancestral."
    )
    reference: IpAdapter | None = Field(None, description="A picture whose style is followed.")


class PhotoBackgroundConfig(InpaintingConfig):
    """Salient-object-aware generation, yahoo-inc/photo-background-generation (arXiv 2404.10157)."""

    kind: Literal["photo-background"] = Field(
        "photo-background", description="Salient-object-aware generation."
    )
    controlnet_conditioning_scale: float = Field(
        1.0, ge=0, le=2, description="Weight of the ControlNet that holds the product's outline."
    )


class FluxFillConfig(InpaintingConfig):
    """FLUX.1 Fill."""

    kind: Literal["flux-fill"] = Field("flux-fill", description="FLUX.1 Fill.")
    guidance_scale: float = Field(30.0, ge=0, le=100, description="Guidance it is distilled to.")
    num_inference_steps: int = Field(50, ge=1, le=200, description="Denoising steps.")


class Flux2KleinConfig(InpaintingConfig):
    """FLUX.2 klein, inpainting, with an optional reference picture."""

    kind: Literal["flux2-klein"] = Field("flux2-klein", description="FLUX.2 klein inpainting.")
    guidance_scale: float = Field(
        1.0, ge=0, le=100, description="Ignored by distilled checkpoints."
    )
    num_inference_steps: int = Field(4, ge=1, le=200, description="4 where distilled.")
    reference: Path | None = Field(
        None, description="A picture, local file, that every background follows."
    )

    @property
    def follows_references(self) -> bool:
        """Always: it is shown them beside the photograph."""
        return True


class ZImageConfig(InpaintingConfig):
    """Z-Image and Z-Image-Turbo, inpainting."""

    kind: Literal["z-image"] = Field("z-image", description="Z-Image inpainting.")
    guidance_scale: float = Field(0.0, ge=0, le=100, description="0 for Turbo, 5 for the base.")
    num_inference_steps: int = Field(8, ge=1, le=200, description="8 for Turbo, 50 for the base.")


class QwenEditConfig(InpaintingConfig):
    """Qwen-Image-Edit, inpainting. Always draws near one megapixel, one row at a time."""

    kind: Literal["qwen-edit"] = Field("qwen-edit", description="Qwen-Image-Edit inpainting.")
    guidance_scale: float = Field(4.0, ge=0, le=100, description="True guidance; 1 turns it off.")
    num_inference_steps: int = Field(50, ge=1, le=200, description="Denoising steps.")
    max_batch: int = Field(1, ge=1, le=1, description="The pipeline draws one row at a time.")


AnyDiffusionConfig = Annotated[
    SdxlInpaintConfig
    | SdxlControlNetInpaintConfig
    | BriaConfig
    | PhotoBackgroundConfig
    | FluxFillConfig
    | Flux2KleinConfig
    | ZImageConfig
    | QwenEditConfig,
    Field(discriminator="kind"),
]
"""Any of them, told apart by `kind`."""
