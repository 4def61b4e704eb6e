"""Photographs and coverage to the tensors and pictures that pipelines take, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pipeline.models.generation.diffusion.pipeline_table import Adapter
from pipeline.models.generation.generator import GenerationRequest

# Shape suffixes: N row, C colour channel, H height, W width.


def photographs(requests: Sequence[GenerationRequest]) -> torch.Tensor:
    """The photographs, sRGB, float32, [0, 1]."""
    stacked_NHWC = np.stack([request.image_HWC for request in requests])
    return torch.from_numpy(stacked_NHWC).permute(0, 3, 1, 2).float().div(255).contiguous()


def foregrounds(requests: Sequence[GenerationRequest]) -> torch.Tensor:
    """Where the product is, 0 or 1, float32: latent-space models know no half coverage."""
    stacked_NHW = np.stack([request.alpha_HW for request in requests])
    return torch.from_numpy(stacked_NHW >= 0.5).unsqueeze(1).float()


def inpainting_arguments(adapter: Adapter, requests: Sequence[GenerationRequest]) -> dict[str, Any]:
    """The picture arguments of an inpainting pipeline. White means repaint."""
    if adapter.image is None or adapter.mask is None:
        return {}
    repaint = 1 - foregrounds(requests)
    if adapter.pictures == "tensor":
        return {adapter.image: photographs(requests), adapter.mask: repaint}
    (request,) = requests  # the table allows these pipelines one row a call
    mask_HW = (repaint[0, 0].numpy() * 255).astype(np.uint8)
    return {
        adapter.image: Image.fromarray(request.image_HWC),
        adapter.mask: Image.fromarray(mask_HW),
    }


def control_picture(
    requests: Sequence[GenerationRequest],
    control: Literal["background_mask", "product_on_white", "product_on_black"],
) -> torch.Tensor:
    """What a ControlNet is shown: N x 3 x H x W, [0, 1]."""
    foreground = foregrounds(requests)
    match control:
        case "background_mask":
            return (1 - foreground).expand(-1, 3, -1, -1).contiguous()
        case "product_on_white":
            return photographs(requests) * foreground + (1 - foreground)
        case "product_on_black":
            return photographs(requests) * foreground


def resized(rgb_HWC: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """A generated picture at another size, bicubic, clipped to [0, 1]."""
    if rgb_HWC.shape[:2] == (height, width):
        return rgb_HWC
    rgb_1CHW = torch.from_numpy(rgb_HWC).permute(2, 0, 1).unsqueeze(0)
    resampled = torch.nn.functional.interpolate(
        rgb_1CHW, size=(height, width), mode="bicubic", antialias=True
    )
    clipped: NDArray[np.float32] = resampled[0].permute(1, 2, 0).clamp(0, 1).numpy()
    return clipped
