"""Tiny checkpoints, each built once a session."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.models.generation.diffusion import diffusion_config as configs
from pipeline.models.generation.diffusion.backend import Diffusion
from pipeline.models.generation.generator import GenerationRequest
from pipeline.models.weights import Checkpoint
from tests.unit.models.diffusion import tiny

KINDS = {
    "sdxl-inpaint": (configs.SdxlInpaintConfig, {"checkpoint": "sdxl_inpainting"}),
    "sdxl-controlnet-inpaint": (
        configs.SdxlControlNetInpaintConfig,
        {"checkpoint": "sdxl", "controlnet": "sdxl_controlnet"},
    ),
    "bria": (configs.BriaConfig, {"checkpoint": "sdxl", "controlnet": "bria_controlnet"}),
    "photo-background": (configs.PhotoBackgroundConfig, {"checkpoint": "photo_background"}),
    "flux-fill": (configs.FluxFillConfig, {"checkpoint": "flux_fill"}),
    "flux2-klein": (configs.Flux2KleinConfig, {"checkpoint": "flux2_klein"}),
    "z-image": (configs.ZImageConfig, {"checkpoint": "z_image"}),
}
"""Each kind's configuration class, and the tiny checkpoints it reads."""


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """The directory of a tiny checkpoint, by the name of its builder."""
    root = tmp_path_factory.mktemp("checkpoints")
    built = {}

    def get(name):
        if name not in built:
            builder = getattr(tiny, name)
            needs_base = name in ("lora", "ip_adapter")
            built[name] = builder(root / name, *([get("sdxl")] if needs_base else []))
        return built[name]

    return get


@pytest.fixture
def ask():
    """A request: a bright disc on a dark gradient."""

    def make(prompt="a beach", *, seed=7, height=64, width=64, negative_prompt="", radius=20):
        y, x = np.mgrid[:height, :width]
        inside = np.hypot(y - height / 2, x - width / 2) < radius
        ground = np.stack([x * 80 // width, y * 80 // height, 0 * x + 60], axis=-1)
        image = np.where(inside[..., np.newaxis], (230, 180, 40), ground).astype(np.uint8)
        return GenerationRequest(
            image_HWC=image,
            alpha_HW=inside.astype(np.float32),
            prompt=prompt,
            seed=seed,
            negative_prompt=negative_prompt,
        )

    return make


QUICK = {"device": "cpu", "dtype": "float32", "num_inference_steps": 3}


@pytest.fixture
def configure(checkpoints):
    """A configuration of a kind over its tiny checkpoint."""

    def make(kind, **changes):
        cls, parts = KINDS[kind]
        weights = {name: Checkpoint(path=checkpoints(part)) for name, part in parts.items()}
        return cls(**(QUICK | weights | changes))

    return make


@pytest.fixture
def load(configure):
    """A backend, ready to draw."""
    return lambda kind, **changes: Diffusion(configure(kind, **changes))


@pytest.fixture
def style(tmp_path):
    """A reference picture."""
    path = tmp_path / "style.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path
