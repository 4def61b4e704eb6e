"""BRIA 2.3 background generation on stock diffusers classes.

Bria's ControlNet is the SDXL one with two differences: it is shown five channels (the photograph's
latent and a mask) instead of a picture, and it is shown them at latent size, so its embedding must
not shrink them by eight. Bria publishes patched copies of three diffusers files for that. Here the
stock embedding's strides are set to one and its input is thinned by a hook, so that the stock
pipeline, which insists on a control of the picture's size, runs unchanged: IP-Adapter, LoRA and
schedulers keep working.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import nn

from pipeline.errors import FatalError
from pipeline.models.generation.diffusion.tensors import foregrounds, photographs
from pipeline.models.generation.generator import GenerationRequest

# Shape suffixes: N row, C colour channel, H height, W width; h, w at latent size.

CONTROL_CHANNELS = 5
FAST_STEPS = 12

SCHEDULER: Mapping[str, Any] = MappingProxyType(
    {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "steps_offset": 1,
    }
)
"""Settings of Bria's Euler ancestral sampler."""


def adapt_controlnet(controlnet: Any, *, scale: int) -> None:
    """Make a stock ControlNet read a latent-size control that arrives enlarged by `scale`.

    Args:
        controlnet: a freshly loaded ControlNetModel, changed in place.
        scale: how many pixels a latent has per side.

    Raises:
        FatalError: it is not a five-channel ControlNet, or its embedding has another shape. Without
            the adaptation such a network runs and draws wrong pictures, so this is checked.
    """
    embedding = controlnet.controlnet_cond_embedding
    channels = embedding.conv_in.weight.shape[1]
    if channels != CONTROL_CHANNELS:
        raise FatalError(
            f"Bria ControlNet: expected {CONTROL_CHANNELS} conditioning channels, found {channels}"
        )
    shrinking = [block for block in embedding.blocks if tuple(block.stride) == (2, 2)]
    if 2 ** len(shrinking) != 8:
        raise FatalError(
            f"Bria ControlNet: expected 3 strided convolutions in its embedding, found "
            f"{len(shrinking)} of {len(embedding.blocks)}"
        )
    for block in shrinking:
        block.stride = (1, 1)

    def thin(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        (control_NCHW,) = inputs
        return (control_NCHW[..., ::scale, ::scale],)

    embedding.register_forward_pre_hook(thin)


def control_arguments(
    pipeline: Any,
    requests: Sequence[GenerationRequest],
    generators: Sequence[torch.Generator],
    *,
    latents: Literal["mode", "sample"],
    latent_original_size: bool,
) -> dict[str, Any]:
    """The control of one call, enlarged to the picture's size, and what goes with it."""
    scale = pipeline.vae_scale_factor
    control_NChw = control_tensor(
        pipeline.vae,
        photographs(requests),
        foregrounds(requests),
        generators=generators if latents == "sample" else None,
    )
    # By repetition, so that the hook's thinning gives back exactly these values.
    control_NCHW = control_NChw.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
    height, width = requests[0].alpha_HW.shape
    size = {"original_size": (height // scale, width // scale)} if latent_original_size else {}
    return {"image": control_NCHW, **size}


@torch.inference_mode()
def control_tensor(
    vae: Any,
    image_NCHW: torch.Tensor,
    foreground_N1HW: torch.Tensor,
    *,
    generators: Sequence[torch.Generator] | None,
) -> torch.Tensor:
    """What Bria's ControlNet was trained to see: the product's latent, and where it is.

    Args:
        vae: the pipeline's autoencoder.
        image_NCHW: the photographs, [0, 1].
        foreground_N1HW: 1 on the product, 0 elsewhere (the opposite of an inpainting mask).
        generators: one per row, to sample latents; None for their mode.

    Returns:
        N x 5 x h x w: four latent channels, scaled as the denoiser's are, and the mask.
    """
    product_NCHW = (image_NCHW * foreground_N1HW - 0.5) / 0.5  # the background becomes -1
    encoder_dtype = vae.dtype
    # SDXL's own VAE overflows in float16; the pipeline decodes in float32 for the same reason.
    upcast = vae.config.force_upcast and encoder_dtype == torch.float16
    if upcast:
        vae.to(dtype=torch.float32)
    rows = []
    for row, product_CHW in enumerate(product_NCHW):
        product_1CHW = product_CHW.unsqueeze(0).to(device=vae.device, dtype=vae.dtype)
        found = vae.encode(product_1CHW).latent_dist
        rows.append(found.sample(generators[row]) if generators is not None else found.mode())
    if upcast:
        vae.to(dtype=encoder_dtype)
    latent_NChw = torch.cat(rows).to(encoder_dtype) * vae.config.scaling_factor
    mask_N1hw = nn.functional.interpolate(foreground_N1HW, size=latent_NChw.shape[-2:])
    return torch.cat([latent_NChw, mask_N1hw.to(latent_NChw)], dim=1)
