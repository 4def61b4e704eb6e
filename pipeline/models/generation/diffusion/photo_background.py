"""Salient-object-aware background generation (Eshratifar et al. 2024, arXiv 2404.10157).

Its ControlNet is a copy of the inpainting U-Net's first half and, like it, reads nine channels: the
noisy latent, the mask and the masked photograph's latent. The stock pipeline gives a ControlNet the
noisy latent alone. All else about the two is the same, so this class only completes that input.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from torch import nn

from pipeline.errors import FatalError

_Stock: Any = diffusers.StableDiffusionControlNetInpaintPipeline  # diffusers is not fully typed


class PhotoBackgroundPipeline(_Stock):  # type: ignore[misc]
    """The stock pipeline, whose ControlNet is shown the U-Net's whole input once it is adapted."""

    def adapt(self) -> None:
        """Complete the ControlNet's input from now on.

        Raises:
            FatalError: the networks are not of the kind that reads it.
        """
        channels = (self.unet.config.in_channels, self.controlnet.config.in_channels)
        if channels != (9, 9):
            raise FatalError(
                "photo-background: expected a U-Net and a ControlNet of 9 input channels each, "
                f"found {channels[0]} and {channels[1]}"
            )
        self.controlnet.register_forward_pre_hook(self._complete)

    def prepare_mask_latents(self, *args: Any, **kwargs: Any) -> Any:
        """Prepare mask latents as the stock pipeline does, and keep them for the ControlNet."""
        mask, masked_image_latents = super().prepare_mask_latents(*args, **kwargs)
        self._known_region = torch.cat([mask, masked_image_latents], dim=1)
        return mask, masked_image_latents

    def _complete(self, _module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        noisy, *rest = inputs
        return torch.cat([noisy, self._known_region], dim=1), *rest
